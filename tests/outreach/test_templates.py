"""Templates over HTTP: made, checked, changed, listed, archived, and shown for real customers."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from crm_api.core.db import Database
from crm_api.core.trail import AuditEntry, OutboxEvent

from ..calling import Api, problem
from .planting import campaign, readers

WORDS: dict[str, Any] = {
    "subject": "{{ offer.title }} for {{ customer.given_name | default: 'you' }}",
    "text": "Dear {{ customer.display_name }},\n{{ offer.url }}\n{{ unsubscribe_url }}\n",
    "html": "<p>Dear {{ customer.display_name }}</p><a href='{{ unsubscribe_url }}'>No more</a>",
}
PLAIN: dict[str, Any] = {"subject": "Hello {{ customer.display_name }}", "text": "Hello"}
INVALID = problem("invalid-template", 422)


async def make(api: Api, name: str = "Spring", **words: Any) -> dict[str, Any]:
    """Make a template."""
    made: dict[str, Any] = await api.post("/v1/templates", {"name": name, **(words or WORDS)}, expect=201)
    return made


async def test_a_template_is_made_and_read(api: Api, database: Database) -> None:
    answer = await api.send("POST", "/v1/templates", {"name": "Spring", **WORDS}, expect=201)
    made = answer.json()
    assert answer.headers["location"] == f"/v1/templates/{made['id']}"
    assert answer.headers["etag"] == '"1"'
    variables = ["customer.display_name", "customer.given_name", "offer.title", "offer.url", "unsubscribe_url"]
    told = {"name": "Spring", "channel": "email", **WORDS, "variables": variables, "version": 1, "archived_at": None}
    assert told.items() <= made.items()
    assert await api.get(f"/v1/templates/{made['id']}", expect=200) == made
    await api.send("GET", f"/v1/templates/{made['id']}", headers={"If-None-Match": '"1"'}, expect=304)
    await api.get(f"/v1/templates/{uuid4()}", expect=problem("template-not-found", 404))
    async with database.session() as session:
        assert (await session.scalars(select(AuditEntry.action))).all() == ["template.made"]
        [event] = (await session.scalars(select(OutboxEvent.data))).all()
    assert event == {"id": made["id"], "name": "Spring"}


@pytest.mark.parametrize(
    ("words", "pointer", "told"),
    [
        ({"subject": "{{ customer.gven_name }}"}, "/subject", "Line 1: there is no variable customer.gven_name"),
        ({"subject": "a\nb"}, "/subject", "Line 1: a subject is one line"),
        ({"text": "\n\n{% if %}"}, "/text", "Line 3: "),
        ({"text": "{{ offer.title | shout }}"}, "/text", "Line 1: there is no filter shout"),
        ({"text": "{% include 'x' %}"}, "/text", "Line 1: unexpected tag 'include'"),
        ({"text": "{% for i in (1..2) %}"}, "/text", "Line 1: expected tag endfor"),
        ({"html": "<p>\n<a href={{ offer.url }}>x</a>"}, "/html", "Line 2: the value of href needs quotes"),
        ({"html": "{{ x }}"}, "/html", "Line 1: there is no variable x"),
    ],
)
async def test_what_is_wrong_is_pointed_at_and_nothing_is_stored(
    api: Api, words: dict[str, str], pointer: str, told: str
) -> None:
    refused = await api.post("/v1/templates", {"name": "Spring", **WORDS, **words}, expect=INVALID)
    [error] = refused["errors"]
    assert (error["in"], error["pointer"], error["code"]) == ("body", pointer, "template-invalid")
    assert error["detail"].startswith(told)
    assert (await api.get("/v1/templates"))["data"] == []
    made = await make(api)
    await api.patch(f"/v1/templates/{made['id']}", words, expect=INVALID)
    assert await api.get(f"/v1/templates/{made['id']}") == made
    body = {**WORDS, **words, "customer_ids": [str(uuid4())]}
    assert (await api.post("/v1/templates/preview", body, expect=INVALID))["errors"] == refused["errors"]


async def test_everything_wrong_is_told_at_once(api: Api) -> None:
    words = {"subject": "{{ a }}", "text": "{{ b }}\n{{ c }}", "html": "{{ d }"}
    refused = await api.post("/v1/templates", {"name": "Spring", **words}, expect=INVALID)
    assert [error["pointer"] for error in refused["errors"]] == ["/subject", "/text", "/text", "/html"]


@pytest.mark.parametrize(
    ("wish", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"subject": ""}, "/subject"),
        ({"subject": "x" * 501}, "/subject"),
        ({"subject": None}, "/subject"),
        ({"text": None}, "/text"),
        ({"text": "x" * 100_001}, "/text"),
        ({"html": ""}, "/html"),
        ({"html": "x" * 200_001}, "/html"),
        ({"channel": "fax"}, "/channel"),
        ({"body": "x"}, "/body"),
    ],
)
async def test_bad_input_is_refused(api: Api, wish: dict[str, Any], pointer: str) -> None:
    refused = await api.post(
        "/v1/templates", {"name": "Spring", **WORDS, **wish}, expect=problem("invalid-request", 422)
    )
    assert refused["errors"][0]["pointer"] == pointer


async def test_names_are_unique_while_they_are_in_use(api: Api) -> None:
    first = await make(api)
    taken = problem("template-name-taken", 409)
    assert (await api.post("/v1/templates", {"name": "Spring", **PLAIN}, expect=taken))["existing_id"] == first["id"]
    other = await make(api, "Summer", **PLAIN)
    renamed = await api.patch(f"/v1/templates/{other['id']}", {"name": "Spring"}, expect=taken)
    assert renamed["existing_id"] == first["id"]
    await api.delete(f"/v1/templates/{first['id']}", expect=200)
    assert (await api.patch(f"/v1/templates/{other['id']}", {"name": "Spring"}, expect=200))["version"] == 2
    answers = await api.race(6, "POST", "/v1/templates", {"name": "Autumn", **PLAIN})
    assert sorted(answer.status_code for answer in answers) == [201] + 5 * [409]


async def test_a_template_is_changed_by_a_merge_patch(api: Api) -> None:
    made = await make(api)
    path = f"/v1/templates/{made['id']}"
    patch = {"subject": "{{ campaign.name }}", "html": None}
    changed = await api.patch(path, patch, headers={"If-Match": '"1"'}, expect=200)
    told = {"subject": "{{ campaign.name }}", "text": WORDS["text"], "html": None, "version": 2}
    assert told.items() <= changed.items()
    assert changed["variables"] == ["campaign.name", "customer.display_name", "offer.url", "unsubscribe_url"]
    stale = await api.patch(path, {"text": "x"}, headers={"If-Match": '"1"'}, expect=problem("version-mismatch", 412))
    assert stale["current"] == changed
    assert await api.patch(path, patch, expect=200) == changed, "what changes nothing leaves the version"
    await api.patch(f"/v1/templates/{uuid4()}", patch, expect=problem("template-not-found", 404))


async def test_a_template_is_put_away_and_not_deleted(api: Api, database: Database) -> None:
    made = await make(api)
    path = f"/v1/templates/{made['id']}"
    await api.delete(path, headers={"If-Match": '"9"'}, expect=problem("version-mismatch", 412))
    archived = await api.delete(path, headers={"If-Match": '"1"'}, expect=200)
    assert (archived["version"], archived["archived_at"] is None) == (2, False)
    assert await api.delete(path, expect=200) == await api.get(path) == archived
    await api.patch(path, {"text": "x"}, expect=problem("template-archived", 409))
    assert (await api.get("/v1/templates"))["data"] == []
    assert (await api.get("/v1/templates?archived=true"))["data"] == [archived]
    await api.delete(f"/v1/templates/{uuid4()}", expect=problem("template-not-found", 404))
    async with database.session() as session:
        actions = (await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id))).all()
    assert actions == ["template.made", "template.archived"]


async def test_a_template_that_a_campaign_needs_stays(api: Api) -> None:
    await readers(api, 1)
    made = await make(api, **PLAIN)
    draft = await campaign(api, made["id"])
    refused = await api.delete(f"/v1/templates/{made['id']}", expect=problem("template-in-use", 409))
    assert refused["campaigns"] == ["spring"]
    await api.post(f"/v1/campaigns/{draft}/launch", {}, expect=200)
    await api.delete(f"/v1/templates/{made['id']}", expect=problem("template-in-use", 409))
    await api.post(f"/v1/campaigns/{draft}/stop", expect=200)
    await api.delete(f"/v1/templates/{made['id']}", expect=200)


async def test_templates_are_listed_by_name_in_pages(api: Api) -> None:
    names = ["b", "a", "C", "ä", "a b"]
    for name in names:
        await make(api, name, **PLAIN)
    gone = (await api.get("/v1/templates?name=b"))["data"][0]
    await api.delete(f"/v1/templates/{gone['id']}", expect=200)
    await make(api, "b", **PLAIN)
    found: list[str] = []
    page = await api.get("/v1/templates?limit=2&archived=true")
    while True:
        found += [row["name"] for row in page["data"]]
        if page["next_cursor"] is None:
            break
        page = await api.get(f"/v1/templates?limit=2&archived=true&cursor={page['next_cursor']}")
    assert found == ["C", "a", "a b", "b", "b", "ä"]
    assert [row["name"] for row in (await api.get("/v1/templates"))["data"]] == ["C", "a", "a b", "b", "ä"]
    await api.get("/v1/templates?limit=0", expect=problem("invalid-request", 422))
    await api.get("/v1/templates?cursor=forged", expect=problem("invalid-request", 422))


async def ann(api: Api, **fields: Any) -> str:
    """Register Ann."""
    wish = {"kind": "person", "display_name": "Ann <Lee>", "given_name": "Ann", "family_name": "Lee", **fields}
    return str((await api.post("/v1/customers", wish, expect=201))["id"])


async def test_a_preview_shows_what_each_customer_would_get(api: Api) -> None:
    await api.post("/v1/fields", {"key": "points", "type": "integer", "label": "Points"}, expect=201)
    content = {"title": "A bell", "body": "Ring", "url": "https://shop.example/?a=1&b=2"}
    wish = {"code": "BELL", "name": "Bell", "channels": {"email": content}, "valid_until": "2030-01-01T00:00:00Z"}
    offer = await api.post("/v1/offers", wish, expect=201)
    words = {
        "subject": "{{ offer.title }} for {{ customer.given_name }}",
        "text": "{{ customer.custom.points | plus: 1 }} {{ offer.valid_until | date: '%Y' }} {{ sender.name }}",
        "html": "<p>{{ customer.display_name }}</p><a href='{{ offer.url }}'>x</a><a href='{{ unsubscribe_url }}'>y",
    }
    made = await make(api, **words)
    with_points = await ann(api, custom_fields={"points": 7})
    without = await ann(api)
    ids = [without, with_points, without]
    path = f"/v1/templates/{made['id']}/preview"
    shown = await api.post(path, {"customer_ids": ids, "offer_id": offer["id"]}, expect=200)
    assert [each["customer_id"] for each in shown["data"]] == ids
    assert shown["data"][1] == {
        "customer_id": with_points,
        "rendered": {
            "subject": "A bell for Ann",
            "text": "8 2030 Preview",
            "html": "<p>Ann &lt;Lee&gt;</p><a href='https://shop.example/?a=1&amp;b=2'>x</a>"
            "<a href='http://crm.test/p/unsubscribe/preview'>y",
        },
        "refusal": None,
    }
    assert shown["data"][0]["rendered"] is None
    refusal = shown["data"][0]["refusal"]
    assert (refusal["code"], refusal["part"], refusal["line"]) == ("variable-missing", "text", 1)
    assert refusal["detail"].startswith("customer.custom.points is missing")
    without_offer = await api.post(path, {"customer_ids": [with_points]}, expect=200)
    assert without_offer["data"][0]["refusal"]["detail"].startswith("offer.title is missing")
    unsaved = await api.post("/v1/templates/preview", {**words, "customer_ids": ids, "offer_id": offer["id"]})
    assert unsaved == shown


async def test_a_preview_of_what_there_is_not(api: Api) -> None:
    made, customer = await make(api, **PLAIN), await ann(api)
    path = f"/v1/templates/{made['id']}/preview"
    wrong = problem("invalid-request", 422)
    refused = await api.post(path, {"customer_ids": [customer, str(uuid4())]}, expect=wrong)
    assert [(error["pointer"], error["code"]) for error in refused["errors"]] == [
        ("/customer_ids/1", "unknown-customer")
    ]
    store = await api.post("/v1/offers", {"code": "A", "name": "A", "channels": {"web": {"title": "x"}}}, expect=201)
    for offer in (str(uuid4()), store["id"]):
        refused = await api.post(path, {"customer_ids": [customer], "offer_id": offer}, expect=wrong)
        assert refused["errors"][0]["pointer"] == "/offer_id"
    await api.post(path, {"customer_ids": []}, expect=wrong)
    await api.post(path, {"customer_ids": [customer] * 21}, expect=wrong)
    await api.post(
        f"/v1/templates/{uuid4()}/preview", {"customer_ids": [customer]}, expect=problem("template-not-found", 404)
    )


async def test_a_bomb_is_tried_once_in_a_preview(api: Api) -> None:
    text = "{% for a in (1..999) %}{% for b in (1..999) %}{% endfor %}{% endfor %}"
    customers = [await ann(api) for _ in range(3)]
    shown = await api.post("/v1/templates/preview", {"subject": "x", "text": text, "customer_ids": customers})
    assert [each["refusal"]["code"] for each in shown["data"]] == ["template-too-slow"] * 3


async def test_rights_are_separate(api: Api, anonymous: Api, credentials: tuple[str, str]) -> None:
    made, customer = await make(api, **PLAIN), await ann(api)
    lacking = problem("insufficient-scope", 403)

    async def caller(scope: str) -> Api:
        return anonymous.bearing(await anonymous.token(*credentials, scope))

    reader = await caller("templates:read")
    path = f"/v1/templates/{made['id']}"
    assert await reader.get(path) == made
    await reader.post("/v1/templates", {"name": "x", **PLAIN}, expect=lacking)
    await reader.patch(path, {"text": "x"}, expect=lacking)
    await reader.delete(path, expect=lacking)
    await reader.post(f"{path}/preview", {"customer_ids": [customer]}, expect=lacking)
    previewing = await caller("templates:read customers:read")
    await previewing.post(f"{path}/preview", {"customer_ids": [customer]}, expect=200)
    refused = await previewing.post(
        f"{path}/preview", {"customer_ids": [customer], "offer_id": str(uuid4())}, expect=lacking
    )
    assert refused["missing"] == ["offers:read"]
    await (await caller("templates:write")).get("/v1/templates", expect=lacking)


async def test_making_twice_with_one_key_makes_once(api: Api) -> None:
    headers = {"Idempotency-Key": "once"}
    made = await api.post("/v1/templates", {"name": "Spring", **PLAIN}, headers=headers, expect=201)
    assert await api.post("/v1/templates", {"name": "Spring", **PLAIN}, headers=headers, expect=201) == made
    assert len((await api.get("/v1/templates"))["data"]) == 1
