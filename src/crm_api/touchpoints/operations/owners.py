"""Whom touchpoints are about: customers found by id or by another system's id, many at once."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import asyncpg

from ...customers.operations.keys import EXTERNAL_IDS
from ...customers.operations.known import known_customers
from ...customers.rules import external_key
from ..problems import CustomerUnknown
from ..schemas import TouchpointCreate

Named = UUID | str
"""A customer's id, or the key of another system's id."""


def named(wish: TouchpointCreate) -> Named:
    """Answer by what a touchpoint names its customer; exactly one of both is given."""
    if wish.customer is not None:
        return external_key(wish.customer.system, wish.customer.external_id)
    assert wish.customer_id is not None  # noqa: S101  # rules.fact_of refused it
    return wish.customer_id


async def find_owners(connection: asyncpg.Connection, names: Iterable[Named]) -> dict[Named, UUID]:
    """Answer the customers that are meant; those that nobody knows are left out."""
    ids: set[UUID] = set()
    keys: set[str] = set()
    for name in names:
        keys.add(name) if isinstance(name, str) else ids.add(name)
    owners = await EXTERNAL_IDS.owners(connection, keys) if keys else {}
    there = await known_customers(connection, ids.union(owners.values()))
    found: dict[Named, UUID] = {key: owner for key, owner in owners.items() if owner in there}
    found.update((id, id) for id in ids & there)
    return found


async def find_by_external_id(connection: asyncpg.Connection, keys: Sequence[str]) -> dict[str, UUID]:
    """Answer the customers that other systems mean."""
    return await EXTERNAL_IDS.owners(connection, keys)


def unknown(name: Named) -> CustomerUnknown:
    """Say that nobody is called so."""
    pointer = "/customer" if isinstance(name, str) else "/customer_id"
    detail = f"no customer is called {name}"
    finding = {"in": "body", "pointer": pointer, "code": CustomerUnknown.code, "detail": detail}
    return CustomerUnknown(detail[0].upper() + detail[1:], errors=[finding])
