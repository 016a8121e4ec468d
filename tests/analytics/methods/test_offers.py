"""Offer response and Thompson sampling: planted odds, exact propensities, learning, evaluation from the log."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_api.analytics.methods import bandit, leaks, propensity
from crm_api.analytics.methods.bandit import Arm, Logged

FEATURES = ["recency", "history", "mens", "womens", "zip_code", "newbie", "channel", "treatment"]


@pytest.fixture(scope="module")
def mailed(test_data: Path) -> pl.DataFrame:
    lines = pl.read_csv(test_data / "hillstrom.csv").with_row_index("customer_id")
    return lines.with_columns(responded=pl.col("visit") == 1)


def planted(size: int = 4000, seed: int = 1) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    x = random.normal(size=size)
    responded = random.random(size) < 1 / (1 + np.exp(2.5 - x))
    return pl.DataFrame({"customer_id": range(size), "x": x, "responded": responded})


def test_response_to_a_real_mailing_is_calibrated(mailed: pl.DataFrame) -> None:
    found = propensity.backtest(mailed, FEATURES)
    assert found.status == "ok"
    assert found.figures["auc"] == pytest.approx(0.646, abs=0.01)
    assert found.figures["calibration_error"] < 0.01
    assert (found.table["predicted"] - found.table["observed"]).abs().max() < 0.03
    assert found.figures["top_tenth_lift"] > 1.5


def test_planted_odds_are_found_and_priced() -> None:
    fitted = propensity.fit(planted(20_000), ["x"])
    asked = pl.DataFrame({"customer_id": ["b", "a"], "x": [3.0, -1.0]})
    low, high = propensity.score(asked, fitted, margin_minor=1000, cost_minor=50).to_dicts()
    assert low["customer_id"] == "a"
    assert high["response_probability"] == pytest.approx(1 / (1 + np.exp(-0.5)), abs=0.03)
    assert low["response_probability"] == pytest.approx(1 / (1 + np.exp(3.5)), abs=0.01)
    assert high["expected_profit_minor"] == round(high["response_probability"] * 1000 - 50)
    assert low["expected_profit_minor"] < 0
    assert tuple(low) == propensity.OUTPUT_COLUMNS
    judged = propensity.backtest(planted(seed=2), ["x"], planted(seed=3))
    assert judged.figures["calibration_error"] < 0.02


def test_a_response_known_beforehand_is_a_leak(mailed: pl.DataFrame) -> None:
    with pytest.raises(leaks.LeakingFeatures, match="visit"):
        propensity.fit(mailed, [*FEATURES, "visit"])


def test_too_few_responses_are_no_model() -> None:
    few = planted(200).with_columns(responded=pl.col("customer_id") < 5)
    fitted = propensity.fit(few, ["x"])
    scores = propensity.score(few, fitted, 100, 1)
    assert scores["status"].unique().to_list() == ["insufficient_data"]
    assert scores["expected_profit_minor"].null_count() == 200
    assert propensity.backtest(few, ["x"]).status == "insufficient_data"
    assert propensity.score(few.head(0), fitted, 100, 1).height == 0


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_order_of_decisions_changes_no_byte(seed: int) -> None:
    frame = planted(600)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=seed)
    first, second = (propensity.score(rows, propensity.fit(rows, ["x"]), 500, 20) for rows in (frame, shuffled))
    assert first.write_csv() == second.write_csv()


def test_propensities_are_the_chances_of_being_best() -> None:
    """Against a million draws from the posteriors."""
    arms = [Arm("a", 50, 10), Arm("b", 400, 100), Arm("c", 10, 1, 3), Arm("d", 20, 6, 1, 0)]
    random = np.random.default_rng(1)
    draws = np.array([random.beta(1 + arm.taken, 1 + arm.shown - arm.taken, 10**6) * arm.margin_minor for arm in arms])
    simulated = np.bincount(draws.argmax(axis=0), minlength=4) / 10**6
    assert list(bandit.propensities(arms, floor=0.0).values()) == pytest.approx(simulated.tolist(), abs=2e-3)


def test_worth_counts_and_not_the_rate_alone() -> None:
    cheap, dear = Arm("cheap", 1000, 300, 100, 0), Arm("dear", 1000, 100, 1000, 0)
    assert bandit.propensities([cheap, dear])["dear"] > 0.98
    costly = Arm("dear", 1000, 100, 1000, 90)
    assert bandit.propensities([cheap, costly])["cheap"] > 0.9


def test_arms_nothing_is_known_of_are_all_alike_and_none_is_ever_out() -> None:
    assert list(bandit.propensities([Arm("a"), Arm("b"), Arm("c")]).values()) == pytest.approx([1 / 3] * 3)
    assert bandit.propensities([Arm("only", 9, 3)]) == {"only": 1.0}
    beaten = bandit.propensities([Arm("a", 10_000, 1000), Arm("b", 10_000, 10)], floor=0.02)
    assert beaten == {"a": 0.98, "b": 0.02}


def test_what_is_no_choice_is_refused() -> None:
    for arms in ([], [Arm("a"), Arm("a")]):
        with pytest.raises(ValueError, match="Arms of different names"):
            bandit.propensities(arms)
    with pytest.raises(ValueError, match="taken no more"):
        Arm("a", 1, 2)


def test_arms_are_drawn_with_the_propensity_that_is_logged_and_the_draw_repeats() -> None:
    shares = {"a": 0.7, "b": 0.25, "c": 0.05}
    drawn = [bandit.choose(shares, f"decision {number}", "spring") for number in range(20_000)]
    for name, share in shares.items():
        assert sum(one.arm == name for one in drawn) / 20_000 == pytest.approx(share, abs=0.01)
        assert {one.propensity for one in drawn if one.arm == name} == {share}
    assert drawn[7] == bandit.choose(shares, "decision 7", "spring")
    other = [bandit.choose(shares, f"decision {number}", "autumn").arm for number in range(200)]
    assert other != [one.arm for one in drawn[:200]]


def simulate(rounds: int, seed: str) -> tuple[list[Arm], list[Logged]]:
    rates = {"a": 0.05, "b": 0.08, "c": 0.12}
    arms, log = [Arm(name) for name in rates], []
    random = np.random.default_rng(5)
    for batch in range(rounds):
        shares = bandit.propensities(arms, floor=0.05)
        choices = [bandit.choose(shares, f"{batch}/{number}", seed) for number in range(100)]
        outcomes = [float(random.random() < rates[one.arm]) for one in choices]
        log += [Logged(one.arm, one.propensity, reward) for one, reward in zip(choices, outcomes, strict=True)]
        shown = {name: sum(one.arm == name for one in choices) for name in rates}
        taken = {
            name: int(sum(r for one, r in zip(choices, outcomes, strict=True) if one.arm == name)) for name in rates
        }
        arms = bandit.learn(arms, shown, taken)
    return arms, log


def test_the_best_offer_is_found_and_the_log_tells_what_others_would_have_earned() -> None:
    arms, log = simulate(80, "learning")
    assert max(arms, key=lambda arm: arm.shown).name == "c"
    assert sum(one.reward for one in log) / len(log) > 0.1
    for name, rate in (("a", 0.05), ("b", 0.08), ("c", 0.12)):
        found = bandit.value_of({name: 1.0}, log)
        assert found.low <= rate <= found.high
    even = bandit.value_of({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, log)
    assert even.estimate == pytest.approx(0.25 / 3, abs=0.012)
    assert simulate(3, "again") == simulate(3, "again")
    with pytest.raises(ValueError, match="ever done"):
        bandit.value_of({"z": 1.0}, log)
    with pytest.raises(ValueError, match="no chance"):
        bandit.value_of({"a": 1.0}, [Logged("a", 0.0, 1.0)])


arms_drawn = st.lists(
    st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(1, 50), st.integers(0, 20)), min_size=1, max_size=5
)


@settings(max_examples=60, deadline=None)
@given(drawn=arms_drawn, data=st.data())
def test_propensities_add_up_and_do_not_hang_on_order(
    drawn: list[tuple[int, int, int, int]], data: st.DataObject
) -> None:
    arms = [Arm(f"arm {n}", shown + taken, taken, margin, cost) for n, (shown, taken, margin, cost) in enumerate(drawn)]
    found = bandit.propensities(arms)
    assert sum(found.values()) == pytest.approx(1, abs=1e-6)
    assert min(found.values()) >= 0.01 - 1e-9
    assert bandit.propensities(data.draw(st.permutations(arms))) == found
