"""Why is a customer in a segment, or not: each node with its value and its verdict."""

from uuid import uuid4

from crm_api.core.clock import now, written

from ..calling import Api, problem
from .conftest import Builder, Register

DEFINITION = (
    'country in ("DE", "AT") and not (tags has "staff" or age < 18) '
    "and sum(amount of order.placed, last 12 months) >= 50.00 EUR and (bucket(\"a\", 2) >= 0 or never(order.placed))"
)  # fmt: skip


async def order(api: Api, customer_id: str, amount: str) -> None:
    """Record an order of today."""
    paid = {"amount": amount, "currency": "EUR"}
    wish = {"customer_id": customer_id, "kind": "order.placed", "occurred_at": written(now()), "amount": paid}
    await api.post("/v1/touchpoints", wish, expect=201)


async def test_each_node_says_what_it_found(api: Api, builder: Builder, register: Register) -> None:
    ann = await register("Ann", country="DE", tags=["vip", "new"])
    await order(api, ann, "60.00")
    segment = await builder.define("Spenders", DEFINITION)
    await builder.build(segment)
    await order(api, ann, "0.50")
    told = await api.get(f"/v1/segments/{segment}/explain/{ann}", expect=200)
    assert (told["segment_id"], told["customer_id"], told["definition_version"]) == (segment, ann, 1)
    assert (told["meets_definition"], told["is_member"], told["is_archived"]) == (True, True, False)
    assert told["member_since"] is not None
    country, apart, spent, either = told["explanation"]["branches"]
    assert told["explanation"]["text"] == DEFINITION
    assert country == {"text": 'country in ("DE", "AT")', "holds": True, "value": "DE", "branches": []}
    assert spent["value"] == {"amount": "60.50", "currency": "EUR"} and spent["holds"]
    assert [(each["holds"], each["value"]) for each in apart["branches"][0]["branches"]] == [
        (False, ["new", "vip"]),
        (False, None),
    ]
    assert (apart["holds"], apart["branches"][0]["holds"]) == (True, False)
    assert [each["holds"] for each in either["branches"]] == [True, False]
    assert either["branches"][0]["value"] in (0, 1) and either["branches"][1]["value"] == 2


async def test_a_new_definition_is_explained_before_it_is_built(api: Api, builder: Builder, register: Register) -> None:
    ann, bob = await register("Ann", country="DE"), await register("Bob", country="AT")
    segment = await builder.define("Neighbors", 'country = "DE"')
    await builder.build(segment)
    await api.patch(f"/v1/segments/{segment}", {"definition": 'country = "AT"'}, expect=200)
    for customer, meets, member in ((ann, False, True), (bob, True, False)):
        told = await api.get(f"/v1/segments/{segment}/explain/{customer}", expect=200)
        assert (told["definition_version"], told["meets_definition"], told["is_member"]) == (2, meets, member)
        assert (told["member_since"] is not None) is member


async def test_the_archived_are_told_as_such(api: Api, builder: Builder, register: Register) -> None:
    ann = await register("Ann", country="DE")
    segment = await builder.define("Germans", 'country = "DE"')
    await api.post(f"/v1/customers/{ann}/archive", expect=200)
    told = await api.get(f"/v1/segments/{segment}/explain/{ann}", expect=200)
    assert (told["meets_definition"], told["is_archived"], told["is_member"]) == (True, True, False)


async def test_segments_in_segments_are_explained_by_membership(api: Api, builder: Builder, register: Register) -> None:
    ann = await register("Ann", country="DE")
    inner = await builder.define("Germans", 'country = "DE"')
    outer = await builder.define("Others", 'not in_segment("germans")')
    told = await api.get(f"/v1/segments/{outer}/explain/{ann}", expect=200)
    assert (told["meets_definition"], told["explanation"]["branches"][0]["value"]) == (True, False)
    await builder.build(inner)
    told = await api.get(f"/v1/segments/{outer}/explain/{ann}", expect=200)
    assert (told["meets_definition"], told["explanation"]["branches"][0]["value"]) == (False, True)


async def test_who_or_what_is_not_there(api: Api, builder: Builder, register: Register) -> None:
    ann = await register("Ann")
    segment = await builder.define("Germans", 'country = "DE"')
    await api.get(f"/v1/segments/{uuid4()}/explain/{ann}", expect=problem("segment-not-found", 404))
    await api.get(f"/v1/segments/{segment}/explain/{uuid4()}", expect=problem("customer-not-found", 404))


async def test_it_takes_both_scopes(
    api: Api, credentials: tuple[str, str], builder: Builder, register: Register
) -> None:
    ann, segment = await register("Ann"), await builder.define("Germans", 'country = "DE"')
    for scope in ("segments:read", "customers:read"):
        some = api.bearing(await api.token(*credentials, scope))
        path = f"/v1/segments/{segment}/explain/{ann}"
        await some.get(path, expect=problem("insufficient-scope", 403))


async def test_the_definition_that_members_answer_can_be_explained_too(
    api: Api, builder: Builder, register: Register
) -> None:
    ann = await register("Ann", country="DE")
    segment = await builder.define("Germans", {"field": "country", "eq": "DE"})
    await builder.build(segment)
    await api.patch(f"/v1/segments/{segment}", {"definition": {"field": "country", "eq": "AT"}}, expect=200)
    path = f"/v1/segments/{segment}/explain/{ann}"
    newest = await api.get(path, expect=200)
    assert (newest["definition_version"], newest["meets_definition"], newest["is_member"]) == (2, False, True)
    published = await api.get(f"{path}?version=1", expect=200)
    assert (published["definition_version"], published["meets_definition"], published["is_member"]) == (1, True, True)
    missing = await api.get(f"{path}?version=3", expect=422)
    assert missing["errors"][0]["code"] == "unknown-version"
    await api.get(f"/v1/segments/{uuid4()}/explain/{ann}?version=1", expect=problem("segment-not-found", 404))
