"""The floor of the nightly models: the same methods from Parquet to Parquet, in a process of its own; nothing else.

`python -m tests.benchmarks.nightly_floor FOLDER` reads `facts.parquet` and `lines.parquet`, writes `<model>.parquet` for
each model, and prints as JSON how long each took, the most memory the process had and the
processor time it used.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from crm_api.analytics import rfm, wire
from crm_api.analytics.methods import (
    affinity,
    churn,
    growth,
    lifetime_value,
    lines,
    price_sensitivity,
    purchases,
    taste,
)

_AS_OF: Final = "2026-01-01"
_MONEY: Final[dict[str, Any]] = {"as_of": _AS_OF, "currency": "EUR"}
ASKED: Final[dict[str, dict[str, Any]]] = {
    "rfm": _MONEY,
    "lifetime_value": {**_MONEY, "horizon_days": 365, "backtest_days": 90},
    "churn": {**_MONEY, "horizon_days": 90},
    "price_sensitivity": {**_MONEY, "min_lines": 3, "backtest_days": 182},
    "affinity": {
        "as_of": _AS_OF,
        "subjects": [
            {"subject": "garden", "departments": ["DEPARTMENT 3"]},
            {"subject": "books", "departments": ["DEPARTMENT 5"]},
        ],
        "min_lines": 3,
        "backtest_days": 182,
    },
    "growth": {**_MONEY, "window_days": 182},
}
"""What is computed every night, as runs are asked for it; customers of the bench have few lines."""
OF_LINES: Final = ("price_sensitivity", "affinity", "growth")
_ZONE: Final = "UTC"


def main() -> None:
    """Compute all of them, in turn."""
    folder = Path(sys.argv[1])
    told: dict[str, float] = {}
    for model, asked in ASKED.items():
        began = time.perf_counter()
        feed = pl.read_parquet(folder / ("lines.parquet" if model in OF_LINES else "facts.parquet"))
        _SCORES[model](feed, asked).write_parquet(folder / f"{model}.parquet")
        told[model] = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    told |= {"peak MB": used.ru_maxrss / 1000, "CPU seconds": used.ru_utime + used.ru_stime}
    print(json.dumps(told))


def _rfm(facts: pl.DataFrame, asked: Mapping[str, Any]) -> pl.DataFrame:
    return rfm.score(facts, rfm.Parameters(_as_of(asked), _ZONE, asked["currency"]))


def _lifetime_value(facts: pl.DataFrame, asked: Mapping[str, Any]) -> pl.DataFrame:
    parameters = lifetime_value.Parameters(_as_of(asked), asked["horizon_days"])
    days = _days(facts, asked)
    histories = purchases.histories(days, parameters.as_of)
    scores = lifetime_value.score(histories, lifetime_value.fit(histories, parameters), parameters)
    lifetime_value.backtest(days, _cut_on(asked, "backtest_days"), parameters)
    return scores


def _churn(facts: pl.DataFrame, asked: Mapping[str, Any]) -> pl.DataFrame:
    parameters = churn.Parameters(_as_of(asked), asked["horizon_days"])
    days = _days(facts, asked)
    histories = purchases.histories(days, parameters.as_of)
    scores = churn.score(histories, churn.fit(histories, parameters), parameters)
    churn.backtest(days, _cut_on(asked, "horizon_days"), parameters)
    return scores


def _days(facts: pl.DataFrame, asked: Mapping[str, Any]) -> pl.DataFrame:
    return purchases.customer_days(wire.dated(facts, _ZONE, _as_of(asked), asked["currency"]), _as_of(asked))


def _price_sensitivity(feed: pl.DataFrame, asked: Mapping[str, Any]) -> pl.DataFrame:
    parameters = price_sensitivity.Parameters(_as_of(asked), min_lines=asked["min_lines"])
    items = _items(feed, asked).with_columns(discount_minor=pl.col("list_minor") - pl.col("paid_minor"))
    days = price_sensitivity.condense(items, parameters.as_of)
    scores = price_sensitivity.score(days, price_sensitivity.fit(days, parameters), parameters)
    price_sensitivity.backtest(days, _cut_on(asked, "backtest_days"), parameters)
    return scores


def _affinity(feed: pl.DataFrame, asked: Mapping[str, Any]) -> pl.DataFrame:
    parameters = affinity.Parameters(_as_of(asked), min_lines=asked["min_lines"])
    items, cut_on = _items(feed, asked).rename({"sku": "product_id"}), _cut_on(asked, "backtest_days")
    products = items.select("product_id", "department").unique()
    subjects = {each["subject"]: each["departments"] for each in asked["subjects"]}
    placed = [(name, products.filter(pl.col("department").is_in(within))) for name, within in subjects.items()]
    tree = pl.concat(part.select("product_id", category=pl.lit(name)) for name, part in [("*", products), *placed])
    is_late = pl.col("on") >= cut_on
    before, after = (taste.condense(items.filter(side), tree, parameters.as_of) for side in (~is_late, is_late))
    scores = affinity.score(taste.combine([before, after]), "*", list(subjects), parameters)
    affinity.backtest(before, after, "*", list(subjects), cut_on, parameters)
    return scores


def _growth(feed: pl.DataFrame, asked: Mapping[str, Any]) -> pl.DataFrame:
    parameters = growth.Parameters(_as_of(asked), asked["window_days"])
    named = _items(feed, asked).select("customer_id", "on", "kind", "category", amount_minor="paid_minor")
    sums = lines.by_window(named, parameters.as_of, parameters.window_days, "category")
    scores = growth.score(sums, parameters).filter(pl.col("observation_count") > 0)
    growth.backtest(sums, _cut_on(asked, "window_days"), parameters)
    return scores


def _items(feed: pl.DataFrame, asked: Mapping[str, Any]) -> pl.DataFrame:
    return wire.items(feed, _ZONE, _as_of(asked), asked.get("currency"))


def _as_of(asked: Mapping[str, Any]) -> date:
    return date.fromisoformat(asked["as_of"])


def _cut_on(asked: Mapping[str, Any], held_back: str) -> date:
    return _as_of(asked) - timedelta(days=asked[held_back])


_SCORES: Final[dict[str, Callable[[pl.DataFrame, Mapping[str, Any]], pl.DataFrame]]] = {
    "rfm": _rfm,
    "lifetime_value": _lifetime_value,
    "churn": _churn,
    "price_sensitivity": _price_sensitivity,
    "affinity": _affinity,
    "growth": _growth,
}

if __name__ == "__main__":
    main()
