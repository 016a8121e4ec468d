"""Churn with a contract by what was agreed: how likely contracts of some kind and age are to end in a horizon. Pure.

Method: a discrete hazard. Contracts that ran one horizon before the reference date, and whether each ended since, are
fitted by a calibrated logistic regression (`retention.fit`) on the age of the contract and on what was told when it
began; the contracts that run are scored by it.

Rules, stated once:

- **What is known of a contract** is what its latest beginning before a date told, as it was recorded. What a customer
  is like now would tell a backtest the answer as often as it is changed when somebody leaves.
- A property that is a number in all beginnings is a number, any other a word; lists and objects say nothing. A number
  that is missing is the mean and said to be missing; words of fewer than ten contracts are none.
- **The backtest** fits one horizon earlier and judges by the last one. Where too few ended by then it is judged by
  five folds, each told by the four others, and `by_folds` is 1.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from math import isfinite
from typing import Any, Final

import numpy as np
import polars as pl

from . import logistic, retention
from .backtesting import Backtest, no_backtest
from .contract_churn import MODEL, Parameters, answered, judge, running
from .likelihood import Floats

VERSION: Final = "hazard-1"
AGE: Final = "age_days"
PREFIX: Final = "properties."
"""Stands before the names of properties, so that none is taken for a column of ours."""
_NOT_RECORDED: Final = "Whose contract ended is recorded since {since} alone: too late to learn from one horizon."


def read_terms(begun: pl.DataFrame, properties: Sequence[str]) -> pl.DataFrame:
    """Read what beginnings told: rows of customer_id, on (local date), occurred_at, told (a JSON array of the values).

    Returns customer_id, on, and a column for each property, the latest beginning of a customer last.
    """
    ordered = begun.sort("customer_id", "on", "occurred_at", "told")
    rows = [json.loads(text) for text in ordered["told"]]
    columns = (_column(PREFIX + name, [row[place] for row in rows]) for place, name in enumerate(properties))
    return ordered.select("customer_id", "on").with_columns(*columns)


def fit(known: pl.DataFrame, terms: pl.DataFrame, parameters: Parameters) -> logistic.Model:
    """Learn from those of `contract_churn.spells` that ran one horizon before the reference date.

    States: those of `logistic.fit`. Errors: leaks.LeakingFeatures.
    """
    begin = parameters.as_of - timedelta(days=parameters.horizon_days)
    if parameters.watched_from is not None and begin < parameters.watched_from:
        nobody = _rows(known.clear(), terms, parameters).with_columns(churned=pl.lit(False))
        nothing = logistic.fit(nobody, "churned", [])
        return replace(nothing, reason=_NOT_RECORDED.format(since=parameters.watched_from))
    ended = (pl.col("ended_on") < parameters.as_of).fill_null(False)
    rows = _rows(known, terms, replace(parameters, as_of=begin)).with_columns(churned=ended)
    return retention.fit(rows, _features(terms))


def score(known: pl.DataFrame, terms: pl.DataFrame, fitted: logistic.Model, parameters: Parameters) -> pl.DataFrame:
    """Score every customer under contract at the reference date, in rows as `contract_churn.score` answers them."""
    rows = _rows(known, terms, parameters)
    return answered(rows, _predicted(fitted, rows), fitted.reason or "Nothing could be learned.", parameters)


def backtest(known: pl.DataFrame, terms: pl.DataFrame, fitted: logistic.Model, parameters: Parameters) -> Backtest:
    """Judge the method by the last horizon; `fitted` is what was learned from it. Figures: those of
    `contract_churn.judge`, and by_folds.
    """
    cut_on = parameters.as_of - timedelta(days=parameters.horizon_days)
    earlier = replace(parameters, as_of=cut_on)
    if fitted.status != "ok":
        return no_backtest(MODEL, cut_on, parameters.as_of, fitted.status, fitted.reason)
    rows = _rows(known, terms, earlier)
    before = fit(known, terms, earlier)
    by_folds = before.status != "ok"
    predicted = fitted.held_out if by_folds else _predicted(before, rows)
    ended = (rows["ended_on"] < parameters.as_of).fill_null(False).to_numpy()
    found = judge(predicted, rows["age"].to_numpy(), ended, (cut_on, parameters.as_of))
    return replace(found, figures={**found.figures, "by_folds": float(by_folds)}) if found.status == "ok" else found


def _rows(known: pl.DataFrame, terms: pl.DataFrame, parameters: Parameters) -> pl.DataFrame:
    """Contracts that run at the reference date, with what is known of each, sorted by customer_id."""
    told = terms.filter(pl.col("on") < parameters.as_of).unique("customer_id", keep="last", maintain_order=True)
    rows = running(known, parameters.as_of).join(told.drop("on"), on="customer_id", how="left", maintain_order="left")
    return rows.with_columns(pl.col("age").cast(pl.Float64).alias(AGE))


def _features(terms: pl.DataFrame) -> list[str]:
    return [AGE, *(name for name in terms.columns if name.startswith(PREFIX))]


def _predicted(fitted: logistic.Model, rows: pl.DataFrame) -> Floats:
    return logistic.predict(fitted, rows) if fitted.status == "ok" else np.full(rows.height, np.nan)


def _column(name: str, values: Sequence[Any]) -> pl.Series:
    told = [value for value in values if value is not None]
    if told and all(isinstance(value, int | float) and not isinstance(value, bool) for value in told):
        return pl.Series(name, [_number(value) for value in values], dtype=pl.Float64)
    return pl.Series(name, [_word(value) for value in values], dtype=pl.String)


def _number(value: int | float | None) -> float | None:
    try:
        number = None if value is None else float(value)
    except OverflowError:
        return None
    return number if number is not None and isfinite(number) else None


def _word(value: Any) -> str | None:
    return None if value is None or isinstance(value, list | dict) else str(value)
