"""Rows of the estimators: BG/NBD fitted on customers with known parameters, beside the `lifetimes` package; and all
lists of recommendations of a grocer, beside the time that was promised.
"""

import time
import warnings
from datetime import date
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from crm_api.analytics.methods import bg_nbd, buy_again, product_days, recommendations

from .report import Line, Round

ROW: Final = "BG/NBD fit"
MOST: Final = 100_000
"""Customers beyond which `lifetimes` is not waited for."""
LISTS: Final = "recommendations"
_HOUSEHOLDS, _TYPES, _LINES, _PROMISED = 2_500, 1_600, 1_400_000, 10.0
_TRUTH: Final = (0.25, 4.5, 0.8, 2.4)
_DAYS: Final = 365

Counts = NDArray[np.int64]


def measure_fit(customers: int, rounds: int) -> Line:
    """Measure a fit of the same rows by both; ours judges what it found, too."""
    size = min(customers, MOST)
    rows = _simulated(size)
    line = Line(ROW, f"{size:,}", "≤ 0.1, goal 0.02", note="beside: lifetimes' BetaGeoFitter")
    bg_nbd.fit(*_simulated(1000))
    for _ in range(rounds):
        (seconds, found), (theirs, other) = _ours(rows), _beside(rows)
        if not np.allclose(found, other, rtol=0.02):
            raise RuntimeError(f"{found} and {other} are not the same fit: nothing is measured.")
        line.rounds.append(Round(seconds / theirs, {"s": seconds}, {"s": theirs}))
    return line


def measure_lists(rounds: int) -> Line:
    """Measure what to buy again, what to discover and what is related, for all households, from days on."""
    days = _days()
    line = Line(
        "all lists of a grocer", f"{_HOUSEHOLDS:,} × {_TYPES:,}", "≤ 1", note="beside: the 10 s that are promised"
    )
    for _ in range(rounds):
        began = time.perf_counter()
        _listed(days)
        seconds = time.perf_counter() - began
        line.rounds.append(Round(seconds / _PROMISED, {"s": seconds}, {"s": _PROMISED}))
    return line


def _days() -> pl.DataFrame:
    """Make a year of lines; few types are bought often, most seldom, and some households buy much more than others."""
    random = np.random.default_rng(2)
    types = np.minimum(random.pareto(0.7, _LINES) * 12, _TYPES - 1).astype(np.int64)
    households = (_HOUSEHOLDS * random.beta(0.9, 1.3, _LINES)).astype(np.int64)
    lines = pl.DataFrame({"customer_id": households, "product_id": types, "day": random.integers(0, 365, _LINES)})
    named = lines.select(
        pl.format("h{}", "customer_id").alias("customer_id"),
        pl.format("t{}", "product_id").alias("product_id"),
        on=pl.lit(date(2017, 1, 1)) + pl.duration(days="day"),
    )
    return product_days.condense(named, date(2018, 1, 1))


def _listed(days: pl.DataFrame) -> None:
    asked, again = recommendations.Parameters(date(2018, 1, 1)), buy_again.Parameters(date(2018, 1, 1))
    model = recommendations.learn(days, asked)
    if model.method != "ease" or len(model.products) < _TYPES * 0.9:
        raise RuntimeError(f"{len(model.products)} types by {model.method} are not what was promised for.")
    recommendations.discover(days, model, asked)
    recommendations.related(days, asked)
    buy_again.score(days, buy_again.learn(days, again), again)


def _simulated(size: int) -> tuple[Counts, Counts, Counts]:
    """Make customers as BG/NBD says, all at once: repeats, days to the last one, days since the first purchase."""
    random = np.random.default_rng(1)
    r, alpha, a, b = _TRUTH
    rate, leaving = random.gamma(r, 1 / alpha, size) / 7, random.beta(a, b, size)
    age = random.integers(30, _DAYS, size)
    repeats, last, at = np.zeros(size, np.int64), np.zeros(size), np.zeros(size)
    active = np.arange(size)
    while len(active):
        at[active] += random.exponential(1 / np.maximum(rate[active], 1e-12))
        active = active[at[active] < age[active]]
        repeats[active] += 1
        last[active] = at[active]
        active = active[random.random(len(active)) > leaving[active]]
    return repeats, last.astype(np.int64), age


def _ours(rows: tuple[Counts, Counts, Counts]) -> tuple[float, list[float]]:
    began = time.perf_counter()
    fitted = bg_nbd.fit(*rows)
    seconds = time.perf_counter() - began
    if fitted.status != "ok":
        raise RuntimeError(f"Nothing is measured: {fitted.reason}")
    return seconds, [fitted.r, fitted.alpha, fitted.a, fitted.b]


def _beside(rows: tuple[Counts, Counts, Counts]) -> tuple[float, list[float]]:
    with warnings.catch_warnings():
        # The package is no longer kept up, and warns of nearly everything it calls.
        warnings.simplefilter("ignore")
        from lifetimes import BetaGeoFitter  # only the bench pays for importing it

        fitter = BetaGeoFitter()
        began = time.perf_counter()
        fitter.fit(rows[0], rows[1] / 7, rows[2] / 7)
        seconds = time.perf_counter() - began
    return seconds, [float(fitter.params_[name]) for name in ("r", "alpha", "a", "b")]
