"""BG/NBD: the published figures, the exact laws of its predictions, known parameters found again."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.optimize import check_grad
from scipy.special import hyp2f1

from crm_api.analytics.methods import bg_nbd, likelihood, purchases

from .buying import START, Truth, simulate

CUT = date(1997, 10, 1)
PUBLISHED = bg_nbd.Fit(0.2425945, 4.413602, 0.792922, 2.425907, (), 0.0, 0, 0, "ok", None)
Counts = NDArray[np.int64]


def counts(feed: pl.DataFrame, as_of: date) -> tuple[Counts, Counts, Counts]:
    found = purchases.histories(purchases.customer_days(feed, as_of), as_of).filter(pl.col("first_on").is_not_null())
    repeats, recency, age = (found[name].to_numpy() for name in ("repeats", "recency_days", "age_days"))
    return repeats, recency, age


def whole(*values: int) -> Counts:
    return np.array(values, dtype=np.int64)


def test_cdnow_gives_the_published_parameters(cdnow: pl.DataFrame) -> None:
    fit = bg_nbd.fit(*counts(cdnow, CUT))
    assert fit.status == "ok"
    assert (fit.r, fit.alpha, fit.a, fit.b) == pytest.approx((0.2425945, 4.413602, 0.792922, 2.425907), rel=1e-3)
    assert fit.log_likelihood == pytest.approx(-9582.4292, abs=1e-3)
    assert fit.customer_count == 2357


def test_the_example_of_the_paper() -> None:
    """Customer of page 281: x = 2, t_x = 30.43, T = 38.86, the next 39 weeks."""
    x, last, age = whole(2), np.array([30.43 * 7]), np.array([38.86 * 7])
    expected = bg_nbd.p_alive(PUBLISHED, x, last, age) * bg_nbd.ahead(PUBLISHED, x, age, 39.0).mean  # type: ignore[arg-type]
    assert expected[0] == pytest.approx(1.2259, abs=5e-4)


@pytest.mark.parametrize("x", [0, 1, 2, 7, 25])
@pytest.mark.parametrize("a", [0.3, 0.8, 1.7, 4.0])
def test_expected_purchases_are_those_of_the_hypergeometric_formula(x: int, a: float) -> None:
    fit = bg_nbd.Fit(0.24, 4.4, a, 2.4, (), 0.0, 0, 0, "ok", None)
    age, weeks = 30.0, 52.0
    z = weeks / (fit.alpha + age + weeks)
    bracket = 1 - (1 - z) ** (fit.r + x) * hyp2f1(fit.r + x, fit.b + x, a + fit.b + x - 1, z)
    formula = (a + fit.b + x - 1) / (a - 1) * bracket
    assert bg_nbd.ahead(fit, whole(x), whole(210), weeks).mean[0] == pytest.approx(formula, rel=1e-8)


@pytest.mark.parametrize("x", [0, 1, 5, 40, 3000])
def test_counts_add_up_to_their_moments(x: int) -> None:
    n = np.arange(1, 40_000, dtype=np.float64)
    ones = np.ones_like(n)
    chance = bg_nbd.at_least(PUBLISHED, ones * x, ones * 272, 39.0, n)
    coming = bg_nbd.ahead(PUBLISHED, whole(x), whole(272), 39.0)
    assert coming.any[0] == pytest.approx(chance[0], rel=1e-10)
    assert coming.mean[0] == pytest.approx(chance.sum(), rel=1e-7)
    assert coming.factorial[0] == pytest.approx((2 * (n - 1) * chance).sum(), rel=1e-6)


def test_a_pole_of_the_formula_is_none_of_the_model() -> None:
    near = [
        bg_nbd.ahead(bg_nbd.Fit(0.24, 4.4, a, 2.4, (), 0.0, 0, 0, "ok", None), whole(3), whole(200), 26.0).mean[0]
        for a in (1 - 1e-9, 1.0, 1 + 1e-9)
    ]
    assert near[1] == pytest.approx(near[0], rel=1e-7)
    assert near[1] == pytest.approx(near[2], rel=1e-7)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9, 0.99])
def test_quantiles_of_counts_are_the_smallest_that_suffice(level: float) -> None:
    x, age = whole(0, 1, 3, 12, 80, 100_000), whole(272, 40, 272, 300, 365, 365)
    alive = np.array([1.0, 0.3, 0.9, 0.02, 0.99, 0.999])
    found = bg_nbd.count_quantile(PUBLISHED, x, age, alive, 52.0, level)
    rows = x.astype(np.float64), age.astype(np.float64)
    above = 1 - alive * bg_nbd.at_least(PUBLISHED, *rows, 52.0, found + 1.0)
    assert (above >= level - 1e-12).all()
    again = found > 0
    at = found[again].astype(np.float64)
    below = 1 - alive[again] * bg_nbd.at_least(PUBLISHED, rows[0][again], rows[1][again], 52.0, at)
    assert (below < level).all()


def test_a_buyer_of_a_hundred_thousand_times_has_finite_figures() -> None:
    x, last, age = whole(100_000), whole(365), whole(365)
    alive = bg_nbd.p_alive(PUBLISHED, x, last, age)
    coming = bg_nbd.ahead(PUBLISHED, x, age, 52.0)
    assert 0.9 < alive[0] <= 1
    assert 10_000 < coming.mean[0] < 100_000
    assert np.isfinite(coming.factorial).all()
    assert bg_nbd.p_alive(PUBLISHED, x, whole(30), age)[0] < 1e-6


def test_the_gradient_is_that_of_the_likelihood(cdnow: pl.DataFrame) -> None:
    rows = bg_nbd._Rows(*counts(cdnow, CUT))
    for at in ([-1.4, 1.5, -0.2, 0.9], [0.5, 3.0, 1.0, -1.0], [-3.0, 0.0, -2.0, 3.0]):
        off = check_grad(lambda logs: rows.objective(logs)[0], lambda logs: rows.objective(logs)[1], np.array(at))
        assert off < 1e-5


@pytest.mark.parametrize(
    "truth", [Truth(), Truth(r=0.8, alpha=8.0, a=0.4, b=3.0), Truth(r=1.5, alpha=12.0, a=1.5, b=4.0)]
)
def test_known_parameters_are_found_again(truth: Truth) -> None:
    days = 400
    feed = simulate(truth, customers=6000, days=days, seed=3)
    fit = bg_nbd.fit(*counts(feed, date.fromordinal(START.toordinal() + days)))
    assert fit.status == "ok"
    found = np.log([fit.r, fit.alpha, fit.a, fit.b])
    distance = np.abs(found - np.log([truth.r, truth.alpha, truth.a, truth.b])) / np.array(fit.relative_errors)
    assert max(fit.relative_errors) < 0.4
    # Counting days loses the second purchase of a day, which draws the parameters by a part of their errors.
    assert distance.max() < 3.5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_start_ends_at_the_same_optimum(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = Truth(*random.uniform([0.2, 3.0, 0.4, 1.0], [2.0, 20.0, 2.0, 5.0]))
    rows = counts(simulate(truth, customers=1500, seed=seed), date.fromordinal(START.toordinal() + 400))
    made = bg_nbd._Rows(*rows)
    ends = [likelihood.highest(made.objective, start, bg_nbd._BOUNDS) for start in bg_nbd._starts(rows[0], rows[2])]
    assert max(ends) - min(ends) < 1e-8
    assert bg_nbd.fit(*rows).log_likelihood == pytest.approx(max(ends) * len(rows[0]), abs=1e-4)


def test_online_retail_does_not_say_who_left(online_retail: pl.DataFrame) -> None:
    assert online_retail.height == 397_884
    for as_of in (date(2011, 12, 10), date(2011, 10, 1), date(2011, 6, 1)):
        fit = bg_nbd.fit(*counts(online_retail, as_of))
        assert fit.status == "not_identified"
        assert fit.reason is not None
        assert "bound: a" in fit.reason or "Drop-out" in fit.reason or "share that leaves" in fit.reason


def test_leaving_is_known_where_its_spread_is_not(baskets: pl.DataFrame) -> None:
    """The grocer's households leave seldom; how unlike they are in that stays open, the share does not."""
    fit = bg_nbd.fit(*counts(baskets, date(2017, 9, 1)))
    assert fit.status == "ok"
    assert min(fit.relative_errors[2:]) > 2
    assert fit.a / (fit.a + fit.b) == pytest.approx(0.0006, rel=0.2)


