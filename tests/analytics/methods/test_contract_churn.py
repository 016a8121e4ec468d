"""Churn with a contract: what counts as being under one, a planted hazard found again, and real contracts."""

from datetime import date, timedelta
from pathlib import Path
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_api.analytics.methods import contract_churn, logistic, retention

AS_OF = date(2024, 1, 1)
BEGAN, ENDED = "contract.started", "contract.ended"
Fact = tuple[str, str, date]


def days_of(facts: list[Fact]) -> pl.DataFrame:
    frame = pl.DataFrame(facts, schema={"customer_id": pl.String, "kind": pl.String, "on": pl.Date}, orient="row")
    return contract_churn.condense(frame, BEGAN, ENDED)


def spells_of(*changes: tuple[str, int]) -> list[tuple[int, int | None]]:
    """Spells of one customer, in days of January, of `+` and `-` on such days."""
    facts = [("c", BEGAN if what == "+" else ENDED, date(2023, 1, on)) for what, on in changes]
    found = contract_churn.spells(days_of(facts)).select("started_on", "ended_on").rows()
    return [(start.day, None if end is None else end.day) for start, end in found]


def test_who_is_under_contract() -> None:
    assert spells_of(("+", 1)) == [(1, None)]
    assert spells_of(("+", 1), ("-", 9), ("+", 20)) == [(1, 9), (20, None)], "came back"
    assert spells_of(("+", 1), ("+", 3), ("-", 9), ("-", 12)) == [(1, 12)], "two at once: the last one counts"
    assert spells_of(("-", 1), ("+", 3)) == [(3, None)], "an end without a contract says nothing"
    assert spells_of(("-", 1), ("-", 2), ("+", 3), ("-", 4), ("+", 5)) == [(3, 4), (5, None)]
    assert spells_of(("+", 1), ("-", 9), ("+", 9)) == [(1, None)], "a change of contract goes on"
    assert spells_of(("+", 5), ("-", 5)) == [], "withdrawn on the day"


facts = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([BEGAN, ENDED]), st.dates(date(2023, 1, 1), date(2023, 3, 1))),
    max_size=25,
)


@given(told=facts, seed=st.integers(0, 99), cut=st.integers(0, 25))
def test_order_and_cuts_do_not_matter(told: list[Fact], seed: int, cut: int) -> None:
    mixed = Random(seed).sample(told, len(told))
    parts = contract_churn.combine([days_of(mixed[:cut]), days_of(mixed[cut:])])
    assert contract_churn.spells(parts).equals(contract_churn.spells(days_of(told)))
    found = contract_churn.spells(parts)
    assert found.filter(pl.col("ended_on") <= pl.col("started_on")).is_empty()
    assert found.filter(pl.col("ended_on").is_null())["customer_id"].is_unique().all()


