"""Text is taken wherever the tree is, means the same, and what is wrong in it is told the same way everywhere."""

from typing import Any

import pytest

from ..calling import Api, problem
from ..outreach.planting import campaign, template

TEXT = 'country in ("DE", "AT") and not age < 18'
TREE = {"all": [{"field": "country", "in": ["DE", "AT"]}, {"not": {"field": "age", "lt": 18}}]}
NOBODY = "01980c2e-7b1c-7a52-9c0e-4d1f5b8f3a10"
CONTENT = {"email": {"title": "Hello", "body": "For you.", "url": "https://shop.example/"}}
OFFER = {"code": "SPRING", "name": "Spring", "channels": CONTENT}


async def draft(api: Api, audience: Any) -> dict[str, Any]:
    """Make a campaign's draft; answers it."""
    made = await campaign(api, await template(api), audience=audience)
    read: dict[str, Any] = await api.get(f"/v1/campaigns/{made}", expect=200)
    return read


async def test_a_segment_is_defined_tried_and_changed_by_text(api: Api) -> None:
    preview = await api.post("/v1/segments/preview", {"definition": f"# who\n({TEXT})"}, expect=200)
    assert (preview["definition"], preview["definition_text"]) == (TREE, TEXT)
    made = await api.post("/v1/segments", {"name": "Grown-ups", "definition": TEXT}, expect=201)
    assert (made["definition"], made["definition_text"]) == (TREE, TEXT)
    same = await api.patch(f"/v1/segments/{made['id']}", {"definition": f"({TEXT})"}, expect=200)
    assert same == made, "another spelling is no other version"
    changed = await api.patch(f"/v1/segments/{made['id']}", {"definition": 'country = "DE"'}, expect=200)
    assert (changed["definition"], changed["definition_version"]) == ({"field": "country", "eq": "DE"}, 2)


async def test_customers_are_searched_by_text(api: Api) -> None:
    for country in ("DE", "US"):
        body = {"display_name": country, "addresses": [{"city": "Town", "country": country}]}
        await api.post("/v1/customers", body, expect=201)
    found = await api.post("/v1/customers/search", {"audience": 'country in ("DE")'}, expect=200)
    assert [one["display_name"] for one in found["data"]] == ["DE"]


async def test_offers_and_campaigns_take_text(api: Api) -> None:
    made = await api.post("/v1/offers", {**OFFER, "eligibility": TEXT}, expect=201)
    assert (made["eligibility"], made["eligibility_text"]) == (TREE, TEXT)
    patched = await api.patch(f"/v1/offers/{made['id']}", {"eligibility": 'country = "DE"'}, expect=200)
    assert (patched["eligibility"], patched["eligibility_text"]) == ({"field": "country", "eq": "DE"}, 'country = "DE"')
    assert (await api.get("/v1/offers", expect=200))["data"] == [patched]
    assert (await api.patch(f"/v1/offers/{made['id']}", {"eligibility": None}, expect=200))["eligibility_text"] is None
    assert (await draft(api, TEXT))["audience"] == TREE


