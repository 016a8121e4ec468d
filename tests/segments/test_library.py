"""The library of segments: each entry is a definition that means whom it says it means, and can be adopted as it is."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crm_api.segments.library import LIBRARY, last_seasons, season_of

from ..calling import Api, problem
from .conftest import Register

KEYS = {entry.key for entry in LIBRARY}


def ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


async def order(
    api: Api, customer_id: str, at: datetime | date, amount: str = "10.00", currency: str = "EUR", **more: Any
) -> None:
    moment = at if isinstance(at, datetime) else datetime(at.year, at.month, at.day, 12, tzinfo=UTC)
    body = {
        "customer_id": customer_id,
        "kind": "order.placed",
        "occurred_at": moment.isoformat(),
        "amount": {"amount": amount, "currency": currency},
        **more,
    }
    await api.post("/v1/touchpoints", body, expect=201)


async def entry(api: Api, key: str, **given: Any) -> Any:
    query = "&".join(f"{name}={value}" for name, value in {"key": key, **given}.items())
    [found] = (await api.get(f"/v1/segments/library?{query}", expect=200))["data"]
    return found


async def meant(api: Api, key: str, **given: Any) -> list[str]:
    """Whom an entry means, by name."""
    found = await entry(api, key, **given)
    assert found["obstacle"] is None
    preview = await api.post("/v1/segments/preview", {"definition": found["definition"]}, expect=200)
    again = await api.post("/v1/segments/preview", {"definition": found["definition_text"]}, expect=200)
    assert again["count"] == preview["count"]
    return sorted(each["display_name"] for each in preview["sample"])


async def test_all_can_be_adopted_as_they_are(api: Api) -> None:
    assert "custom.renewal_on" in (await entry(api, "renewal-due"))["obstacle"]
    await api.post("/v1/fields", {"key": "renewal_on", "type": "date"}, expect=201)
    listed = (await api.get("/v1/segments/library", expect=200))["data"]
    assert {each["key"] for each in listed} == KEYS
    assert {each["obstacle"] for each in listed} == {None}
    for each in listed:
        body = {name: each[name] for name in ("name", "description", "definition")}
        made = await api.post("/v1/segments", body, expect=201)
        assert made["definition"] == each["definition"]
        assert made["definition_text"] == each["definition_text"]
        assert all(parameter["description"] for parameter in each["parameters"])


async def test_high_spenders(api: Api, register: Register) -> None:
    rich, poor, former, foreign = [await register(name) for name in ("Rich", "Poor", "Former", "Foreign")]
    await order(api, rich, ago(10), "300.00")
    await order(api, rich, ago(300), "200.00")
    await order(api, poor, ago(10), "499.99")
    await order(api, former, ago(400), "900.00")
    await order(api, foreign, ago(10), "900.00", "USD")
    assert await meant(api, "high-spenders") == ["Rich"]
    assert await meant(api, "high-spenders", amount="499.99") == ["Poor", "Rich"]
    assert await meant(api, "high-spenders", currency="USD", amount="900") == ["Foreign"]
    assert await meant(api, "high-spenders", days=1000, amount=900) == ["Former"]


async def test_occasional_and_lapsed(api: Api, register: Register) -> None:
    for name, days in {"Never": [], "Once": [20], "Often": [1, 2, 3], "Gone": [200, 300], "Tried": [900]}.items():
        customer_id = await register(name)
        for each in days:
            await order(api, customer_id, ago(each))
    assert await meant(api, "occasional") == ["Gone", "Once"]
    assert await meant(api, "occasional", days=30, orders=3) == ["Often", "Once"]
    assert await meant(api, "lapsed") == ["Gone"]
    assert await meant(api, "lapsed", days=365, orders=1) == ["Tried"]


async def test_seasonal(api: Api, register: Register) -> None:
    seasons = last_seasons("summer", date.today())
    (last, _), (former, former_until) = next(seasons), next(seasons)
    middle = timedelta(days=40)
    for name, days in {
        "Summer": [last + middle, former + middle],
        "Mostly": [last + middle, former + middle, former_until + middle],
        "Always": [last + middle, former + middle, former_until + middle, former_until + 2 * middle],
        "New": [last + middle],
    }.items():
        customer_id = await register(name)
        for each in days:
            await order(api, customer_id, each)
    assert await meant(api, "seasonal", season="summer") == ["Mostly", "Summer"]
    assert await meant(api, "seasonal", season="winter") == []
    told = {each["name"]: each for each in (await entry(api, "seasonal"))["parameters"]}
    assert (told["season"]["value"], told["orders"]["value"]) == (None, 1)


async def test_light_with_potential(api: Api, register: Register) -> None:
    for name, amounts in {
        "Light": ["150.00", "60.00"],
        "Small": ["60.00"],
        "Heavy": ["500.00"] * 4,
        "Nobody": [],
    }.items():
        customer_id = await register(name)
        for day, amount in enumerate(amounts, 1):
            await order(api, customer_id, ago(day), amount)
    assert await meant(api, "light-with-potential") == ["Light"]
    assert await meant(api, "light-with-potential", amount=60, orders=4) == ["Heavy", "Light", "Small"]


async def test_full_price_buyers(api: Api, register: Register) -> None:
    def line(paid: str, listed: str) -> dict[str, str]:
        return {"sku": "bike", "quantity": "1", "paid_amount": paid, "list_amount": listed}

    for name, lines in {
        "Full": [line("95.00", "95.00"), line("5.00", "9.00")],
        "Half": [line("50.00", "50.00"), line("50.00", "99.00")],
        "Never": [line("100.00", "120.00")],
    }.items():
        customer_id = await register(name)
        for day in (1, 2):
            await order(api, customer_id, ago(day), "100.00", items=lines)
    once = await register("Once")
    await order(api, once, ago(1), "10.00", items=[line("10.00", "10.00")])
    assert await meant(api, "full-price") == ["Full"]
    assert await meant(api, "full-price", share=0.5) == ["Full", "Half"]
    assert await meant(api, "full-price", orders=1) == ["Full", "Once"]


async def test_birthday_soon(api: Api, register: Register) -> None:
    today = datetime.now(ZoneInfo("America/New_York")).date()
    for name, days in {"Today": 0, "Soon": 13, "Later": 40}.items():
        born = today + timedelta(days=days)
        await register(name, birth_date=born.replace(year=1992).isoformat(), kind="person")
    await register("Unknown")
    assert await meant(api, "birthday-soon") == ["Soon", "Today"]
    assert await meant(api, "birthday-soon", ahead=1) == ["Today"]


async def test_renewal_due(api: Api, register: Register) -> None:
    await api.post("/v1/fields", {"key": "policy_ends", "type": "date"}, expect=201)
    today = datetime.now(ZoneInfo("America/New_York")).date()
    ends = {"Soon": today + timedelta(days=20), "Each year": today + timedelta(days=20 - 730), "Later": today}
    ends["Later"] += timedelta(days=200)
    for name, day in ends.items():
        await register(name, custom_fields={"policy_ends": day.isoformat()})
    assert await meant(api, "renewal-due", field="custom.policy_ends") == ["Each year", "Soon"]
    assert await meant(api, "renewal-due", field="custom.policy_ends", ahead=7) == []
    near = await entry(api, "renewal-due", field="custom.policy_end")
    assert "custom.policy_end" in near["obstacle"]


@pytest.mark.parametrize(
    ("today", "season", "begins", "ends"),
    [
        (date(2026, 5, 31), "spring", date(2025, 3, 1), date(2025, 6, 1)),
        (date(2026, 6, 1), "spring", date(2026, 3, 1), date(2026, 6, 1)),
        (date(2026, 2, 28), "winter", date(2024, 12, 1), date(2025, 3, 1)),
        (date(2026, 3, 1), "winter", date(2025, 12, 1), date(2026, 3, 1)),
        (date(2026, 12, 31), "winter", date(2025, 12, 1), date(2026, 3, 1)),
    ],
)
def test_a_season_counts_when_it_is_over(today: date, season: Any, begins: date, ends: date) -> None:
    assert next(last_seasons(season, today)) == (begins, ends)


def test_every_day_has_its_season() -> None:
    found = [season_of(date(2026, month, 1)) for month in range(1, 13)]
    assert found == ["winter"] * 2 + ["spring"] * 3 + ["summer"] * 3 + ["autumn"] * 3 + ["winter"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("key=rich", "/key"),
        ("currency=euro", "/currency"),
        ("currency=XXA", "/amount"),
        ("currency=JPY&amount=1.50", "/amount"),
        ("amount=-1", "/amount"),
        ("days=0", "/days"),
        ("season=monsoon", "/season"),
        ("share=1.1", "/share"),
        ("field=a`b", "/field"),
        ("limit=10", "/limit"),
    ],
)
async def test_what_cannot_be_meant_is_refused(api: Api, query: str, pointer: str) -> None:
    refused = await api.get(f"/v1/segments/library?{query}", expect=problem("invalid-request", 422))
    assert refused["errors"][0]["pointer"] == pointer


async def test_currencies_without_digits_are_written_as_they_are(api: Api) -> None:
    found = await entry(api, "high-spenders", currency="JPY")
    assert found["definition_text"] == "sum(amount of order.placed, last 365 days) >= 500 JPY"
