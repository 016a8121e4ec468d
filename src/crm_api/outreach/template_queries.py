"""Statements about templates."""

import asyncio
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Select, Text, Uuid, any_, bindparam, cast, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from ..core.read import Prepared
from ..customers.models import Customer
from .campaign_models import Campaign
from .models import Template

TEMPLATE: Final[Select[*tuple[Any, ...]]] = select(
    Template.id,
    Template.name,
    Template.channel,
    Template.subject,
    Template.text,
    Template.html,
    Template.version,
    Template.created_at,
    Template.updated_at,
    Template.archived_at,
)
ONE_TEMPLATE: Final = Prepared(TEMPLATE.where(Template.id == bindparam("template_id", type_=Uuid)))
_PERSON: Final[Select[*tuple[Any, ...]]] = select(
    Customer.customer_id,
    Customer.display_name,
    Customer.given_name,
    Customer.family_name,
    Customer.organization_name,
    Customer.language,
    cast(Customer.custom_fields, Text).label("custom_fields"),
)
PERSONS: Final = Prepared(_PERSON.where(Customer.customer_id == any_(bindparam("customer_ids", type_=ARRAY(Uuid)))))
"""What a template may name of customers."""


async def documents(rows: Iterable[Any]) -> list[dict[str, Any]]:
    """Answer rows of TEMPLATE as the objects callers see; their variables are read from their words."""
    return await asyncio.to_thread(lambda: [_document(row) for row in rows])


def _document(row: Any) -> dict[str, Any]:
    from . import rendering  # here, since a process that serves shows templates rarely

    found = dict(row)
    told = {name: found.pop(name) for name in ("version", "created_at", "updated_at", "archived_at")}
    return {**found, "variables": sorted(rendering.variables_of(found)), **told}


async def written_template(session: AsyncSession, template_id: UUID) -> dict[str, Any]:
    """Read a template inside the transaction that changed it."""
    await session.flush()
    row = (await session.execute(TEMPLATE.where(Template.id == template_id))).mappings().one()
    [document] = await documents([row])
    return document


@lru_cache
def listed(*, by_name: bool, archived: bool, after: bool) -> Prepared:
    """List templates in order of their names; binds `name`, `after_name` and `after_id` as wanted, and `limit`."""
    statement = TEMPLATE.order_by(Template.name, Template.id).limit(bindparam("limit"))
    if by_name:
        statement = statement.where(Template.name == bindparam("name", type_=Template.name.type))
    if not archived:
        statement = statement.where(Template.archived_at.is_(None))
    if after:
        last = tuple_(bindparam("after_name", type_=Template.name.type), bindparam("after_id", type_=Uuid))
        statement = statement.where(tuple_(Template.name, Template.id) > last)
    return Prepared(statement)


def users(template_id: UUID, most: int) -> Select[*tuple[str]]:
    """Answer the codes of campaigns that use a template and have not ended."""
    lives = Campaign.status.not_in(("stopped", "finished"))
    return select(Campaign.code).where(Campaign.template_id == template_id, lives).order_by(Campaign.code).limit(most)
