"""What a segment would be, and how its members came and went."""

from datetime import UTC, datetime, timedelta

from ..calling import Api, problem
from .conftest import Builder, Register

GERMANS = {"field": "country", "eq": "DE"}
AUSTRIANS = {"field": "country", "eq": "AT"}
UNKNOWN = "/v1/segments/0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a77"


async def move(api: Api, customer_id: str, country: str) -> None:
    await api.patch(f"/v1/customers/{customer_id}", {"addresses": [{"city": "Town", "country": country}]}, expect=200)


async def test_a_plan_says_who_would_come_and_go_and_changes_nothing(
    api: Api, builder: Builder, register: Register
) -> None:
    for number in range(3):
        await register(f"G{number}", country="DE")
    await register("A", country="AT", tags=["vip"])
    await register("V", country="DE", tags=["vip"])
    segment_id = await builder.define("Germans", GERMANS)
    await builder.build(segment_id)
    other = await builder.define("Nested", {"segment": segment_id})
    offer = {
        "code": "O",
        "name": "For Germans",
        "eligibility": {"segment": segment_id},
        "channels": {"web": {"title": "T"}},
    }
    await api.post("/v1/offers", offer, expect=201)
    wish = {"definition": {"field": "tags", "has": "vip"}}
    planned = await api.post(f"/v1/segments/{segment_id}/plan", wish, expect=200)
    counts = {name: planned[name] for name in ("members", "enter_count", "leave_count", "stay_count")}
    assert counts == {"members": 4, "enter_count": 1, "leave_count": 3, "stay_count": 1}
    assert [each["display_name"] for each in planned["entering"]] == ["A"]
    assert [each["display_name"] for each in planned["leaving"]] == ["G0", "G1", "G2"]
    assert [(use["type"], use["name"]) for use in planned["used_by"]] == [
        ("segment", "Nested"),
        ("offer", "For Germans"),
    ]
    assert planned["used_by"][0]["id"] == other
    assert len(await builder.members(segment_id)) == 4
    as_it_is = await api.post(f"/v1/segments/{segment_id}/plan", {}, expect=200)
    assert (as_it_is["enter_count"], as_it_is["leave_count"], as_it_is["stay_count"]) == (0, 0, 4)
    by_text = await api.post(f"/v1/segments/{segment_id}/plan", {"definition": 'tags has "vip"'}, expect=200)
    assert by_text["enter_count"] == 1


async def test_a_plan_for_nothing_is_refused(api: Api, builder: Builder) -> None:
    await api.post(f"{UNKNOWN}/plan", {}, expect=problem("segment-not-found", 404))
    segment_id = await builder.define("Germans", GERMANS)
    wrong = {"definition": {"field": "contry", "eq": "DE"}}
    refused = await api.post(f"/v1/segments/{segment_id}/plan", wrong, expect=problem("invalid-audience", 422))
    assert refused["errors"][0]["pointer"] == "/definition/field"


async def test_changes_can_be_read_in_pages_as_a_stream_and_from_a_build_on(
    api: Api, builder: Builder, register: Register
) -> None:
    people = [await register(f"P{number}", country="DE") for number in range(3)]
    segment_id = await builder.define("Germans", GERMANS)
    path = f"/v1/segments/{segment_id}/changes"
    assert (await api.get(path))["data"] == []
    await builder.build(segment_id)
    await move(api, people[1], "AT")
    await builder.catch_up()
    await move(api, people[1], "DE")
    await builder.catch_up()
    expected = [(people[0], "entered", 1), (people[1], "entered", 1), (people[2], "entered", 1)]
    expected += [(people[1], "exited", 2), (people[1], "entered", 3)]
    found, page = [], await api.get(path, params={"limit": 2})
    found += page["data"]
    while page["next_cursor"]:
        page = await api.get(path, params={"limit": 2, "cursor": page["next_cursor"]})
        found += page["data"]
    assert [(each["customer_id"], each["change"], each["build"]) for each in found] == expected
    late = await api.get(path, params={"after_build": 1})
    assert [each["change"] for each in late["data"]] == ["exited", "entered"]
    text = (await api.send("GET", path, params={"after_build": 2}, headers={"Accept": "text/csv"}, expect=200)).text
    assert text == f"customer_id,change,at,build\n{people[1]},entered,{found[-1]['at']},3\n"
    await api.get(f"{UNKNOWN}/changes", expect=problem("segment-not-found", 404))


async def test_who_was_in_at_an_instant(api: Api, builder: Builder, register: Register) -> None:
    ann, ben = await register("Ann", country="DE"), await register("Ben", country="AT")
    before = datetime.now(UTC)
    segment_id = await builder.define("Germans", GERMANS)
    await builder.build(segment_id)
    first = datetime.now(UTC)
    await move(api, ann, "AT")
    await move(api, ben, "DE")
    await builder.catch_up()
    path = f"/v1/segments/{segment_id}/members"

    async def there(at: datetime) -> list[str]:
        page = await api.get(path, params={"as_of": at.isoformat(), "count": "exact"}, expect=200)
        assert page["count"] == len(page["data"])
        return [each["display_name"] for each in page["data"]]

    assert (await there(before), await there(first), await there(datetime.now(UTC))) == ([], ["Ann"], ["Ben"])
    params = {"as_of": first.isoformat()}
    text = (await api.send("GET", path, params=params, headers={"Accept": "text/csv"}, expect=200)).text
    assert [line.split(",")[2] for line in text.splitlines()[1:]] == ["Ann"]
    mine = (await api.get(f"/v1/customers/{ann}/segments/history"))["data"]
    assert [(each["name"], each["left_at"] is None) for each in mine] == [("Germans", False)]
    await api.get(
        "/v1/customers/0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a77/segments/history", expect=problem("customer-not-found", 404)
    )


async def test_the_size_over_time(api: Api, builder: Builder, register: Register) -> None:
    people = [await register(f"P{number}", country="DE") for number in range(3)]
    segment_id = await builder.define("Germans", GERMANS)
    await builder.build(segment_id)
    await move(api, people[0], "AT")
    await builder.catch_up()
    found = await api.get(f"/v1/segments/{segment_id}/history")
    assert found["time_zone"] == "America/New_York"
    sizes = [(day["entered"], day["exited"], day["size"]) for day in found["data"]]
    assert sizes in ([(3, 1, 2)], [(3, 0, 3), (0, 1, 2)])  # the second where midnight passed in between
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    assert (await api.get(f"/v1/segments/{segment_id}/history", params={"since": tomorrow}))["data"] == []
    await api.get(f"{UNKNOWN}/history", expect=problem("segment-not-found", 404))
