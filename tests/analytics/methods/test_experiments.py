"""Intervals and experiments: published figures, a real randomised test, the rate of false alarms, hard data."""

from math import inf, isnan
from pathlib import Path
from uuid import UUID

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from crm_api.analytics.methods import experiments, intervals
from crm_api.analytics.methods.intervals import Sample
from crm_api.audience.buckets import bucket_of

HALVES = {"treated": 0.5, "control": 0.5}
THIRDS = {"Mens E-Mail": 1 / 3, "Womens E-Mail": 1 / 3, "No E-Mail": 1 / 3}


@pytest.fixture(scope="module")
def hillstrom(test_data: Path) -> pl.DataFrame:
    lines = pl.read_csv(test_data / "hillstrom.csv").with_row_index("customer_id")
    return lines.rename({"treatment": "arm"})


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17:857, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_wilson_gives_the_published_intervals(successes: int, trials: int, low: float, high: float) -> None:
    found = intervals.wilson(successes, trials)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("treated", "control", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17:873, table II, method 10.
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_newcombe_gives_the_published_intervals(
    treated: tuple[int, int], control: tuple[int, int], low: float, high: float
) -> None:
    found = intervals.newcombe(treated, control)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_welch_is_that_of_scipy() -> None:
    random = np.random.default_rng(3)
    ours, theirs = random.gamma(2, 3, 40), random.normal(5, 1, 17)
    samples = [Sample(float(values.mean()), float(values.var(ddof=1)), len(values)) for values in (ours, theirs)]
    found = intervals.welch(*samples, 0.9)
    expected = ttest_ind(ours, theirs, equal_var=False)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.9)))


def test_without_spread_an_interval_has_no_width() -> None:
    assert intervals.welch(Sample(3, 0, 5), Sample(3, 0, 9)) == intervals.Interval(0, 0, 0, 1.0)
    assert intervals.welch(Sample(4, 0, 5), Sample(3, 0, 9)) == intervals.Interval(1, 1, 1, 0.0)
    with pytest.raises(ValueError, match="two values"):
        intervals.welch(Sample(4, 0, 1), Sample(3, 0, 9))


def test_what_is_no_rate_is_refused() -> None:
    for successes, trials in ((0, 0), (3, 2), (-1, 5)):
        with pytest.raises(ValueError, match="no rate"):
            intervals.wilson(successes, trials)


def test_a_detectable_effect_is_seen_as_often_as_said() -> None:
    """Simulated with the smallest effect told, eight of ten tests find it."""
    random = np.random.default_rng(7)
    rise = intervals.detectable_rate(0.1, 2000, 1000)
    found = 0
    for _ in range(600):
        counts = int(random.binomial(2000, 0.1 + rise)), int(random.binomial(1000, 0.1))
        p_value = intervals.newcombe((counts[0], 2000), (counts[1], 1000)).p_value
        found += p_value is not None and p_value < 0.05
    assert found / 600 == pytest.approx(0.8, abs=0.05)
    mean = intervals.detectable_mean(10, 500, 500)
    assert mean == pytest.approx(2.8016 * 10 * (2 / 500) ** 0.5, rel=1e-4)
    assert intervals.detectable_rate(0.5, 3, 3) == inf
    assert intervals.detectable_rate(0.1, 10**6, 10**6) < intervals.detectable_rate(0.1, 10**4, 10**4)


@given(trials=st.integers(1, 300), data=st.data())
def test_a_rate_lies_in_its_interval(trials: int, data: st.DataObject) -> None:
    found = intervals.wilson(data.draw(st.integers(0, trials)), trials)
    assert 0 <= found.low <= found.estimate <= found.high <= 1


HILLSTROM = [
    ("Mens E-Mail", "visit", 0.076590, 0.069953, 0.083227),
    ("Mens E-Mail", "conversion", 0.006805, None, None),
    ("Mens E-Mail", "spend", 0.769827, 0.485140, 1.054515),
    ("Womens E-Mail", "visit", 0.045233, None, None),
    ("Womens E-Mail", "conversion", 0.003111, None, None),
    ("Womens E-Mail", "spend", 0.424412, None, None),
]


@pytest.mark.parametrize(("arm", "metric", "difference", "low", "high"), HILLSTROM)
def test_hillstrom(
    hillstrom: pl.DataFrame, arm: str, metric: str, difference: float, low: float | None, high: float | None
) -> None:
    is_mean = metric == "spend"
    [effect] = experiments.uplift(
        hillstrom.select("customer_id", "arm"),
        hillstrom.filter(pl.col("visit") == 1),  # who did nothing has no row
        THIRDS,
        arm,
        "No E-Mail",
        rates=[] if is_mean else [metric],
        means=[metric] if is_mean else [],
    )
    assert (effect.status, effect.control_count) == ("ok", 21306)
    assert effect.difference is not None and effect.detectable is not None
    assert effect.difference.estimate == pytest.approx(difference, abs=1e-6)
    if low is not None:
        assert (effect.difference.low, effect.difference.high) == pytest.approx((low, high), abs=1e-5)
    assert effect.difference.p_value is not None and effect.difference.p_value < 0.01


