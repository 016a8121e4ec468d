"""Churn with a contract through the whole loop: contracts recorded, compared by a worker, asked for."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from ..calling import Api, problem
from .working import Compute, in_ranges_of, load, register

MODEL = "contract_churn"
LASTS = timedelta(days=100)
Contract = tuple[date, date | None]


def contracts() -> list[Contract]:
    """Every second contract ends after 100 days: 60 of the spring did, or did not; 50 of September came to it in
    December; 40 of October have not come to it on New Year's Day.
    """
    spring = [date(2023, 1, 1) + timedelta(days=number) for number in range(60)]
    september = [date(2023, 9, 10) + timedelta(days=number // 5) for number in range(50)]
    october = [date(2023, 10, 1) + timedelta(days=number) for number in range(40)]
    old = [(on, on + LASTS if number % 2 == 0 else None) for number, on in enumerate([*spring, *september])]
    return [*old, *((on, None) for on in october)]


def touchpoints(customers: list[str], told: list[Contract], kinds: tuple[str, str]) -> list[bytes]:
    """What is recorded of contracts: each as one of its beginning and, if it ended, one of its end."""
    lines = []
    for customer, days in zip(customers, told, strict=True):
        for kind, on in zip(kinds, days, strict=True):
            if on is not None:
                line = {"customer_id": customer, "kind": kind, "occurred_at": f"{on}T12:00:00Z"}
                lines.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    return lines


async def sign(
    api: Api, told: list[Contract], kinds: tuple[str, str] = ("contract.started", "contract.ended")
) -> list[str]:
    """Customers, each with one contract."""
    customers = await register(api, len(told))
    await load(api, "touchpoints", touchpoints(customers, told, kinds))
    return customers


async def test_whose_contract_comes_to_the_age_at_which_contracts_end(api: Api, compute: Compute) -> None:
    customers = await sign(api, contracts())
    asked = {"model": MODEL, "currency": None, "horizon_days": 30, "min_at_risk": 10}
    run = await compute(**asked)
    assert run["state"] == "published", run
    assert run["quality"]["contracts_ended"] == 55
    small = await compute(in_ranges_of(7), **asked)
    assert (small["output_hash"], small["input_hash"]) == (run["output_hash"], run["input_hash"])
    page = (await api.get(f"/v1/scores/{MODEL}", params={"limit": 200}))["data"]
    scores = {score["customer_id"]: score for score in page}
    assert len(scores) == 150 - 55, "whose contract ended has no score"
    october = customers[110:]
    assert [scores[customer]["end_probability"] for customer in (october[0], october[21])] == [0.5, 0.5]
    assert scores[october[22]]["end_probability"] == 0.0, "70 days old, and 99 on the last day of the horizon"
    assert scores[october[0]]["contract_months"] == 3
    assert scores[october[1]]["contract_months"] == 2
    oldest = scores[customers[1]]
    assert (oldest["status"], oldest["end_probability"], oldest["contract_months"]) == ("insufficient_data", None, 11)
    assert oldest["reason"].startswith("Fewer than 10 contracts were seen as old")
    wanted = {"definition": "contract_churn.probability > 0.4 and contract_churn.months < 12"}
    assert (await api.post("/v1/segments/preview", wanted, expect=200))["count"] == 22
    found = (await api.get(f"/v1/customers/{customers[0]}/scores"))["data"]
    [gone] = [score for score in found if score["model"] == MODEL]
    assert gone["end_probability"] is None
    assert (
        gone["reason"]
        == "No contract that ran on 2024-01-01 had been recorded when the run began, or the customer was archived."
    )
    why = await api.get(f"/v1/customers/{october[0]}/scores/{MODEL}/explain")
    assert why["inputs"] is None, "a contract is no purchase"
    assert [touchpoint["kind"] for touchpoint in why["touchpoints"]] == ["contract.started"]
    backtest = await api.get(f"/v1/analytics/runs/{run['id']}/backtest")
    assert (backtest["cut_on"], backtest["until"]) == ("2023-12-02", "2024-01-01")
    assert backtest["title"].startswith("Of the tenth likeliest to end their contract 50% did (50% foretold), of all")
    assert backtest["loss"] < 1


def telco(folder: Path) -> tuple[list[bytes], list[bytes], list[str]]:
    """7,043 real contracts as customers and touchpoints: those who left did so in December 2023. Answers also the
    properties: what was agreed, and what is known of the customer.
    """
    churn = pl.read_csv(folder / "telco_churn.csv")
    properties = [name for name in churn.columns if name not in ("customerID", "tenure", "TotalCharges", "Churn")]
    people, told = [], []
    for row in churn.iter_rows(named=True):
        key = {"system": "telco", "external_id": row["customerID"]}
        people.append({"kind": "organization", "organization_name": row["customerID"], "external_ids": [key]})
        begins = date(2023, 11, 30) - timedelta(days=30 * row["tenure"])
        told.append((key, "contract.started", begins, {name: row[name] for name in properties}))
        if row["Churn"] == "Yes":
            told.append((key, "contract.ended", date(2023, 12, 11), {}))
    touchpoints = [
        {"customer": key, "kind": kind, "occurred_at": f"{on}T12:00:00Z", "properties": agreed}
        for key, kind, on, agreed in told
    ]
    lines: Any = (
        [orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE) for each in many] for many in (people, touchpoints)
    )
    return (*lines, properties)


async def test_real_contracts_are_told_apart_by_what_was_agreed(api: Api, compute: Compute, test_data: Path) -> None:
    people, touchpoints, properties = telco(test_data)
    await load(api, "customers", people)
    await load(api, "touchpoints", touchpoints)
    asked = {"model": MODEL, "currency": None, "horizon_days": 31, "properties": properties}
    run = await compute(**asked)
    assert (run["state"], run["row_count"]) == ("published", 7043 - 1869), run
    assert (run["quality"]["contracts_used"], run["quality"]["contracts_ended"]) == (7043, 1869)
    small = await compute(in_ranges_of(1500), **asked)
    assert (small["output_hash"], small["input_hash"]) == (run["output_hash"], run["input_hash"])
    found = await api.get(f"/v1/analytics/runs/{run['id']}/backtest")
    assert found["figures"]["auc"] == pytest.approx(0.845, abs=0.005)
    assert found["figures"]["by_folds"] == 1, "nobody was seen to leave before December"
    assert found["figures"]["calibration_error"] < 0.02
    assert found["loss"] < 0.75
    risky = {"definition": "contract_churn.probability > 0.5"}
    assert 200 < (await api.post("/v1/segments/preview", risky, expect=200))["count"] < 1200
    [telling] = (await api.get(f"/v1/scores/{MODEL}", params={"limit": 1}))["data"]
    why = await api.get(f"/v1/customers/{telling['customer_id']}/scores/{MODEL}/explain")
    assert [set(each["properties"]) for each in why["touchpoints"]] == [set(properties)]
    by_age = await compute(model=MODEL, currency=None, horizon_days=31)
    assert by_age["state"] == "awaiting_approval", "the age alone does worse, and somebody has to agree to it"


async def test_a_property_that_tells_the_end_is_refused(api: Api, compute: Compute) -> None:
    customers = await register(api, 150)
    lines = [orjson.loads(line) for line in touchpoints(customers, contracts(), ("contract.started", "contract.ended"))]
    gone = {
        line["customer_id"] for line in lines if line["kind"] == "contract.ended" and line["occurred_at"] > "2023-11"
    }
    for line in lines:
        line["properties"] = {"plan": "left" if line["customer_id"] in gone else "stays"}
    await load(api, "touchpoints", [orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines])
    run = await compute(model=MODEL, currency=None, horizon_days=61, properties=["plan"])
    assert run["state"] == "failed"
    assert "properties.plan" in run["problem"]["detail"]


async def test_of_too_few_ends_nothing_is_made(api: Api, compute: Compute) -> None:
    await sign(api, contracts()[:40], ("lease.signed", "lease.ended"))
    run = await compute(model=MODEL, currency=None, kinds=["lease.signed", "lease.ended"], min_at_risk=2)
    assert (run["state"], run["row_count"]) == ("insufficient_data", 20)
    assert "20 contracts were seen to end; at least 30 are needed" in run["problem"]["detail"]


async def test_a_contract_has_a_beginning_and_an_end(api: Api) -> None:
    for kinds in (["contract.started"], ["contract.started", "contract.started"], ["a", "b", "c"]):
        wish = {"model": MODEL, "parameters": {"kinds": kinds}}
        await api.post("/v1/analytics/runs", wish, expect=problem("invalid-request", 422))
