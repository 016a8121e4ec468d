"""Offers ask where customers live and with whom; audiences of one shape are asked as one."""

from ..calling import Api
from .conftest import Offered, Registered


async def test_offers_are_for_a_place_or_a_household(api: Api, offer: Offered, register: Registered) -> None:
    place = [{"city": "Berlin", "latitude": 52.5, "longitude": 13.4}]
    ann = (await api.post("/v1/customers", {"display_name": "Ann", "addresses": place}, expect=201))["id"]
    ben = await register("Ben", country="DE")
    cem = await register("Cem", country="AT")
    await api.post("/v1/households", {"members": [ben, cem]}, expect=201)
    await offer("NEAR", eligibility="distance(address, 52.52, 13.405) <= 5 km", priority=9)
    await offer("NEARER", eligibility="distance(address, 52.52, 13.405) <= 5 m", priority=8)
    await offer("GERMANS", eligibility='household any (country = "DE")', priority=7)
    await offer("AUSTRIANS", eligibility='household any (country = "AT")', priority=6)
    await offer("SWISS", eligibility='household any (country = "CH")', priority=5)
    await offer("NONE", eligibility='not household any (country in ("DE", "AT"))', priority=4)

    async def chosen(customer_id: str) -> list[str]:
        wish = {"customer_id": customer_id, "channel": "email", "limit": 10}
        made = await api.post("/v1/decisions", wish, expect=201)
        return [each["code"] for each in made["chosen"]]

    assert await chosen(ann) == ["NEAR", "NONE"]
    assert await chosen(ben) == await chosen(cem) == ["GERMANS", "AUSTRIANS"]
