"""Offers can ask where the customer is at the moment of a decision, and nothing else can."""

from typing import Any

import pytest

from ..calling import Api, problem
from ..outreach.planting import campaign, template
from .conftest import Offered, Registered


async def chosen(api: Api, customer_id: str, **context: Any) -> list[str]:
    """Decide; answers the codes of the offers."""
    wish = {"customer_id": customer_id, "channel": "email", "limit": 10, **context}
    made = await api.post("/v1/decisions", wish, expect=201)
    read = await api.get(f"/v1/customers/{customer_id}/decisions/{made['id']}", expect=200)
    assert read == made and made["context"] == (
        {"page": None, "location": None} | context["context"] if context else None
    )
    return [each["code"] for each in made["chosen"]]


async def test_the_context_of_a_decision_is_asked_for(api: Api, offer: Offered, register: Registered) -> None:
    ann = await register("Ann", country="DE")
    await offer("BIKES", eligibility='context.page like "/bikes/*" and country = "DE"', priority=5)
    await offer("KOELN", eligibility={"field": "context.location", "in": ["Köln", "Bonn"]}, priority=4)
    await offer("ELSEWHERE", eligibility="context.location is unknown", priority=3)
    await offer("NOT-HOME", eligibility='not context.page = "/"', priority=2)
    await offer("ALL", priority=1)
    assert await chosen(api, ann) == ["ELSEWHERE", "NOT-HOME", "ALL"]
    assert await chosen(api, ann, context={"page": "/bikes/city"}) == ["BIKES", "ELSEWHERE", "NOT-HOME", "ALL"]
    assert await chosen(api, ann, context={"page": "/Bikes/city", "location": " KÖLN"}) == ["KOELN", "NOT-HOME", "ALL"]
    assert await chosen(api, ann, context={"page": "/", "location": "Paris"}) == ["ALL"]
    assert await chosen(api, ann, context={}) == ["ELSEWHERE", "NOT-HOME", "ALL"]


@pytest.mark.parametrize(
    "audience", ['age > 1 and\n context.page = "/"', {"any": [{"field": "context.page", "eq": "/"}]}]
)
async def test_elsewhere_there_is_no_context(api: Api, audience: Any) -> None:
    refused = problem("invalid-audience", 422)
    segment = (await api.post("/v1/segments", {"name": "Some", "definition": "age > 1"}, expect=201))["id"]
    draft = await campaign(api, await template(api))
    for method, path, member in (
        ("POST", "/v1/segments/preview", "definition"),
        ("PATCH", f"/v1/segments/{segment}", "definition"),
        ("POST", "/v1/customers/search", "audience"),
        ("PATCH", f"/v1/campaigns/{draft}", "audience"),
    ):
        answer = (await api.send(method, path, {member: audience}, expect=refused)).json()
        (error,) = answer["errors"]
        assert error["code"] == "no-context-here" and "told with a decision" in error["detail"]
        assert error["pointer"] == (f"/{member}" if isinstance(audience, str) else f"/{member}/any/0/field")
        assert error.get("line") == (2 if isinstance(audience, str) else None)


async def test_the_catalog_says_where_it_comes_from(api: Api) -> None:
    page = await api.get("/v1/fields?source=context", expect=200)
    assert [(field["name"], field["type"]) for field in page["data"]] == [
        ("context.location", "text"),
        ("context.page", "choice"),
    ]
