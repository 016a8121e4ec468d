"""Customers are registered and read back."""

from uuid import UUID

from ..calling import Api, problem

ANN = {
    "given_name": "Ann",
    "family_name": "Lee",
    "birth_date": "1990-04-01",
    "language": "en-us",
    "time_zone": "America/New_York",
    "contact_points": [
        {"kind": "email", "value": "Ann@Example.com", "label": "home"},
        {"kind": "phone", "value": "(202) 555-0123"},
    ],
    "external_ids": [{"system": "shop", "external_id": "4711"}],
    "addresses": [{"lines": ["5 Main Street"], "postal_code": "10001", "city": "New York", "country": "US"}],
    "tags": ["VIP", "newsletter", "vip"],
}


async def test_what_was_registered_is_read_back(api: Api) -> None:
    answer = await api.send("POST", "/v1/customers", ANN, expect=201)
    made = answer.json()
    assert answer.headers["location"] == f"/v1/customers/{made['id']}"
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["cache-control"] == "no-store"
    read = await api.send("GET", answer.headers["location"], expect=200)
    assert read.json() == made
    assert read.headers["etag"] == '"1"'
    assert UUID(made["id"]).version == 7
    assert (
        made
        | {
            "display_name": "Ann Lee",
            "language": "en-US",
            "tags": ["newsletter", "VIP"],
            "version": 1,
            "archived_at": None,
        }
        == made
    )
    assert [point["normalized"] for point in made["contact_points"]] == ["ann@example.com", "+12025550123"]
    assert [point["is_primary"] for point in made["contact_points"]] == [True, True]


async def test_a_known_version_is_not_sent_again(api: Api) -> None:
    made = await api.post("/v1/customers", ANN, expect=201)
    path = f"/v1/customers/{made['id']}"
    answer = await api.send("GET", path, headers={"If-None-Match": '"1"'}, expect=304)
    assert answer.content == b""
    assert answer.headers["etag"] == '"1"'
    await api.send("GET", path, headers={"If-None-Match": '"2"'}, expect=200)


async def test_an_email_address_belongs_to_one_customer(api: Api) -> None:
    made = await api.post("/v1/customers", ANN, expect=201)
    other = {
        "contact_points": [{"kind": "phone", "value": "+4930123456"}, {"kind": "email", "value": "ANN@example.com"}]
    }
    refused = await api.post("/v1/customers", other, expect=problem("contact-point-taken", 409))
    assert refused["existing_id"] == made["id"]
    assert [error["pointer"] for error in refused["errors"]] == ["/contact_points/1"]
    await api.post("/v1/customers", {"contact_points": other["contact_points"][:1]}, expect=201)


async def test_upsert_creates_changes_and_leaves_alone(api: Api) -> None:
    path = "/v1/customers/by/shop/a%2Fb%2F1"
    created = await api.send("PUT", path, {"display_name": "Ann"}, expect=201)
    assert created.json()["result"] == "created"
    assert created.json()["changed"] == ["display_name", "external_ids"]
    again = await api.send("PUT", path, {"display_name": "Ann"}, expect=200)
    assert again.json() == created.json() | {"result": "unchanged", "changed": []}
    changed = await api.put(path, {"display_name": "Anna"}, expect=200)
    assert (changed["result"], changed["changed"], changed["version"]) == ("updated", ["display_name"], 2)
    read = await api.get(path, expect=200)
    assert changed == read | {"result": "updated", "changed": ["display_name"]}


async def test_of_many_upserts_one_creates(api: Api) -> None:
    answers = await api.race(
        12, "PUT", "/v1/customers/by/shop/7", {"given_name": "Ann", "contact_points": ANN["contact_points"]}
    )
    assert sorted(answer.status_code for answer in answers) == 11 * [200] + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert {answer.json()["version"] for answer in answers} == {1}


async def test_an_upsert_is_told_whose_a_key_is(api: Api) -> None:
    ann = await api.post("/v1/customers", ANN, expect=201)
    path = "/v1/customers/by/web/1"
    wishes = [
        (
            {"contact_points": [{"kind": "email", "value": "ann@example.com"}]},
            "contact-point-taken",
            "/contact_points/0",
        ),
        ({"external_ids": [{"system": "shop", "external_id": "4711"}]}, "external-id-taken", "/external_ids/0"),
    ]
    for is_known in (False, True):
        for wish, code, pointer in wishes:
            refused = await api.put(path, wish, expect=problem(code, 409))
            assert refused["existing_id"] == ann["id"]
            assert [error["pointer"] for error in refused["errors"]] == [pointer]
        await api.put(path, {"display_name": "Bo"}, expect=200 if is_known else 201)
    bo = await api.send("GET", path, headers={"If-None-Match": '"1"'}, expect=304)
    assert bo.headers["etag"] == '"1"'


async def test_upserts_of_several_systems_add_up(api: Api) -> None:
    await api.put(
        "/v1/customers/by/shop/1", {"tags": ["shop"], "contact_points": ANN["contact_points"][:1]}, expect=201
    )
    web = {
        "external_ids": [{"system": "web", "external_id": "w"}],
        "tags": ["Web", "SHOP"],
        "addresses": [{"city": "X"}],
    }
    await api.put("/v1/customers/by/shop/1", web, expect=200)
    point = {"kind": "email", "value": "new@example.com", "is_primary": True}
    both = await api.put(
        "/v1/customers/by/web/w", {"contact_points": [point], "addresses": [{"city": "Y"}]}, expect=200
    )
    assert both["changed"] == ["contact_points", "addresses"]
    assert both["tags"] == ["shop", "Web"]
    assert both["external_ids"] == [
        {"system": "shop", "external_id": "1"},
        {"system": "web", "external_id": "w"},
    ]
    assert [(each["normalized"], each["is_primary"]) for each in both["contact_points"]] == [
        ("ann@example.com", False),
        ("new@example.com", True),
    ]
    assert [address["city"] for address in both["addresses"]] == ["Y"]
