"""Statements of whole exports: every customer of a filter with all that belongs to it, in order of their ids."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Select, Text, cast, func, literal_column, select, true
from sqlalchemy.dialects.postgresql import JSON, aggregate_order_by

from ..core.streams import Form, instant_text
from .models import Address, ContactPoint, Customer, ExternalId
from .queries import objects, visible

_PROFILE: Final = (
    Customer.customer_id.label("id"),
    Customer.kind,
    Customer.display_name,
    Customer.given_name,
    Customer.family_name,
    Customer.organization_name,
    Customer.birth_date,
    Customer.language,
    Customer.time_zone,
)
_STATE: Final = (
    Customer.version,
    instant_text(Customer.created_at).label("created_at"),
    instant_text(Customer.updated_at).label("updated_at"),
    instant_text(Customer.archived_at).label("archived_at"),
)


def exported(conditions: Sequence[ColumnElement[bool]], form: Form, *, is_narrow: bool) -> Select[Any]:
    """Answer customers for a stream. What belongs to them is looked up one by one where the filter is narrow, and else
    aggregated in one pass over each table, which is twice as fast for all customers.
    """
    statement = _table(is_narrow) if form == "csv" else _documents(is_narrow)
    return statement.where(*conditions).order_by(Customer.customer_id)


def _documents(is_narrow: bool) -> Select[Any]:
    """Answer the columns of an NDJSON object, which are the members of the object callers see."""
    points, ids, addresses = (
        _of_each(model, is_narrow, all=objects(model)) for model in (ContactPoint, ExternalId, Address)
    )
    nothing = literal_column("'[]'::json", JSON)
    columns = (
        *_PROFILE,
        func.coalesce(points.c.all, nothing).label("contact_points"),
        func.coalesce(ids.c.all, nothing).label("external_ids"),
        func.coalesce(addresses.c.all, nothing).label("addresses"),
        Customer.tags,
        Customer.custom_fields,
        *_STATE,
    )
    return _joined(visible().add_columns(*columns), is_narrow, points, ids, addresses)


def _table(is_narrow: bool) -> Select[Any]:
    """Answer the columns of CSV: flat, the main one first where a customer may have many, separated by semicolons."""
    points = _of_each(ContactPoint, is_narrow, email=_values("email"), phone=_values("phone"))
    named = ExternalId.system + "/" + ExternalId.external_id
    in_order: ColumnElement[Any] = aggregate_order_by(literal_column("';'"), ExternalId.system, ExternalId.external_id)
    ids = _of_each(ExternalId, is_narrow, all=func.string_agg(named, in_order))
    columns = (
        *_PROFILE,
        points.c.email,
        points.c.phone,
        ids.c.all.label("external_ids"),
        func.array_to_string(Address.lines, ", ").label("street"),
        Address.postal_code,
        Address.city,
        Address.region,
        Address.country,
        Address.latitude,
        Address.longitude,
        func.array_to_string(Customer.tags, ";").label("tags"),
        cast(Customer.custom_fields, Text).label("custom_fields"),
        *_STATE,
    )
    statement = visible().add_columns(*columns)
    main = (Address.customer_id == Customer.customer_id) & (Address.position == 0)
    return _joined(statement, is_narrow, points, ids).outerjoin(Address, main)


def _values(kind: str) -> ColumnElement[Any]:
    in_order: ColumnElement[Any] = aggregate_order_by(
        literal_column("';'"), ContactPoint.is_primary.desc(), ContactPoint.id
    )
    return func.string_agg(ContactPoint.value, in_order).filter(ContactPoint.kind == literal_column(f"'{kind}'"))


def _of_each(model: Any, is_narrow: bool, **columns: ColumnElement[Any]) -> FromClause:
    """Aggregate what belongs to each customer."""
    made = [column.label(name) for name, column in columns.items()]
    if is_narrow:
        return select(*made).where(model.customer_id == Customer.customer_id).correlate(Customer).lateral()
    return select(model.customer_id, *made).group_by(model.customer_id).subquery()


def _joined(statement: Select[Any], is_narrow: bool, *parts: FromClause) -> Select[Any]:
    for part in parts:
        fits = true() if is_narrow else part.c.customer_id == Customer.customer_id
        statement = statement.outerjoin(part, fits)
    return statement