@pytest.mark.parametrize(
    ("text", "code", "found"),
    [
        (
            'country = "DE" and\n  contry = "DE"',
            "invalid-audience",
            {"code": "unknown-field", "line": 2, "column": 3, "nearest": "country"},
        ),
        (
            'country in ("DE",\n  "DEU")',
            "invalid-audience",
            {"code": "unknown-choice", "line": 2, "column": 3, "nearest": "DE"},
        ),
        (
            'count(page.viewed where chanel = "web") > 1',
            "invalid-audience",
            {"code": "unknown-field", "line": 1, "column": 25, "nearest": "channel"},
        ),
        ('in_segment("Nobody")', "invalid-audience", {"code": "unknown-segment", "line": 1, "column": 12}),
        (
            f'age > 1 or in_segment("{NOBODY}")',
            "invalid-audience",
            {"code": "unknown-segment", "line": 1, "column": 23},
        ),
        ("age >= 30 and", "invalid-request", {"code": "unexpected", "line": 1, "column": 14}),
        ("count(a, last 0 days) > 1", "invalid-request", {"code": "duration", "line": 1, "column": 15}),
    ],
)
async def test_mistakes_are_told_by_line_and_column(api: Api, text: str, code: str, found: dict[str, Any]) -> None:
    offer = await api.post("/v1/offers", OFFER, expect=201)
    drafted = await draft(api, TEXT)
    segment = await api.post("/v1/segments", {"name": "Some", "definition": TREE}, expect=201)
    wanted = problem(code, 422)
    for method, path, member, body in (
        ("POST", "/v1/segments", "definition", {"name": "Wrong"}),
        ("PATCH", f"/v1/segments/{segment['id']}", "definition", {}),
        ("POST", "/v1/offers", "eligibility", {**OFFER, "code": "WRONG"}),
        ("PATCH", f"/v1/offers/{offer['id']}", "eligibility", {}),
        ("PATCH", f"/v1/campaigns/{drafted['id']}", "audience", {}),
    ):
        answer = (await api.send(method, path, {**body, member: text}, expect=wanted)).json()
        assert [{"in": "body", "pointer": f"/{member}", **found}] == [
            {name: value for name, value in error.items() if name != "detail"} for error in answer["errors"]
        ], path
    if found["code"] != "unknown-segment":
        for path, member in (("/v1/segments/preview", "definition"), ("/v1/customers/search", "audience")):
            (error,) = (await api.post(path, {member: text}, expect=wanted))["errors"]
            assert found.items() <= error.items()


async def test_segments_are_called_by_name_and_kept_by_id(api: Api) -> None:
    first = await api.post("/v1/segments", {"name": "Churn-Risk", "definition": TREE}, expect=201)
    inside = {"not": {"segment": first["id"]}}
    for definition in ('not in_segment("churn-risk")', {"not": {"segment_name": "CHURN-RISK"}}):
        preview = await api.post("/v1/segments/preview", {"definition": definition}, expect=200)
        assert preview["definition"] == inside
        assert preview["definition_text"] == f'not in_segment("{first["id"]}")'
        assert preview["depends_on"] == [f"segment:{first['id']}"]
        await api.post("/v1/customers/search", {"audience": definition}, expect=200)
    second = await api.post("/v1/segments", {"name": "Loyal", "definition": 'not in_segment("churn-risk")'}, expect=201)
    assert second["definition"] == inside
    assert (await api.post("/v1/offers", {**OFFER, "eligibility": 'in_segment("loyal")'}, expect=201))[
        "eligibility"
    ] == {"segment": second["id"]}
    assert (await draft(api, 'in_segment("loyal")'))["audience"] == {"segment": second["id"]}
    refused = await api.patch(
        f"/v1/segments/{first['id']}",
        {"definition": 'age > 1 and\n in_segment("loyal")'},
        expect=problem("segment-cycle", 422),
    )
    assert refused["cycle"] == ["Churn-Risk", "Loyal", "Churn-Risk"]
    assert (refused["errors"][0]["line"], refused["errors"][0]["column"]) == (2, 2)


async def test_a_name_that_no_segment_has_is_told_with_the_nearest(api: Api) -> None:
    await api.post("/v1/segments", {"name": "Churn risk", "definition": TREE}, expect=201)
    for path, member in (("/v1/segments/preview", "definition"), ("/v1/customers/search", "audience")):
        wrong = {"any": [{"field": "age", "gt": 1}, {"segment_name": "churn rsk"}]}
        (error,) = (await api.post(path, {member: wrong}, expect=problem("invalid-audience", 422)))["errors"]
        assert error == {
            "in": "body",
            "pointer": f"/{member}/any/1/segment_name",
            "code": "unknown-segment",
            "detail": "No segment is called churn rsk; did you mean Churn risk?",
            "nearest": "Churn risk",
        }


async def test_an_archived_segment_has_no_name(api: Api) -> None:
    made = await api.post("/v1/segments", {"name": "Gone", "definition": TREE}, expect=201)
    await api.post(f"/v1/segments/{made['id']}/archive", expect=200)
    body = {"definition": 'in_segment("gone")'}
    await api.post("/v1/segments/preview", body, expect=problem("invalid-audience", 422))
