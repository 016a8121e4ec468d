"""Why a score is what it is: the purchases it was told from, and no others."""

from ..calling import Api, problem
from .working import Compute, Fact, record, register


async def test_a_score_is_explained_by_what_the_run_read(api: Api, compute: Compute) -> None:
    customers = await register(api, 2)
    unused = f"/v1/customers/{customers[0]}/scores/rfm/explain"
    assert (await api.get(unused))["inputs"] is None
    facts: list[Fact] = [
        (0, "order.placed", "2023-05-05T12:00:00Z", "10.00"),
        (0, "order.placed", "2024-01-01T04:59:59Z", "5.00"),
        (0, "order.refunded", "2023-06-05T12:00:00Z", "2.50"),
        (0, "order.placed", "2024-01-01T05:00:00Z", "99.00"),
        (0, "page.viewed", "2023-05-05T12:00:00Z", None),
    ]
    await record(api, customers, facts)
    run = await compute()
    await record(api, customers, [(0, "order.placed", "2023-07-05T12:00:00Z", "77.00")])
    found = await api.get(unused)
    assert found["scores"] == (await api.get(f"/v1/customers/{customers[0]}/scores"))["data"][:1]
    assert found["parameters"] == run["parameters"]
    assert found["inputs"] == {
        "purchase_count": 2,
        "refund_count": 1,
        "first_purchase_on": "2023-05-05",
        "last_purchase_on": "2023-12-31",
        "paid": {"amount": "15.00", "currency": "USD"},
        "refunded": {"amount": "2.50", "currency": "USD"},
        "is_complete": True,
    }
    assert [each["amount"]["amount"] for each in found["touchpoints"]] == ["5.00", "2.50", "10.00"]
    assert found["scores"][0]["observation_count"] == len(found["touchpoints"])
    assert found["scores"][0]["amount"]["amount"] == "12.50"


async def test_who_or_what_there_is_not_is_told(api: Api) -> None:
    [customer] = await register(api, 1)
    nobody = f"/v1/customers/{customer[:-1]}{'0' if customer[-1] != '0' else '1'}/scores/rfm/explain"
    await api.get(nobody, expect=problem("customer-not-found", 404))
    await api.get(f"/v1/customers/{customer}/scores/astrology/explain", expect=problem("model-not-found", 404))


async def test_only_the_newest_inputs_are_listed(api: Api, compute: Compute) -> None:
    customers = await register(api, 1)
    facts: list[Fact] = [(0, "order.placed", f"2023-05-05T12:{number:02}:00Z", "1.00") for number in range(60)]
    await record(api, customers, facts)
    await compute()
    found = await api.get(f"/v1/customers/{customers[0]}/scores/rfm/explain")
    assert (len(found["touchpoints"]), found["inputs"]["is_complete"]) == (50, False)
    assert found["inputs"]["purchase_count"] == 60
