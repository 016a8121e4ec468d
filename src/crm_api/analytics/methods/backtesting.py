"""What a backtest hands back, and the few figures by which predictions are judged against what happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .states import Status

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Backtest:
    """A model fitted on what was known before `cut_on` and judged by what happened from there to before `until`.

    `table` is for the picture: bin (1 is the lowest predictions), count, predicted, observed (means per bin).
    Dates are None where the judgment was by folds and not by time. Without status `ok` there are no figures.
    """

    model: str
    cut_on: date | None
    until: date | None
    status: Status
    reason: str | None
    figures: Mapping[str, float]
    table: pl.DataFrame


def no_backtest(model: str, cut_on: date | None, until: date | None, status: Status, reason: str | None) -> Backtest:
    """Say why there is nothing to judge."""
    empty = np.empty(0)
    return Backtest(model, cut_on, until, status, reason, {}, calibration(empty, empty))


def calibration(predicted: Floats, observed: Floats, bins: int = 10) -> pl.DataFrame:
    """Lay customers into bins of equal size by prediction (ties stay together) and compare the means.

    Returns bin, count, predicted, observed; empty bins are left out.
    """
    place = bin_of(predicted, bins)
    frame = pl.DataFrame({"bin": place, "predicted": predicted, "observed": observed.astype(np.float64)})
    return (
        frame.sort("bin", "predicted", "observed")
        .group_by("bin", maintain_order=True)
        .agg(pl.len().cast(pl.Int64).alias("count"), pl.col("predicted", "observed").mean().round(9))
    )


def bin_of(predicted: Floats, bins: int) -> NDArray[np.int64]:
    """Number the bin of each prediction from 1 by its average rank, so that equal predictions share a bin."""
    if not len(predicted):
        return np.empty(0, dtype=np.int64)
    doubled = (_ranks(predicted) * 2).astype(np.int64)
    placed: NDArray[np.int64] = 1 + (bins * (doubled - 1)) // (2 * len(predicted))
    return placed


def auc(score: Floats, happened: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how often one to whom it happened is ranked above one to whom not; ties count half.

    Not a number when it happened to all or to nobody. Source: Mann and Whitney 1947.
    """
    yes = int(happened.sum())
    no = len(happened) - yes
    if not yes or not no:
        return float("nan")
    return float((_ranks(score)[happened].sum() - yes * (yes + 1) / 2) / (yes * no))


def brier(probability: Floats, happened: NDArray[np.bool_]) -> float:
    """Mean squared distance of probabilities from what happened; 0 is perfect. Source: Brier 1950."""
    return float(((probability - happened) ** 2).mean())


def calibration_error(table: pl.DataFrame) -> float:
    """Mean distance of predicted from observed over the bins of `calibration`, weighted by their size."""
    distance = (pl.col("predicted") - pl.col("observed")).abs()
    value = table.select((distance * pl.col("count")).sum() / pl.col("count").sum()).item()
    return float("nan") if value is None else float(value)


def _ranks(values: Floats) -> Floats:
    """Rank from 1; ties share the mean of their ranks. Not SciPy's, which takes a worker a second to load."""
    return pl.Series(values).rank("average").to_numpy()