def test_two_hundred_tests_of_nothing_raise_one_alarm_in_twenty(hillstrom: pl.DataFrame) -> None:
    """A/A: customers nobody treated differently, drawn into halves by 200 salts; rates and skewed money alike."""
    nobody = hillstrom.filter(pl.col("arm") == "No E-Mail")
    random = np.random.default_rng(11)
    few = nobody.head(4000).select("customer_id", visit=pl.col("visit") == 1)
    few = few.with_columns(spend=pl.Series(random.lognormal(3, 1, 4000).round(2)))
    alarms, odd_sizes = {"visit": 0, "spend": 0}, 0
    for run in range(200):
        drawn = experiments.assign(few["customer_id"], f"nothing {run}", HALVES)
        effects = experiments.uplift(drawn, few, HALVES, "treated", "control", ["visit"], ["spend"])
        odd_sizes += effects[0].status != "ok"
        for effect in effects:
            if effect.difference is not None:
                alarms[effect.metric] += not effect.difference.low <= 0 <= effect.difference.high
    # Of 200 tests at 5%, 4 to 17 alarms come by chance in 99 of 100 cases.
    assert 4 <= alarms["visit"] <= 17
    assert 4 <= alarms["spend"] <= 17
    assert odd_sizes <= 2


def test_arms_are_drawn_by_the_buckets_of_the_audience_language() -> None:
    ids = [UUID(int=number) for number in range(500)]
    drawn = experiments.assign([str(one) for one in ids], "spring", {"held": 0.1, "mailed": 0.9})
    expected = ["held" if bucket_of("spring", 1_000_000, one) < 100_000 else "mailed" for one in ids]
    assert drawn["arm"].to_list() == expected
    assert {experiments.arm_of(one, "spring", {"held": 0.1, "mailed": 0.9}) for one in ids} == {"held", "mailed"}


def test_a_customer_stays_in_her_arm_and_experiments_do_not_share_theirs() -> None:
    ids = range(4000)
    first, again, other = (experiments.assign(ids, salt, HALVES)["arm"] for salt in ("a", "a", "b"))
    assert (first == again).all()
    assert 0.45 < (first == other).mean() < 0.55  # type: ignore[operator]


def test_odd_sizes_are_noticed_and_no_effect_is_told() -> None:
    assert experiments.sample_ratio({"treated": 5000, "control": 5100}, HALVES).is_sound
    assert not experiments.sample_ratio({"treated": 5000, "control": 5600}, HALVES).is_sound
    assert experiments.sample_ratio({"treated": 821588, "control": 815482}, HALVES).p_value < 1e-5
    assert not experiments.sample_ratio({"off": 1, "on": 5}, {"off": 0.0, "on": 1.0}).is_sound
    assert experiments.sample_ratio({}, HALVES).is_sound
    drawn = experiments.assign(range(4000), "lost", HALVES)
    lost = drawn.filter((pl.col("arm") == "treated") | (pl.col("customer_id") % 4 > 0))
    done = drawn.select("customer_id", bought=pl.col("arm") == "treated")
    [effect] = experiments.uplift(lost, done, HALVES, "treated", "control", ["bought"])
    assert (effect.status, effect.difference) == ("not_identified", None)
    assert effect.reason is not None and "sizes" in effect.reason


def test_everybody_counts_as_drawn_and_refunds_net_out() -> None:
    drawn = pl.DataFrame({"customer_id": list("abcdef"), "arm": ["treated"] * 3 + ["control"] * 3})
    paid = pl.DataFrame(
        {
            "customer_id": ["a", "a", "b", "d", "stranger"],
            "spend": [500, -500, 300, 60, 10**9],
            "bought": [True, False, True, None, True],
        }
    )
    rate, mean = experiments.uplift(drawn, paid, HALVES, "treated", "control", ["bought"], ["spend"])
    assert (rate.treated, rate.control, rate.treated_count) == (pytest.approx(2 / 3), 0.0, 3)
    assert (mean.treated, mean.control) == (100.0, 20.0)
    with pytest.raises(ValueError, match="more than once"):
        experiments.uplift(pl.concat([drawn, drawn]), paid, HALVES, "treated", "control", ["bought"])
    with pytest.raises(ValueError, match="add up to 1"):
        experiments.assign("abc", "x", {"all": 0.9})


def test_one_customer_is_no_experiment() -> None:
    drawn = pl.DataFrame({"customer_id": ["a"], "arm": ["treated"]})
    paid = pl.DataFrame({"customer_id": ["a"], "spend": [5]})
    [effect] = experiments.uplift(drawn, paid, HALVES, "treated", "control", means=["spend"])
    assert (effect.status, effect.difference) == ("insufficient_data", None)
    assert isnan(effect.treated)


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 30), st.integers(-500, 900), st.booleans()), max_size=60),
    seed=st.integers(0, 99),
)
def test_the_order_of_rows_changes_nothing(rows: list[tuple[int, int, bool]], seed: int) -> None:
    drawn = experiments.assign(range(30), "order", HALVES)
    paid = pl.DataFrame(rows, schema={"customer_id": pl.Int64, "spend": pl.Int64, "bought": pl.Boolean}, orient="row")
    arguments = (HALVES, "treated", "control", ["bought"], ["spend"])
    shuffled = [frame.sample(fraction=1, shuffle=True, seed=seed) for frame in (drawn, paid)]
    assert experiments.uplift(drawn, paid, *arguments) == experiments.uplift(*shuffled, *arguments)
