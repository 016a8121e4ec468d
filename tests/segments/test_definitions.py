"""Segments are defined, read, changed and archived; what they mean is checked and kept."""

import asyncio
from collections.abc import Awaitable
from typing import Any
from uuid import uuid4

import pytest
from httpx import Response

from ..calling import Api, problem
from .conftest import Builder, Register

GERMANS = {"field": "country", "eq": "DE"}
AUSTRIANS = {"field": "country", "eq": "AT"}


async def test_a_segment_is_defined_and_read(api: Api) -> None:
    answer = await api.send("POST", "/v1/segments", {"name": "Germans", "definition": GERMANS}, expect=201)
    made = answer.json()
    assert answer.headers["location"] == f"/v1/segments/{made['id']}"
    assert answer.headers["etag"] == '"1"'
    expected = {
        "name": "Germans",
        "description": None,
        "definition": GERMANS,
        "definition_text": 'country = "DE"',
        "definition_version": 1,
        "language_version": 1,
        "status": "draft",
        "build": 0,
        "built_version": None,
        "built_at": None,
        "changed_at": None,
        "checked_at": None,
        "drift_count": None,
        "member_count": None,
        "job_id": None,
        "version": 1,
        "archived_at": None,
    }
    assert expected.items() <= made.items()
    assert await api.get(f"/v1/segments/{made['id']}", expect=200) == made


async def test_names_are_unique_whatever_their_case(api: Api, builder: Builder) -> None:
    first = await builder.define("VIPs", GERMANS)
    body = {"name": "vips", "definition": AUSTRIANS}
    refused = await api.post("/v1/segments", body, expect=problem("segment-name-taken", 409))
    assert refused["existing_id"] == first
    other = await builder.define("Others", AUSTRIANS)
    refused = await api.patch(f"/v1/segments/{other}", {"name": "ViPs"}, expect=problem("segment-name-taken", 409))
    assert refused["existing_id"] == first
    assert (await builder.read(other))["version"] == 1
    await api.post(f"/v1/segments/{first}/archive", expect=200)
    await api.post("/v1/segments", body, expect=201)


async def test_of_many_callers_with_one_name_one_wins(api: Api) -> None:
    body = {"name": "Germans", "definition": GERMANS}
    answers = await api.race(8, "POST", "/v1/segments", body)
    assert sorted(answer.status_code for answer in answers) == [201] + 7 * [409]


async def test_another_definition_is_another_version(api: Api, builder: Builder) -> None:
    segment_id = await builder.define("Neighbors", GERMANS)
    patched = await api.patch(
        f"/v1/segments/{segment_id}", {"definition": AUSTRIANS}, headers={"If-Match": '"1"'}, expect=200
    )
    assert (patched["definition"], patched["definition_version"], patched["version"]) == (AUSTRIANS, 2, 2)
    await api.patch(f"/v1/segments/{segment_id}", {"name": "Late"}, headers={"If-Match": '"1"'}, expect=412)
    same = await api.patch(f"/v1/segments/{segment_id}", {"definition": AUSTRIANS, "name": "Neighbors"}, expect=200)
    assert same == patched, "a patch that changes nothing leaves the version"
    versions = await api.get(f"/v1/segments/{segment_id}/versions?limit=1", expect=200)
    assert [(each["number"], each["definition"]) for each in versions["data"]] == [(2, AUSTRIANS)]
    rest = await api.get(f"/v1/segments/{segment_id}/versions?limit=1&cursor={versions['next_cursor']}", expect=200)
    assert [(each["number"], each["created_by"]) for each in rest["data"]] == [(1, "tests")]
    assert rest["next_cursor"] is None


async def test_null_clears_the_description(api: Api) -> None:
    body = {"name": "Germans", "description": "Some", "definition": GERMANS}
    made = await api.post("/v1/segments", body, expect=201)
    patched = await api.patch(f"/v1/segments/{made['id']}", {"description": None}, expect=200)
    assert (patched["description"], patched["name"]) == (None, "Germans")


