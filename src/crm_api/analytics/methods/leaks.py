"""Features that know the answer: facts from after the cut, and single features that separate nearly perfectly.

A model that reads the reason for cancelling predicts cancelling without fault, in every backtest and never in life. Two
signs are looked for before a fit: a fact dated on or after the cut, and a feature that alone ranks what happened with
an AUC no honest feature of people's behavior reaches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .backtesting import auc, bin_of
from .likelihood import Floats
from .logistic import folds

SUSPICIOUS_AUC: Final = 0.97
_BINS: Final = 20


@dataclass(frozen=True, slots=True)
class Leak:
    """A feature and why it is thought to know the answer; `auc` is None where a date gave it away."""

    feature: str
    reason: str
    auc: float | None = None


class LeakingFeatures(ValueError):
    """Some features know what is to be predicted; `leaks` says which and why."""

    def __init__(self, leaks: Sequence[Leak]) -> None:
        super().__init__(" ".join(leak.reason for leak in leaks))
        self.leaks = tuple(leaks)


def find_leaks(
    frame: pl.DataFrame,
    outcome: str,
    features: Sequence[str],
    known_on: Mapping[str, str] | None = None,
    cut_on: date | None = None,
    limit: float = SUSPICIOUS_AUC,
) -> list[Leak]:
    """Find the features (of rows with customer_id and outcome) that know the answer, in the order given.

    `known_on` names for a feature the column of dates on which its value became known; a value of `cut_on` or later
    leaks. Numbers are tried as they are, by their presence and, for a peak in the middle, by twentieths; words by the
    rate of their level among the other folds, so that an id of its own for each row gives nothing away.
    """
    ordered = frame.sort("customer_id")
    happened = ordered[outcome].cast(pl.Boolean).to_numpy().astype(np.bool_)
    fold = folds(ordered["customer_id"])
    found: list[Leak] = []
    for name in features:
        dated = (known_on or {}).get(name)
        late = ordered.filter(pl.col(dated) >= cut_on).height if dated is not None and cut_on is not None else 0
        if late:
            found.append(Leak(name, f"{name}: {late} values became known on {cut_on} or later."))
            continue
        best = _separation(ordered[name], happened, fold)
        if best >= limit:
            found.append(Leak(name, f"{name} alone tells the outcome (AUC {best:.3f}).", best))
    return found


def refuse_leaks(frame: pl.DataFrame, outcome: str, features: Sequence[str]) -> None:
    """Errors: LeakingFeatures when a feature separates nearly perfectly."""
    if leaks := find_leaks(frame, outcome, features):
        raise LeakingFeatures(leaks)


def _separation(values: pl.Series, happened: NDArray[np.bool_], fold: NDArray[np.int64]) -> float:
    present = values.is_not_null().to_numpy()
    tried = [_two_sided(present.astype(np.float64), happened)]
    if values.dtype.is_numeric():
        numbers = values.cast(pl.Float64).fill_nan(None).fill_null(strategy="min").fill_null(0.0).to_numpy()
        tried.append(_two_sided(numbers, happened))
        level: NDArray[np.int64] = bin_of(numbers, _BINS)
    else:
        level = values.cast(pl.String).fill_null("").rank("dense").cast(pl.Int64).to_numpy()
    tried.append(auc(_rates_elsewhere(level, happened, fold), happened))
    return float(np.nanmax([0.0, *tried]))


def _two_sided(score: Floats, happened: NDArray[np.bool_]) -> float:
    area = auc(score, happened)
    return max(area, 1 - area)


def _rates_elsewhere(level: NDArray[np.int64], happened: NDArray[np.bool_], fold: NDArray[np.int64]) -> Floats:
    """The rate of the outcome among rows of the same level in the other folds, drawn to the mean by one row."""
    size = int(level.max(initial=0)) + 1
    rates = np.zeros(len(level))
    for number in np.unique(fold):
        inside = fold == number
        count = np.bincount(level[~inside], minlength=size)
        yes = np.bincount(level[~inside], weights=happened[~inside], minlength=size)
        mean = happened[~inside].mean() if (~inside).any() else 0.5
        rates[inside] = ((yes + mean) / (count + 1))[level[inside]]
    return rates
