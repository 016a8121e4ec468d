"""The offers of a deployment as one process keeps them in memory, ready to be decided among."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from ..audience import Audience, read_tree
from ..core.money import Money
from ..core.read import Reader
from . import queries
from .rules import Candidate, Slate, slate_of

MOST_NOT_LIVE: Final = 200
"""Drafts and retired offers are kept only to be told as such; the most recently changed ones are enough."""
_MOST_SLATES: Final = 100


@dataclass(frozen=True, slots=True)
class Shelf:
    """All offers at one edition."""

    edition: str | None
    offers: tuple[Candidate, ...]
    told: Mapping[str, Mapping[str, Any]]
    """By id: what a decision tells of an offer when it is chosen."""
    contents: Mapping[str, Mapping[str, Any]]
    """By id: content per channel."""
    audiences: Mapping[str, Audience]
    """By name: who may get an offer."""
    _slates: dict[str | None, Slate] = field(default_factory=dict)

    def slate(self, channel: str | None, at: datetime) -> Slate:
        """Answer the offers of a channel, or of any, at an instant; the slate asked for last is kept, since most ask
        for now.
        """
        kept = self._slates.get(channel)
        if kept is None or not kept.holds(at):
            kept = slate_of(self.offers, channel, at)
            if len(self._slates) >= _MOST_SLATES:
                self._slates.clear()
            self._slates[channel] = kept
        return kept


class Shelves:
    """Holds the shelf of this process. Whoever reads offers' edition later and finds another asks for a new one."""

    def __init__(self) -> None:
        self._shelf: Shelf | None = None
        self._loading = asyncio.Lock()

    async def present(self, reader: Reader) -> Shelf:
        """Answer the shelf as last loaded; it may be of an old edition."""
        return self._shelf or await self.renewed(reader, None)

    async def renewed(self, reader: Reader, stale: Shelf | None) -> Shelf:
        """Answer another shelf than the stale one, loading it if nobody has yet."""
        async with self._loading:
            if self._shelf is None or self._shelf is stale:
                self._shelf = await _load(reader)
            return self._shelf


async def _load(reader: Reader) -> Shelf:
    """Read the offers. The edition is read first: should offers change meanwhile, the shelf is taken for too old."""
    edition = await reader.row(queries.PRESENT_EDITION)
    live = await reader.rows(queries.LIVE_OFFERS)
    others = await reader.rows(queries.OTHER_OFFERS, limit=MOST_NOT_LIVE)
    audiences: dict[str, Audience] = {}
    offers = [_candidate(row, audiences) for row in (*live, *others)]
    return Shelf(
        edition["edition"] if edition else None,
        tuple(sorted(offers, key=lambda offer: offer.rank)),
        {row["id"]: _told(row) for row in live},
        {row["id"]: orjson.loads(row["channels"]) for row in live},
        audiences,
    )


def _candidate(row: Any, audiences: dict[str, Audience]) -> Candidate:
    return Candidate(
        offer_id=row["id"],
        code=row["code"],
        status=row["status"],
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        priority=row["priority"],
        margin_minor=row["margin_minor"],
        margin_currency=row["margin_currency"],
        channels=tuple(orjson.loads(row["channels"])),
        eligibility=_named(row["eligibility"], audiences) if row["status"] == "live" else None,
    )


def _named(text: str | None, audiences: dict[str, Audience]) -> str | None:
    """Name an audience by its content, so that offers with the same one share it; jsonb has one text per value."""
    if text is None:
        return None
    name = hashlib.sha256(text.encode()).hexdigest()
    if name not in audiences:
        audiences[name] = read_tree(orjson.loads(text))
    return name


def _told(row: Any) -> dict[str, Any]:
    minor, currency = row["margin_minor"], row["margin_currency"]
    return {
        "offer_id": row["id"],
        "code": row["code"],
        "name": row["name"],
        "campaign": row["campaign"],
        "priority": row["priority"],
        "margin": None if minor is None else Money.from_minor(minor, currency).model_dump(),
        "valid_from": row["valid_from"],
        "valid_until": row["valid_until"],
    }
