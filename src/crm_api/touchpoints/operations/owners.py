"""Whom touchpoints are about: customers found by id or by another system's id, many at once."""

from collections.abc import Iterable, Sequence
from typing import Protocol
from uuid import UUID

import asyncpg

from ...customers.operations.keys import EXTERNAL_IDS
from ...customers.operations.known import known_customers
from ...customers.rules import external_key
from ...customers.schemas import ExternalIdInput
from ..problems import CustomerUnknown

Named = UUID | str
"""A customer's id, or the key of another system's id."""


class Naming(Protocol):
    """Whatever names its customer as a touchpoint does, by exactly one of both."""

    @property
    def customer_id(self) -> UUID | None: ...
    @property
    def customer(self) -> ExternalIdInput | None: ...


def named(wish: Naming) -> Named:
    """Answer by what a touchpoint names its customer; exactly one of both is given."""
    if wish.customer is not None:
        return external_key(wish.customer.system, wish.customer.external_id)
    assert wish.customer_id is not None  # noqa: S101  # the rules refused it
    return wish.customer_id


async def find_owners(connection: asyncpg.Connection, names: Iterable[Named]) -> dict[int | str, UUID]:
    """Answer the customers that are meant, by the number of an id or by a key; those nobody knows are left out."""
    ids: dict[int, UUID] = {}
    keys: set[str] = set()
    for name in names:
        if isinstance(name, str):
            keys.add(name)
        else:
            ids[name.int] = name
    owners = await EXTERNAL_IDS.owners(connection, keys) if keys else {}
    ids.update((owner.int, owner) for owner in owners.values())
    there = await known_customers(connection, ids.values())
    found: dict[int | str, UUID] = {owner.int: owner for owner in there}
    found.update((key, owner) for key, owner in owners.items() if owner.int in found)
    return found


async def find_by_external_id(connection: asyncpg.Connection | asyncpg.Pool, keys: Sequence[str]) -> dict[str, UUID]:
    """Answer the customers that other systems mean."""
    return await EXTERNAL_IDS.owners(connection, keys)


def unknown(name: Named) -> CustomerUnknown:
    """Say that nobody is called so."""
    pointer = "/customer" if isinstance(name, str) else "/customer_id"
    detail = f"no customer is called {name}"
    finding = {"in": "body", "pointer": pointer, "code": CustomerUnknown.code, "detail": detail}
    return CustomerUnknown(detail[0].upper() + detail[1:], errors=[finding])
