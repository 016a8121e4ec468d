"""Statements about households."""

from functools import lru_cache
from typing import Any, Final

from orjson import Fragment
from sqlalchemy import Select, Text, Uuid, bindparam, cast, exists, func, literal_column, select
from sqlalchemy.dialects.postgresql import JSON, aggregate_order_by

from ..core.read import Prepared
from ..core.streams import instant_text
from .models import Household, HouseholdMember

_member: Final = func.json_build_object(
    literal_column("'customer_id'"),
    HouseholdMember.customer_id,
    literal_column("'joined_at'"),
    instant_text(HouseholdMember.joined_at.expression),
)
_in_order: Final[Any] = aggregate_order_by(_member, HouseholdMember.joined_at, HouseholdMember.customer_id)
_of_household: Final = HouseholdMember.household_id == Household.id
_members: Final = select(func.json_agg(_in_order, type_=JSON)).where(_of_household).correlate(Household)


def documents() -> Select[*tuple[Any, ...]]:
    """Answer households as callers see them, but for the JSON that `document` passes through."""
    members = cast(func.coalesce(_members.scalar_subquery(), literal_column("'[]'::json")), Text)
    found: Select[*tuple[Any, ...]] = select(
        Household.id,
        Household.name,
        members.label("members"),
        Household.version,
        Household.created_at,
        Household.updated_at,
    )
    return found


def document(row: Any) -> dict[str, Any]:
    """Answer a row of `documents` as the object callers see."""
    return {**row, "members": Fragment(row["members"])}


BY_ID: Final = Prepared(documents().where(Household.id == bindparam("id", type_=Uuid())))


@lru_cache
def listed(*, after: bool, of_customer: bool) -> Prepared:
    """List households, the oldest first; binds `limit`, and `after` and `customer_id` where they are asked for."""
    statement = documents().order_by(Household.id).limit(bindparam("limit"))
    if after:
        statement = statement.where(Household.id > bindparam("after", type_=Uuid()))
    if of_customer:
        mine = HouseholdMember.customer_id == bindparam("customer_id", type_=Uuid())
        statement = statement.where(exists().where(_of_household, mine).correlate(Household))
    return Prepared(statement)
