"""Who never buys meat is found from purchases, with the whole household, and no meat is offered or mailed there.

Over HTTP alone, with a real worker: by a definition, with a clock that is moved a year ahead; and by a score, which
tells who leaves meat out from who bought none by chance, of those alone who agreed to that.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ..calling import Api
from ..live import Service
from ..moved import MovedClock
from .members import built, has_members
from .test_campaign import ended, finished, read

pytestmark = pytest.mark.xdist_group("live")
PRODUCTS = {"beef": ("GROCERY", "MEAT"), "tofu": ("GROCERY", "PRODUCE"), "soap": ("DRUG", "HYGIENE")}
VEGETARIAN = (
    'household all (never(order.placed with items (category = "MEAT"), last 12 months))'
    ' and sum(items.quantity of order.placed with items (department = "GROCERY"), last 12 months) >= 5'
)
BASKETS = {
    "Vera": {"tofu": 6},
    "Vito": {"tofu": 9},
    "Maria": {"beef": 1, "tofu": 1},  # lives with Vito
    "Karl": {"tofu": 2, "soap": 9},  # bought too little food to tell
    "Nils": {"beef": 2, "tofu": 20},
    "Alva": {"tofu": 5},  # archived
}
NDJSON = {"Content-Type": "application/x-ndjson"}
BEGINNING = datetime(datetime.now(UTC).year + 1, 6, 15, 16, tzinfo=UTC)
"""Never in the past, when there was no client yet whom a token could be given to."""


def basket(name: str, at: datetime, bought: dict[str, int]) -> dict[str, Any]:
    """An order of so many pieces of some products, for 2 dollars each."""
    items = [
        {"sku": sku, "quantity": str(pieces), "paid_amount": f"{2 * pieces}.00", "list_amount": f"{2 * pieces}.00"}
        for sku, pieces in bought.items()
    ]
    return {
        "customer": {"system": "shop", "external_id": name},
        "kind": "order.placed",
        "occurred_at": at.isoformat(),
        "amount": {"amount": f"{2 * sum(bought.values())}.00", "currency": "USD"},
        "items": items,
    }


async def shop(api: Api) -> dict[str, str]:
    """Products, customers who agreed to marketing, a household, and a basket of each customer."""
    for sku, (department, category) in PRODUCTS.items():
        product = {"sku": sku, "name": sku, "department": department, "category": category}
        await api.post("/v1/products", product, expect=201)
    ids = {}
    for name in BASKETS:
        wish = {
            "kind": "person",
            "display_name": name,
            "contact_points": [{"kind": "email", "value": f"{name}@mail.example.com"}],
            "external_ids": [{"system": "shop", "external_id": name}],
        }
        ids[name] = (await api.post("/v1/customers", wish, expect=201))["id"]
        consent = {"channel": "email", "purpose": "marketing", "state": "granted", "source": "form"}
        await api.post("/v1/consents", {"customer_id": ids[name], **consent}, expect=201)
    lines = [basket(name, BEGINNING - timedelta(days=20), bought) for name, bought in BASKETS.items()]
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    await api.send("POST", "/v1/touchpoints/batch", content=content, headers=NDJSON, expect=200)
    return ids


async def offered(api: Api, customer_id: str) -> tuple[list[str], dict[str, list[str]]]:
    """Decide; answers what is offered, and why the rest is not."""
    wish = {"customer_id": customer_id, "channel": "email", "limit": 5}
    made = await api.post("/v1/decisions", wish, expect=201)
    why_not = {offer["code"]: [reason["code"] for reason in offer["reasons"]] for offer in made["rejected"]}
    return [offer["code"] for offer in made["chosen"]], why_not


async def put_on_offer(api: Api) -> None:
    """Steak for all but the vegetarian households, seitan for these."""
    for code, eligibility in (
        ("STEAK", 'not in_segment("Vegetarian households")'),
        ("SEITAN", 'in_segment("Vegetarian households")'),
    ):
        offer = {"code": code, "name": code, "status": "live", "eligibility": eligibility}
        await api.post("/v1/offers", {**offer, "channels": {"email": {"title": code}}}, expect=201)


async def mailed(api: Api, clock: MovedClock, template: str) -> str:
    """Mail about the steak to everybody who is not in the segment, and wait until that is done."""
    wish = {
        "code": "steak", "name": "Steak", "template_id": template,
        "audience": 'not in_segment("Vegetarian households")',
        "sender": {"name": "Grocer", "address": "news@shop.example.com"},
    }  # fmt: skip
    campaign = str((await api.post("/v1/campaigns", wish, expect=201))["id"])
    at = clock.now.astimezone(ZoneInfo("America/New_York")) + timedelta(seconds=2)
    await api.post(f"/v1/campaigns/{campaign}/launch", {"launch_at": f"{at:%Y-%m-%dT%H:%M:%S}"}, expect=200)
    await finished(api, campaign)
    return campaign


async def test_no_meat_for_those_who_never_buy_it(tmp_path: Path) -> None:
    clock = MovedClock(tmp_path, BEGINNING)
    async with Service(tmp_path, application="tests.moved:create_app", environment=clock.environment) as service:
        async with service.caller() as api:
            ids = await shop(api)
            home = await api.post("/v1/households", {"members": [ids["Vito"], ids["Maria"]]}, expect=201)
            await api.post(f"/v1/customers/{ids['Alva']}/archive", expect=200)
            segment = await built(api, {"name": "Vegetarian households", "definition": VEGETARIAN})
            await has_members(api, segment, "Vera")
            await offers_follow(api, clock, service, ids)
            await who_is_in_follows(api, clock, ids, segment, home["id"])
        clock.move(BEGINNING + timedelta(days=390))
        async with service.caller() as api:
            await a_year_later(api, clock, ids, segment)


async def offers_follow(api: Api, clock: MovedClock, service: Service, ids: dict[str, str]) -> None:
    """The meat offer is neither decided nor mailed, the novelty is; each decision says why."""
    await put_on_offer(api)
    assert await offered(api, ids["Vera"]) == (["SEITAN"], {"STEAK": ["not-eligible"]})
    assert await offered(api, ids["Vito"]) == (["STEAK"], {"SEITAN": ["not-eligible"]})
    words = {"name": "Steak", "channel": "email", "subject": "Steak", "text": "{{ unsubscribe_url }}"}
    template = (await api.post("/v1/templates", {**words, "html": "<p>{{ unsubscribe_url }}</p>"}, expect=201))["id"]
    campaign = await mailed(api, clock, template)
    mails = [read(mail.read_bytes()) for mail in (service.folder / "outbox").glob("*.eml")]
    assert sorted(str(mail["To"]).partition(" ")[0] for mail in mails) == ["Karl", "Maria", "Nils", "Vito"]
    why = await api.get(f"/v1/campaigns/{campaign}/explain/{ids['Vera']}", expect=200)
    assert [rule["rule"] for rule in why["rules"] if not rule["passed"]] == ["audience"]


async def who_is_in_follows(api: Api, clock: MovedClock, ids: dict[str, str], segment: str, home: str) -> None:
    """Within seconds: who buys meat is out, with the household; who moves out, or comes back, is in."""
    position = (await api.get("/v1/events", params={"after": "latest"}))["next_after"]
    await api.delete(f"/v1/households/{home}/members/{ids['Maria']}", expect=204)
    await has_members(api, segment, "Vera", "Vito")
    await api.post(f"/v1/customers/{ids['Alva']}/restore", expect=200)
    await has_members(api, segment, "Alva", "Vera", "Vito")
    await api.put(f"/v1/households/{home}/members/{ids['Vera']}", expect=200)
    await api.post("/v1/touchpoints", basket("Vera", clock.now, {"beef": 1}), expect=201)
    await has_members(api, segment, "Alva")
    assert await offered(api, ids["Vito"]) == (["STEAK"], {"SEITAN": ["not-eligible"]})
    told: list[tuple[str, str]] = []
    async with asyncio.timeout(20):
        while len(told) < 4:
            page = await api.get(
                "/v1/events", params={"after": position, "type": ["segment.entered", "segment.exited"]}, expect=200
            )
            position = page["next_after"]
            told += [(event["type"], event["customer_id"]) for event in page["data"]]
    assert sorted(told) == sorted(
        [("segment.entered", ids[name]) for name in ("Vito", "Alva")]
        + [("segment.exited", ids[name]) for name in ("Vera", "Vito")]
    )
    why = await api.get(f"/v1/segments/{segment}/explain/{ids['Vito']}", expect=200)
    household, eaten = why["explanation"]["branches"]
    assert (household["holds"], household["value"]) == (False, {"members": 2, "met_by": [ids["Vito"]]})
    assert (eaten["holds"], eaten["value"]) == (True, 9)


async def a_year_later(api: Api, clock: MovedClock, ids: dict[str, str], segment: str) -> None:
    """The beef is long ago, and so is all else: only who still buys food can be told to be vegetarian."""
    await has_members(api, segment)
    for name in ("Vera", "Vito", "Nils"):
        await api.post("/v1/touchpoints", basket(name, clock.now, {"tofu": 5}), expect=201)
    await has_members(api, segment, "Vera", "Vito", "Nils")
    assert await offered(api, ids["Nils"]) == (["SEITAN"], {"STEAK": ["not-eligible"]})


GREEN = [f"Green {number:03}" for number in range(12)]
"""Who never buys meat; the first bought little, the second does not want to be looked at, the third lives with Other
000, the next two live together.
"""
OTHERS = [f"Other {number:03}" for number in range(120)]
NOW = datetime.now(UTC)
SCORED = 'household all (sensitive_taste.avoids has "meat")'


async def grocer(api: Api) -> dict[str, str]:
    """A shop with more customers, of whom the last third agreed by letter, and a year of baskets."""
    for sku, (department, category) in PRODUCTS.items():
        product = {"sku": sku, "name": sku, "department": department, "category": category}
        await api.post("/v1/products", product, expect=201)
    await api.put("/v1/purposes/diet", {"label": "Meals that suit", "needs_consent": True}, expect=201)
    names, random = [*GREEN, *OTHERS], Random(4)
    people = [
        {"kind": "person", "display_name": name, "external_ids": [{"system": "shop", "external_id": name}]}
        for name in names
    ]
    consents = [
        {"customer": {"system": "shop", "external_id": name}, "channel": "letter" if name > "Other 080" else "email"}
        | {"purpose": "diet", "state": "granted", "source": "form"}
        for name in names
        if name != GREEN[1]
    ]
    baskets = []
    for name in names:
        share = 0.0 if name in GREEN else random.betavariate(4, 8)
        for week in range(1 if name == GREEN[0] else 12):
            skus = ["beef" if random.random() < share else "tofu" for _ in range(5)]
            items = [item for sku in (*skus, "soap") for item in basket(name, NOW, {sku: 1})["items"]]
            baskets.append({**basket(name, NOW - timedelta(days=7 * week + 3), {"soap": 6}), "items": items})
    for path, lines in (("customers", people), ("consents", consents), ("touchpoints", baskets)):
        content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        answer = await api.send("POST", f"/v1/{path}/batch", content=content, headers=NDJSON, expect=200)
        assert json.loads(answer.text.splitlines()[-1])["summary"]["created"] == len(lines), answer.text[-500:]
    text = (await api.send("GET", "/v1/customers", headers={"Accept": NDJSON["Content-Type"]}, expect=200)).text
    found = [json.loads(line) for line in text.splitlines()]
    return {customer["display_name"]: customer["id"] for customer in found}


async def test_a_score_tells_who_leaves_meat_out(tmp_path: Path) -> None:
    async with (
        Service(tmp_path, environment={"CRM_SENSITIVE_TASTE_PURPOSE": "diet"}) as service,
        service.caller() as api,
    ):
        ids = await grocer(api)
        await api.post("/v1/households", {"members": [ids[GREEN[2]], ids[OTHERS[0]]]}, expect=201)
        await api.post("/v1/households", {"members": [ids[GREEN[3]], ids[GREEN[4]]]}, expect=201)
        asked = {
            "among": {"departments": ["GROCERY"]},
            "subjects": [{"subject": "meat", "categories": ["MEAT"]}],
            "backtest_days": 30,
        }
        wish = {"model": "sensitive_taste", "parameters": asked}
        started = await api.send("POST", "/v1/analytics/runs", wish, expect=202)
        await ended(api, started.headers["location"])
        run = await api.get(f"/v1/analytics/runs/{started.json()['id']}")
        assert (run["state"], run["row_count"]) == ("published", len(ids) - 1), run

        segment = await built(api, {"name": "Vegetarian households", "definition": SCORED})
        await has_members(api, segment, *GREEN[3:])
        await put_on_offer(api)
        for name in GREEN[3:6]:
            assert await offered(api, ids[name]) == (["SEITAN"], {"STEAK": ["not-eligible"]})
        for name in (*GREEN[:3], *OTHERS[:3]):
            assert await offered(api, ids[name]) == (["STEAK"], {"SEITAN": ["not-eligible"]})
        why = await api.get(f"/v1/segments/{segment}/explain/{ids[GREEN[2]]}", expect=200)
        assert why["explanation"]["value"] == {"members": 2, "met_by": [ids[GREEN[2]]]}
        [score] = (await api.get(f"/v1/customers/{ids[GREEN[0]]}/scores/sensitive_taste/explain"))["scores"]
        assert (score["status"], score["reason"]) == ("insufficient_data", "Fewer than 20 lines.")

        taken_back = {"channel": "email", "purpose": "diet", "state": "withdrawn", "source": "form"}
        await api.post("/v1/consents", {"customer_id": ids[GREEN[5]], **taken_back}, expect=201)
        await has_members(api, segment, *GREEN[3:5], *GREEN[6:])
        assert await offered(api, ids[GREEN[5]]) == (["STEAK"], {"SEITAN": ["not-eligible"]})
