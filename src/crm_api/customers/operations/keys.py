"""Keys that are unique among all customers: claimed by the write itself, so that of many callers one wins."""

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

import asyncpg

from ..contact_points import normalized_contact
from ..problems import ContactPointTaken, ExternalIdTaken
from ..rules import Document, contact_key, external_key
from ..schemas import CustomerFields, listed

_CLAIM: Final = """
INSERT INTO {table} (key, customer_id)
SELECT wanted.key, wanted.customer_id FROM unnest($1::text[], $2::uuid[]) AS wanted (key, customer_id)
ON CONFLICT (key) DO NOTHING RETURNING key
"""
_OWNERS: Final = "SELECT key, customer_id FROM {table} WHERE key = ANY($1::text[])"
_RELEASE: Final = "DELETE FROM {table} WHERE key = $1 AND customer_id = $2"


class Registry:
    """One lookup table."""

    def __init__(self, table: str) -> None:
        self._claim, self._owners = _CLAIM.format(table=table), _OWNERS.format(table=table)
        self._release = _RELEASE.format(table=table)

    async def claim(self, connection: asyncpg.Connection, wanted: Mapping[str, UUID]) -> dict[str, UUID]:
        """Take keys for customers; answer those that others have, with their owners.

        Waits for transactions that are about to take the same keys. Keys are taken in order, so that two callers
        cannot wait for each other.
        """
        left = dict(sorted(wanted.items()))
        taken: dict[str, UUID] = {}
        while left:
            rows = await connection.fetch(self._claim, list(left), list(left.values()))
            for row in rows:
                del left[row["key"]]
            if not left:
                break
            owners = await self.owners(connection, left)
            for key, owner in owners.items():
                if left.pop(key) != owner:
                    taken[key] = owner
            # What is left now was given up by its owner a moment ago.
        return taken

    async def owners(self, connection: asyncpg.Connection | asyncpg.Pool, keys: Iterable[str]) -> dict[str, UUID]:
        """Answer whom keys belong to."""
        rows = await connection.fetch(self._owners, list(keys))
        return {row["key"]: row["customer_id"] for row in rows}

    async def release(self, connection: asyncpg.Connection, keys: Iterable[str], customer_id: UUID) -> None:
        """Give keys up."""
        if pairs := [(key, customer_id) for key in sorted(keys)]:
            await connection.executemany(self._release, pairs)


CONTACT_POINTS: Final = Registry("contact_point_key")
EXTERNAL_IDS: Final = Registry("external_id_key")


def contact_keys(document: Document) -> set[str]:
    """Answer the keys of a customer's contact points."""
    return {contact_key(point) for point in document["contact_points"]}


def external_keys(document: Document) -> set[str]:
    """Answer the keys of a customer's external ids."""
    return {external_key(each["system"], each["external_id"]) for each in document["external_ids"]}


async def claim_new(
    connection: asyncpg.Connection, before: Document, after: Document, wish: CustomerFields, phone_region: str
) -> None:
    """Take the keys a customer did not have before. Errors: ExternalIdTaken, ContactPointTaken."""
    customer_id: UUID = after["id"]
    ids = dict.fromkeys(external_keys(after) - external_keys(before), customer_id)
    if taken := await EXTERNAL_IDS.claim(connection, ids):
        raise external_id_taken(wish, taken)
    points = dict.fromkeys(contact_keys(after) - contact_keys(before), customer_id)
    if taken := await CONTACT_POINTS.claim(connection, points):
        raise contact_point_taken(wish, taken, phone_region)


async def release_old(connection: asyncpg.Connection, before: Document, after: Document) -> None:
    """Give up the keys a customer has no more."""
    await EXTERNAL_IDS.release(connection, external_keys(before) - external_keys(after), after["id"])
    await CONTACT_POINTS.release(connection, contact_keys(before) - contact_keys(after), after["id"])


def external_id_taken(wish: CustomerFields, taken: Mapping[str, UUID]) -> ExternalIdTaken:
    """Make the problem, with a pointer to each id that is another's."""
    errors = [
        _finding(f"/external_ids/{position}", ExternalIdTaken.code, taken[key])
        for position, each in enumerate(listed(wish.external_ids))
        if (key := external_key(each.system, each.external_id)) in taken
    ]
    owner = next(iter(taken.values()))
    return ExternalIdTaken(f"{next(iter(taken))} is customer {owner}", errors=errors, existing_id=str(owner))


def contact_point_taken(wish: CustomerFields, taken: Mapping[str, UUID], phone_region: str) -> ContactPointTaken:
    """Make the problem, with a pointer to each contact point that is another's."""
    errors = [
        _finding(f"/contact_points/{position}", ContactPointTaken.code, taken[key])
        for position, point in enumerate(listed(wish.contact_points))
        if (key := f"{point.kind}:{normalized_contact(point.kind, point.value, phone_region)}") in taken
    ]
    owner = next(iter(taken.values()))
    return ContactPointTaken(f"Customer {owner} has it", errors=errors, existing_id=str(owner))


def _finding(pointer: str, code: str, owner: UUID) -> dict[str, str]:
    return {"in": "body", "pointer": pointer, "code": code, "detail": f"customer {owner} has it"}