def test_customers_who_never_leave_are_not_identified() -> None:
    feed = simulate(Truth(r=1.0, alpha=6.0, a=1e-6, b=50.0), customers=1500, seed=5)
    fit = bg_nbd.fit(*counts(feed, date.fromordinal(START.toordinal() + 400)))
    assert fit.status == "not_identified"


def test_too_few_customers_who_came_back_are_not_fitted() -> None:
    fit = bg_nbd.fit(whole(*([0] * 500 + [1] * 9)), whole(*([0] * 500 + [30] * 9)), whole(*([100] * 509)))
    assert fit.status == "insufficient_data"
    assert fit.reason is not None and "9" in fit.reason


def test_customers_all_alike_are_not_identified() -> None:
    fit = bg_nbd.fit(*(np.full(400, value, dtype=np.int64) for value in (3, 90, 200)))
    assert fit.status == "not_identified"


def test_the_order_of_customers_changes_no_bit(cdnow: pl.DataFrame) -> None:
    rows = counts(cdnow, CUT)
    order = np.random.default_rng(4).permutation(len(rows[0]))
    assert bg_nbd.fit(*rows) == bg_nbd.fit(rows[0][order], rows[1][order], rows[2][order])


def test_who_was_silent_long_is_less_alive() -> None:
    last = np.arange(1, 273)
    alive = bg_nbd.p_alive(PUBLISHED, np.full(272, 4), last, np.full(272, 272))
    assert (np.diff(alive) > 0).all()
    assert bg_nbd.p_alive(PUBLISHED, whole(0), whole(0), whole(500)).tolist() == [1.0]
