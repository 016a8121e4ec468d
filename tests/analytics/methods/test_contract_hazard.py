"""Churn with a contract by what was agreed: planted odds, the rules about what is known, hard data."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from crm_api.analytics.methods import contract_churn, contract_hazard, leaks
from crm_api.analytics.methods.contract_churn import Parameters

NEW_YEAR = date(2024, 1, 1)
ASKED = Parameters(NEW_YEAR, horizon_days=60)
SPELLS = {
    "customer_id": pl.String,
    "started_on": pl.Date,
    "ended_on": pl.Date,
    "observation_count": pl.Int64,
}
BEGUN = {"customer_id": pl.String, "on": pl.Date, "occurred_at": pl.Datetime("us", "UTC"), "told": pl.String}


def begun(rows: list[tuple[str, date, list[Any]]]) -> pl.DataFrame:
    told = [
        (who, on, datetime(on.year, on.month, on.day, 12, tzinfo=UTC), json.dumps(values)) for who, on, values in rows
    ]
    return pl.DataFrame(told, schema=BEGUN, orient="row")


def planted(size: int = 4000, seed: int = 3) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Contracts by the month end with odds of 1 to 9 a month, those by the year of 1 to 99; price says nothing."""
    random = np.random.default_rng(seed)
    spells, terms = [], []
    for number in range(size):
        is_monthly, start = bool(random.random() < 0.5), date(2023, 1, 1) + timedelta(days=int(random.integers(300)))
        lasts = int(random.exponential(30 / (0.1 if is_monthly else 0.01))) + 1
        ended = start + timedelta(days=lasts)
        spells.append((f"c{number:05}", start, ended if ended < NEW_YEAR else None, 1))
        terms.append((f"c{number:05}", start, ["month" if is_monthly else "year", float(random.normal(30, 5))]))
    return pl.DataFrame(spells, schema=SPELLS, orient="row"), begun(terms)


def test_planted_terms_are_told_apart() -> None:
    spells, told = planted()
    terms = contract_hazard.read_terms(told, ["plan", "price"])
    fitted = contract_hazard.fit(spells, terms, ASKED)
    scores = contract_hazard.score(spells, terms, fitted, ASKED)
    assert tuple(scores.columns) == contract_churn.OUTPUT_COLUMNS
    by_plan = scores.join(terms.select("customer_id", "properties.plan"), on="customer_id").group_by("properties.plan")
    mean = dict(by_plan.agg(pl.col("end_probability").mean()).iter_rows())
    assert mean["month"] == pytest.approx(1 - np.exp(-0.2), abs=0.03)
    assert mean["year"] == pytest.approx(1 - np.exp(-0.02), abs=0.01)
    found = contract_hazard.backtest(spells, terms, fitted, ASKED)
    assert (found.status, found.cut_on, found.figures["by_folds"]) == ("ok", date(2023, 11, 2), 0.0)
    assert found.figures["auc"] > 0.68 > found.figures["auc_of_youth"] + 0.05
    assert found.figures["calibration_error"] < 0.03


def test_what_is_agreed_later_is_not_known_before() -> None:
    """A beginning that tells something new counts from its day on; the one before it until then."""
    told = begun([("a", date(2023, 1, 1), ["month", 1]), ("a", date(2023, 6, 1), ["year", 2])])
    terms = contract_hazard.read_terms(told.sample(fraction=1, shuffle=True, seed=2), ["plan", "price"])
    spells = pl.DataFrame([("a", date(2023, 1, 1), None, 2)], schema=SPELLS, orient="row")
    for on, plan in ((date(2023, 6, 1), "month"), (date(2023, 6, 2), "year"), (NEW_YEAR, "year")):
        assert contract_hazard._rows(spells, terms, Parameters(on))["properties.plan"].to_list() == [plan]


def test_properties_of_any_kind() -> None:
    told = begun(
        [
            ("a", NEW_YEAR, [1, "x", True, None, {"b": 1}, 10**400]),
            ("b", NEW_YEAR, [2.5, 7, False, None, [1], 3]),
            ("c", NEW_YEAR, [None, None, None, None, None, None]),
        ]
    )
    terms = contract_hazard.read_terms(told, list("nwbelh"))
    assert terms.drop("customer_id", "on").to_dict(as_series=False) == {
        "properties.n": [1.0, 2.5, None],
        "properties.w": ["x", "7", None],
        "properties.b": ["True", "False", None],
        "properties.e": [None, None, None],
        "properties.l": [None, None, None],
        "properties.h": [None, 3.0, None],
    }


def test_a_property_that_knows_the_end_is_refused() -> None:
    spells, _ = planted(2000)
    known = [
        (who, on, ["phone" if ended is not None and ended >= date(2023, 11, 2) else "none"])
        for who, on, ended, _ in spells.iter_rows()
    ]
    terms = contract_hazard.read_terms(begun(known), ["cancelled_by"])
    with pytest.raises(leaks.LeakingFeatures, match=r"properties\.cancelled_by"):
        contract_hazard.fit(spells, terms, ASKED)


def test_too_few_ends_tell_nothing_and_say_so() -> None:
    spells, told = planted(60)
    terms = contract_hazard.read_terms(told, ["plan", "price"])
    for asked, why in ((ASKED, "at least 30"), (Parameters(NEW_YEAR, 60, 30, date(2023, 12, 1)), "since 2023-12-01")):
        fitted = contract_hazard.fit(spells, terms, asked)
        scores = contract_hazard.score(spells, terms, fitted, asked)
        assert set(scores["status"]) == {"insufficient_data"}
        assert scores["end_probability"].null_count() == scores.height > 0
        assert why in scores["reason"][0]
        assert contract_hazard.backtest(spells, terms, fitted, asked).status == "insufficient_data"
    nobody = contract_hazard.read_terms(told.clear(), ["plan", "price"])
    fitted = contract_hazard.fit(spells.clear(), nobody, ASKED)
    assert contract_hazard.score(spells.clear(), nobody, fitted, ASKED).height == 0
