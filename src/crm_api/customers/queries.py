"""Statements about customers; every one starts at `visible`."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from orjson import Fragment
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Select,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSON, aggregate_order_by

from ..access import Principal
from ..core.read import Prepared
from .custom_values import Declaration
from .models import (
    Address,
    ContactPoint,
    ContactPointKey,
    Customer,
    CustomFieldDeclaration,
    ExternalId,
    ExternalIdKey,
)


def visible(_who: Principal | None = None) -> Select[Any]:
    """Answer the customers a caller may see; a narrower right will add its condition here."""
    return select().select_from(Customer)


def objects(model: Any) -> ColumnElement[Any]:
    """Answer what belongs to a customer as a JSON array, in order."""
    names, order = PARTS[model]
    pairs: list[Any] = []
    for name in names:
        pairs += [literal_column(f"'{name}'"), getattr(model, name)]
    return func.json_agg(aggregate_order_by(func.json_build_object(*pairs), *order), type_=JSON)


def _objects_of_one(model: Any) -> ColumnElement[Any]:
    made = select(objects(model)).where(model.customer_id == Customer.customer_id).correlate(Customer).scalar_subquery()
    return cast(func.coalesce(made, literal_column("'[]'::json")), Text)


PARTS: Final[dict[Any, tuple[tuple[str, ...], tuple[Any, ...]]]] = {
    ContactPoint: (("id", "kind", "value", "normalized", "label", "is_primary"), (ContactPoint.id,)),
    ExternalId: (("system", "external_id"), (ExternalId.system, ExternalId.external_id)),
    Address: (
        ("label", "lines", "postal_code", "city", "region", "country", "latitude", "longitude"),
        (Address.position,),
    ),
}
"""What callers see of the tables of what belongs to a customer, and its order."""


def documents(who: Principal | None = None) -> Select[Any]:
    """Answer customers as callers see them, but for the JSON that `document` passes through."""
    return visible(who).add_columns(
        Customer.customer_id.label("id"),
        Customer.kind,
        Customer.display_name,
        Customer.given_name,
        Customer.family_name,
        Customer.organization_name,
        Customer.birth_date,
        Customer.language,
        Customer.time_zone,
        _objects_of_one(ContactPoint).label("contact_points"),
        _objects_of_one(ExternalId).label("external_ids"),
        _objects_of_one(Address).label("addresses"),
        Customer.tags,
        cast(Customer.custom_fields, Text).label("custom_fields"),
        Customer.version,
        Customer.created_at,
        Customer.updated_at,
        Customer.archived_at,
    )


def document(row: Any) -> dict[str, Any]:
    """Answer a row of `documents` as the object callers see."""
    found = dict(row)
    found["contact_points"] = Fragment(found["contact_points"])
    found["external_ids"] = Fragment(found["external_ids"])
    found["addresses"] = Fragment(found["addresses"])
    found["custom_fields"] = Fragment(found["custom_fields"])
    return found


ONE: Final = documents().where(Customer.customer_id == bindparam("customer_id", type_=Uuid()))
BY_ID: Final = Prepared(ONE)
BY_IDS: Final = Prepared(
    documents().where(Customer.customer_id == any_(bindparam("customer_ids", type_=ARRAY(Uuid()))))
)
ID_OF_EXTERNAL_KEY: Final = Prepared(select(ExternalIdKey.customer_id).where(ExternalIdKey.key == bindparam("key")))
ID_OF_CONTACT_KEY: Final = Prepared(select(ContactPointKey.customer_id).where(ContactPointKey.key == bindparam("key")))
DECLARATIONS: Final = Prepared(select(*CustomFieldDeclaration.__table__.columns).order_by(CustomFieldDeclaration.key))


def read_declarations(rows: Iterable[Mapping[str, Any]]) -> tuple[Declaration, ...]:
    """Answer the declarations that rows of DECLARATIONS hold."""
    return tuple(
        Declaration(row["key"], row["type"], row["label"], None if row["choices"] is None else tuple(row["choices"]))
        for row in rows
    )


class Shape(NamedTuple):
    """Which conditions a list has, and its order. Values are bound later: one compiled statement serves all."""

    conditions: frozenset[str] = frozenset()
    archived: str = "false"
    sort: str = "created_at"


_CONDITIONS: Final[dict[str, ColumnElement[bool]]] = {
    "kind": Customer.kind == bindparam("kind", type_=Text()),
    "tag": Customer.tags_normalized.bool_op("@>")(bindparam("tag", type_=ARRAY(Text()))),
    "customer_id": Customer.customer_id == bindparam("customer_id", type_=Uuid()),
    "created_from": Customer.created_at >= bindparam("created_from", type_=DateTime(timezone=True)),
    "created_until": Customer.created_at < bindparam("created_until", type_=DateTime(timezone=True)),
}
_ARCHIVED: Final[dict[str, tuple[ColumnElement[bool], ...]]] = {
    "false": (Customer.archived_at.is_(None),),
    "true": (Customer.archived_at.is_not(None),),
    "any": (),
}
_SORTED_BY: Final[dict[str, tuple[ColumnElement[Any], Any]]] = {
    "created_at": (Customer.created_at.expression, DateTime(timezone=True)),
    "display_name": (Customer.display_name_normalized.expression, Text()),
}


def chosen(shape: Shape) -> list[ColumnElement[bool]]:
    """Answer the conditions of a list."""
    return [*_ARCHIVED[shape.archived], *(_CONDITIONS[name] for name in sorted(shape.conditions))]


def page(statement: Select[Any], sort: str, *, after: bool) -> Select[Any]:
    """Put a statement in order and cut a page of it; binds `limit`, and `after` and `after_id` behind a cursor."""
    column, kind = _SORTED_BY[sort.removeprefix("-")]
    falling = sort.startswith("-")
    order = [column, Customer.customer_id.expression]
    if after:
        row = tuple_(*order)
        last = tuple_(bindparam("after", type_=kind), bindparam("after_id", type_=Uuid()))
        statement = statement.where(row < last if falling else row > last)
    return statement.order_by(*(each.desc() if falling else each for each in order)).limit(bindparam("limit"))


@lru_cache
def listed(shape: Shape, *, after: bool) -> Prepared:
    """List customers."""
    return Prepared(page(documents().where(*chosen(shape)), shape.sort, after=after))


@lru_cache
def counted(shape: Shape) -> Prepared:
    """Count the customers of a list."""
    return Prepared(count_of(chosen(shape)))


def count_of(conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """Count customers."""
    return visible().add_columns(func.count().label("count")).where(*conditions)
