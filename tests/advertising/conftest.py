"""The service with small steps, a segment of customers who may be advertised to, and a worker driven by hand."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI

from crm_api.advertising.operations import EXPORT, advertising_export
from crm_api.app import create_app
from crm_api.core.db import Database
from crm_api.settings import Settings

from ..calling import Api
from ..segments.conftest import Builder

STEP = 2
"""Members a step of an export looks at in these tests."""
Line = tuple[str, str, str]
"""Change, identifier, and whose or which address it is the hash of."""


@pytest.fixture(scope="session")
async def app(settings: Settings, database: Database) -> AsyncIterator[FastAPI]:
    """The service, started; exports take a few members a step."""
    made = create_app(settings)
    made.state.job_kinds[EXPORT] = advertising_export(range_size=STEP)
    async with made.router.lifespan_context(made):
        yield made


def sha256(text: str) -> str:
    """What a platform makes of the same address."""
    return hashlib.sha256(text.encode()).hexdigest()


class Advertiser:
    """Has a segment of Germans, an audience for it, and makes exports step by step."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.builder = Builder(api)
        self.segment = self.audience = ""

    async def open(self, **wish: Any) -> str:
        """Open an audience for a new segment of Germans."""
        self.segment = await self.builder.define("Germans", {"field": "country", "eq": "DE"})
        await self.builder.build(self.segment)
        body = {"destination": "Meta", "purpose": "marketing", "identifiers": ["email", "phone"], **wish}
        path = f"/v1/segments/{self.segment}/advertising-audiences"
        self.audience = (await self.api.post(path, body, expect=201))["id"]
        return self.audience

    async def register(self, name: str, *channels: str, country: str = "DE", phone: str | None = None) -> str:
        """Register a customer with an e-mail address, who granted consent on some channels."""
        points = [{"kind": "email", "value": f"{name.title()}@Example.com"}]
        points += [{"kind": "phone", "value": phone}] if phone else []
        addresses = [{"city": "Town", "country": country}]
        body = {"display_name": name, "contact_points": points, "addresses": addresses}
        made = await self.api.post("/v1/customers", body, expect=201)
        for channel in channels:
            await self.consent(made["id"], channel)
        return str(made["id"])

    async def consent(self, customer_id: str, channel: str, state: str = "granted", purpose: str = "marketing") -> None:
        """Report what a customer said."""
        said = {"customer_id": customer_id, "channel": channel, "purpose": purpose, "state": state, "source": "web"}
        await self.api.post("/v1/consents", said, expect=201)

    async def request(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Ask for an export; answers it, and its job as claimed."""
        export = await self.api.post(f"/v1/advertising-audiences/{self.audience}/exports", expect=202)
        return export, await self.builder.worker.claim_one(job_id=export["job_id"])

    async def export(self) -> int:
        """Make an export; answers its number."""
        await self.builder.catch_up()
        export, job = await self.request()
        said = await self.builder.finish(job)
        assert said[-1]["state"] == "succeeded", said
        return int(export["number"])

    def path(self, number: int, what: str = "") -> str:
        """Answer the path of an export."""
        return f"/v1/advertising-audiences/{self.audience}/exports/{number}{what}"

    async def lines(self, number: int, query: str = "") -> list[dict[str, str]]:
        """Read the lines of an export."""
        text = (await self.api.send("GET", self.path(number, f"/identifiers{query}"), expect=200)).text
        header, *rows = (line.split(",") for line in await self._csv(text, number, query))
        assert header == ["change", "identifier", "sha256"]
        return [dict(zip(header, row, strict=True)) for row in rows]

    async def _csv(self, ndjson: str, number: int, query: str) -> list[str]:
        path = self.path(number, f"/identifiers{query}")
        text = (await self.api.send("GET", path, expect=200, headers={"Accept": "text/csv"})).text
        assert len(text.splitlines()) == len(ndjson.splitlines()) + 1
        return text.splitlines()

    async def said(self, number: int, *addresses: str) -> set[Line]:
        """Read an export; hashes of addresses that are given are told as these."""
        names = {sha256(address): address for address in addresses}
        lines = await self.lines(number)
        found = {(line["change"], line["identifier"], names.get(line["sha256"], line["sha256"])) for line in lines}
        assert len(found) == len(lines), "no line twice"
        return found

    async def acknowledge(self, number: int, expect: Any = 200) -> Any:
        """Say that the destination has it."""
        return await self.api.post(self.path(number, "/acknowledge"), expect=expect)


@pytest.fixture
def ads(api: Api) -> Advertiser:
    """An advertiser."""
    return Advertiser(api)