def planted(size: int, seed: int = 1) -> pl.DataFrame:
    """Contracts over three years of which 1 in 500 ends each day, and 3 in 10 on the 365th."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(size):
        start = AS_OF - timedelta(days=int(random.integers(1, 1096)))
        lasts = int(random.geometric(0.002))
        if lasts > 365 and random.random() < 0.3:
            lasts = 365
        end = start + timedelta(days=lasts)
        rows.append((f"c{number:05}", start, end if end < AS_OF else None, 1))
    schema = {"customer_id": pl.String, "started_on": pl.Date, "ended_on": pl.Date, "observation_count": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("customer_id")


def test_a_planted_hazard_is_found_again() -> None:
    asked = contract_churn.Parameters(AS_OF, horizon_days=30)
    fitted = contract_churn.fit(planted(8000), asked)
    away, across, beyond = contract_churn.predict(fitted, np.array([100, 350, 1090]), 30)
    assert away == pytest.approx(1 - 0.998**30, abs=0.015)
    assert across == pytest.approx(1 - 0.998**30 * 0.7, abs=0.05)
    assert np.isnan(beyond), "nobody was seen so old"
    found = contract_churn.backtest(planted(8000), asked)
    assert found.figures["calibration_error"] < 0.02
    assert found.figures["auc"] > found.figures["auc_of_youth"] + 0.03
    assert found.figures["brier"] < found.figures["brier_of_the_rate"]


def test_ends_that_nobody_recorded_mislead_unless_told() -> None:
    watched_from = date(2023, 7, 1)
    recorded = planted(8000).filter((pl.col("ended_on") >= watched_from).fill_null(True))
    naive = contract_churn.fit(recorded, contract_churn.Parameters(AS_OF, 30))
    told = contract_churn.fit(recorded, contract_churn.Parameters(AS_OF, 30, watched_from=watched_from))
    age = np.array([250])
    assert contract_churn.predict(naive, age, 30)[0] < 0.05
    assert contract_churn.predict(told, age, 30)[0] == pytest.approx(1 - 0.998**30, abs=0.02)


def test_survival_is_that_of_kaplan_and_meier() -> None:
    known, asked = planted(500), contract_churn.Parameters(AS_OF, 200, min_at_risk=1)
    curve = retention.kaplan_meier(contract_churn.lives(known, asked))
    last = curve.filter(pl.col("time") < 200)["survival_rate"].to_list()[-1]
    new = contract_churn.predict(contract_churn.fit(known, asked), np.array([0]), 200)
    assert 1 - new[0] == pytest.approx(last, abs=1e-9)


def test_one_customer_all_ties_and_nobody() -> None:
    asked = contract_churn.Parameters(AS_OF, 30, min_at_risk=2)
    one = contract_churn.spells(days_of([("c", BEGAN, date(2023, 5, 31))]))
    [row] = contract_churn.score(one, contract_churn.fit(one, asked), asked).rows(named=True)
    assert (row["status"], row["contract_months"], row["end_probability"]) == ("insufficient_data", 7, None)
    nobody = contract_churn.spells(days_of([]))
    assert contract_churn.score(nobody, contract_churn.fit(nobody, asked), asked).is_empty()
    ended = [
        (f"{n:03}", kind, on) for n in range(50) for kind, on in ((BEGAN, date(2023, 1, 1)), (ENDED, date(2023, 6, 1)))
    ]
    ties = contract_churn.spells(days_of([*ended, ("new", BEGAN, date(2023, 8, 15))]))
    fitted = contract_churn.fit(ties, asked)
    assert contract_churn.predict(fitted, np.array([139]), 13)[0] == pytest.approx(1), "all ended on the 151st day"
    assert contract_churn.predict(fitted, np.array([100]), 51)[0] == 0.0


def test_real_contracts_by_age_alone(test_data: Path) -> None:
    """Telco: who left within a month, by months under contract, each fifth told by the four others."""
    lines = pl.read_csv(test_data / "telco_churn.csv", columns=["customerID", "tenure", "Churn"])
    month = timedelta(days=30)
    left = pl.col("Churn") == "Yes"
    start = pl.lit(AS_OF) - pl.duration(days=30 * pl.col("tenure") + 30)
    known = lines.select(
        pl.col("customerID").alias("customer_id"),
        start.cast(pl.Date).alias("started_on"),
        pl.when(left).then(pl.lit(AS_OF - timedelta(days=15))).alias("ended_on"),
        pl.lit(1, pl.Int64).alias("observation_count"),
    ).sort("customer_id")
    asked = contract_churn.Parameters(AS_OF, 30, watched_from=AS_OF - month)
    fold = logistic.folds(known["customer_id"])
    ages = (pl.Series([AS_OF - month]) - known["started_on"]).dt.total_days().to_numpy()
    chance = np.zeros(known.height)
    for number in range(logistic.FOLDS):
        others = contract_churn.fit(known.filter(pl.Series(fold != number)), asked)
        chance[fold == number] = contract_churn.predict(others, ages[fold == number], 30)
    happened = known["ended_on"].is_not_null().to_numpy()
    found = contract_churn.judge(chance, ages, happened, (None, None))
    assert found.figures["auc"] == pytest.approx(0.726, abs=0.005)
    assert found.figures["auc_of_youth"] == pytest.approx(0.742, abs=0.005)
    assert found.figures["calibration_error"] < 0.025
    assert found.figures["untold_count"] < 50