async def test_lists_page_and_leave_out_the_archived(api: Api, builder: Builder) -> None:
    made = [await builder.define(f"Segment {number}", GERMANS) for number in range(3)]
    await api.post(f"/v1/segments/{made[1]}/archive", expect=200)
    answer = await api.send("GET", "/v1/segments?limit=1", expect=200)
    assert [each["id"] for each in answer.json()["data"]] == [made[2]]
    assert answer.json()["data"][0]["definition"] == GERMANS
    assert answer.headers["link"].endswith('rel="next"')
    following = answer.headers["link"].split(">")[0].removeprefix("<")
    assert [each["id"] for each in (await api.get(following))["data"]] == [made[0]]
    everything = await api.get("/v1/segments?archived=true", expect=200)
    assert [each["id"] for each in everything["data"]] == made[::-1]
    assert (await api.get("/v1/segments?status=built", expect=200))["data"] == []


async def test_an_archived_segment_is_left_alone(api: Api, builder: Builder) -> None:
    segment_id = await builder.define("Germans", GERMANS)
    archived = await api.post(f"/v1/segments/{segment_id}/archive", expect=200)
    assert archived["archived_at"] is not None
    assert await api.post(f"/v1/segments/{segment_id}/archive", expect=200) == archived
    await api.patch(f"/v1/segments/{segment_id}", {"name": "X"}, expect=problem("segment-archived", 409))
    await api.post(f"/v1/segments/{segment_id}/builds", expect=problem("segment-archived", 409))


@pytest.mark.parametrize(
    ("definition", "pointer", "code", "nearest"),
    [
        ({"field": "contry", "eq": "DE"}, "/definition/field", "unknown-field", "country"),
        ({"any": [GERMANS, {"field": "country", "gt": 3}]}, "/definition/any/1/gt", "operator-not-offered", None),
        ({"not": {"field": "birth_date", "gte": 30}}, "/definition/not/gte", "wrong-type", None),
        ({"segment": str(uuid4())}, "/definition/segment", "unknown-segment", None),
        ({"all": [{"not": {"segment": str(uuid4())}}]}, "/definition/all/0/not/segment", "unknown-segment", None),
    ],
)
@pytest.mark.parametrize("path", ["/v1/segments", "/v1/segments/preview"])
async def test_an_audience_that_does_not_fit_is_refused_with_its_place(
    api: Api, path: str, definition: dict[str, Any], pointer: str, code: str, nearest: str | None
) -> None:
    body = {"definition": definition, **({"name": "X"} if path == "/v1/segments" else {})}
    if path == "/v1/segments/preview" and code == "unknown-segment":
        assert (await api.post(path, body, expect=200))["count"] == 0
        return
    refused = await api.post(path, body, expect=problem("invalid-audience", 422))
    found = refused["errors"][0]
    assert (found["pointer"], found["code"], found.get("nearest")) == (pointer, code, nearest)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"definition": GERMANS}, "/name"),
        ({"name": "X"}, "/definition"),
        ({"name": "X", "definition": {}}, "/definition"),
        ({"name": "X", "definition": {"all": []}}, "/definition/all"),
        ({"name": "X", "definition": {"field": "country", "eq": "DE", "ne": "AT"}}, "/definition"),
        ({"name": "X", "definition": GERMANS, "color": "red"}, "/color"),
        ({"name": "", "definition": GERMANS}, "/name"),
        ({"name": "a\u0000b", "definition": GERMANS}, "/name"),
        ({"name": "X", "definition": {"field": "country", "eq": "D\u0000"}}, "/definition/eq"),
    ],
)
async def test_a_malformed_definition_is_refused_with_its_place(api: Api, body: dict[str, Any], pointer: str) -> None:
    refused = await api.post("/v1/segments", body, expect=problem("invalid-request", 422))
    assert refused["errors"][0]["pointer"] == pointer, refused
    assert (await api.get("/v1/segments"))["data"] == []


async def test_a_hostile_tree_is_refused_by_its_bound(api: Api) -> None:
    deep: dict[str, Any] = GERMANS
    for _ in range(40):
        deep = {"not": deep}
    refused = await api.post("/v1/segments", {"name": "X", "definition": deep}, expect=422)
    assert refused["errors"][0]["code"] == "too-deep"
    wide = {"any": [GERMANS] * 10_000}
    refused = await api.post("/v1/segments", {"name": "X", "definition": wide}, expect=422)
    assert refused["errors"][0]["code"] in ("too-many-nodes", "too-long")


