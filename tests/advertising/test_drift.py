"""Whatever is read, handed over, lost or acknowledged on the way: in the end a destination has whom it should have."""

import random

import pytest

from ..calling import Api
from .conftest import Advertiser, sha256

NAMES = ("ann", "ben", "cat", "dan", "eve")
FATES = ("unread", "lost", "unacknowledged", "acknowledged")
"""What becomes of an export: nobody reads it, it is read and lost, it is handed over and nobody says so, or all is
well.
"""


class World:
    """Customers as they should be known to a destination, and what it knows."""

    def __init__(self, ads: Advertiser, chance: random.Random) -> None:
        self.ads, self.chance = ads, chance
        self.ids: dict[str, str] = {}
        self.countries: dict[str, str] = {}
        self.consents: dict[str, str] = {}
        self.audience: set[str] = set()

    @property
    def wanted(self) -> set[str]:
        """Who should be in the audience."""
        return {name for name in NAMES if (self.countries[name], self.consents[name]) == ("DE", "granted")}

    async def begin(self) -> None:
        """Register everybody."""
        for name in NAMES:
            self.ids[name] = await self.ads.register(name, "email")
            self.countries[name], self.consents[name] = "DE", "granted"

    async def change(self, api: Api) -> None:
        """Let somebody move or say something else."""
        name = self.chance.choice(NAMES)
        if self.chance.random() < 0.5:
            self.countries[name] = self.chance.choice(["DE", "AT"])
            address = {"city": "Town", "country": self.countries[name]}
            await api.patch(f"/v1/customers/{self.ids[name]}", {"addresses": [address]}, expect=200)
        else:
            self.consents[name] = self.chance.choice(["granted", "withdrawn"])
            await self.ads.consent(self.ids[name], "email", self.consents[name])

    async def export(self, fate: str) -> None:
        """Make an export and let it have its fate."""
        number = await self.ads.export()
        if fate == "unread":
            return
        names = {sha256(f"{name}@example.com"): name for name in NAMES}
        lines = await self.ads.lines(number)
        if fate == "lost":
            return
        for line in lines:
            name = names[line["sha256"]]
            self.audience = self.audience | {name} if line["change"] == "addition" else self.audience - {name}
        if fate == "acknowledged":
            await self.ads.acknowledge(number)


@pytest.mark.parametrize("seed", range(6))
async def test_a_destination_ends_with_whom_it_should_have(api: Api, ads: Advertiser, seed: int) -> None:
    world = World(ads, random.Random(seed))
    await world.begin()
    await ads.open()
    for _ in range(14):
        for _ in range(world.chance.randrange(3)):
            await world.change(api)
        fate = world.chance.choice(FATES)
        await world.export(fate)
        if fate in ("unacknowledged", "acknowledged"):
            assert world.audience == world.wanted, "whatever was handed over before"
    await world.export("acknowledged")
    assert world.audience == world.wanted