async def test_a_cycle_is_refused_by_name(api: Api, builder: Builder) -> None:
    a = await builder.define("A", GERMANS)
    b = await builder.define("B", {"segment": a})
    c = await builder.define("C", {"all": [GERMANS, {"not": {"segment": b}}]})
    itself = await api.patch(f"/v1/segments/{a}", {"definition": {"segment": a}}, expect=problem("segment-cycle", 422))
    assert itself["cycle"] == ["A", "A"]
    refused = await api.patch(
        f"/v1/segments/{a}", {"definition": {"any": [AUSTRIANS, {"segment": c}]}}, expect=problem("segment-cycle", 422)
    )
    assert refused["cycle"] == ["A", "C", "B", "A"]
    assert "A → C → B → A" in refused["detail"]
    assert refused["errors"][0]["pointer"] == "/definition/any/1/segment"
    assert (await builder.read(a))["definition_version"] == 1


async def test_a_cycle_through_a_published_definition_is_refused_too(
    api: Api, builder: Builder, register: Register
) -> None:
    await register("Ann", country="DE")
    b = await builder.define("B", GERMANS)
    await builder.build(b)
    a = await builder.define("A", {"not": {"segment": b}})
    await builder.build(a)
    await api.patch(f"/v1/segments/{a}", {"definition": AUSTRIANS}, expect=200)
    loop = {"definition": {"segment": a}}
    refused = await api.patch(f"/v1/segments/{b}", loop, expect=problem("segment-cycle", 422))
    assert refused["cycle"] == ["B", "A", "B"], "members of A are still kept right by its first version"
    job = await builder.request(a)
    await builder.worker.step(job)
    await api.patch(f"/v1/segments/{b}", loop, expect=problem("segment-cycle", 422))
    await builder.finish(job)
    await api.patch(f"/v1/segments/{b}", loop, expect=200)


async def test_a_plan_refuses_a_cycle_as_a_change_would(api: Api, builder: Builder) -> None:
    a = await builder.define("A", GERMANS)
    b = await builder.define("B", {"segment": a})
    wish = {"definition": {"any": [AUSTRIANS, {"segment": b}]}}
    planned = await api.post(f"/v1/segments/{a}/plan", wish, expect=problem("segment-cycle", 422))
    assert (planned["cycle"], planned["errors"][0]["pointer"]) == (["A", "B", "A"], "/definition/any/1/segment")


async def test_two_changes_cannot_close_a_cycle_together(api: Api, builder: Builder) -> None:
    a = await builder.define("A", GERMANS)
    b = await builder.define("B", AUSTRIANS)

    def refer(one: str, other: str) -> Awaitable[list[Response]]:
        return api.race(1, "PATCH", f"/v1/segments/{one}", {"definition": {"segment": other}})

    answers = [answer for [answer] in await asyncio.gather(refer(a, b), refer(b, a))]
    assert sorted(answer.status_code for answer in answers) == [200, 422]


async def test_unknown_segments_are_not_found(api: Api) -> None:
    nobody = uuid4()
    missing = problem("segment-not-found", 404)
    await api.get(f"/v1/segments/{nobody}", expect=missing)
    await api.patch(f"/v1/segments/{nobody}", {"name": "X"}, expect=missing)
    await api.post(f"/v1/segments/{nobody}/archive", expect=missing)
    await api.post(f"/v1/segments/{nobody}/builds", expect=missing)
    await api.get(f"/v1/segments/{nobody}/versions", expect=missing)
    await api.get(f"/v1/segments/{nobody}/members", expect=missing)
    await api.get(f"/v1/customers/{nobody}/segments", expect=problem("customer-not-found", 404))


async def test_a_preview_counts_exactly_and_stores_nothing(api: Api, register: Register) -> None:
    ids = [await register(f"German {number}", country="DE") for number in range(22)]
    await register("Austrian", country="AT")
    gone = await register("Gone", country="DE")
    await api.post(f"/v1/customers/{gone}/archive", expect=200)
    preview = await api.post("/v1/segments/preview", {"definition": GERMANS}, expect=200)
    assert preview["count"] == 22
    assert [each["id"] for each in preview["sample"]] == ids[:20]
    assert preview["sample"][0] == {"id": ids[0], "kind": "person", "display_name": "German 0"}
    assert (preview["definition"], preview["depends_on"]) == (GERMANS, ["customer"])
    assert (await api.get("/v1/segments"))["data"] == []


async def test_an_idempotency_key_defines_once(api: Api) -> None:
    body = {"name": "Germans", "definition": GERMANS}
    first = await api.send("POST", "/v1/segments", body, headers={"Idempotency-Key": "k1"}, expect=201)
    again = await api.send("POST", "/v1/segments", body, headers={"Idempotency-Key": "k1"}, expect=201)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
