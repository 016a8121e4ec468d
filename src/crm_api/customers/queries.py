"""Statements about customers; every one starts at `visible`."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Text, Uuid, bindparam, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from ..access import Principal
from ..core.read import Prepared, raw_json
from .models import Address, ContactPoint, ContactPointKey, Customer, CustomFieldDeclaration, ExternalId, ExternalIdKey

_AS_JSON: Final = ("contact_points", "external_ids", "addresses", "custom_fields")


def visible(_who: Principal | None = None) -> Select[Any]:
    """Answer the customers a caller may see; a narrower right will add its condition here."""
    return select().select_from(Customer)


def _objects(model: Any, names: tuple[str, ...], order: Any) -> ColumnElement[Any]:
    """Answer what belongs to one customer as a JSON array, in order."""
    pairs: list[Any] = []
    for name in names:
        pairs += [literal_column(f"'{name}'"), getattr(model, name)]
    made = func.json_agg(aggregate_order_by(func.json_build_object(*pairs), *order))
    gathered = select(made).where(model.customer_id == Customer.customer_id).correlate(Customer).scalar_subquery()
    return cast(func.coalesce(gathered, literal_column("'[]'::json")), Text)


CONTACT_POINTS: Final = _objects(
    ContactPoint, ("id", "kind", "value", "normalized", "label", "is_primary"), [ContactPoint.id]
).label("contact_points")
EXTERNAL_IDS: Final = _objects(
    ExternalId, ("system", "external_id"), [ExternalId.system, ExternalId.external_id]
).label("external_ids")
ADDRESSES: Final = _objects(
    Address, ("label", "lines", "postal_code", "city", "region", "country"), [Address.position]
).label("addresses")


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
        CONTACT_POINTS,
        EXTERNAL_IDS,
        ADDRESSES,
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
    for name in _AS_JSON:
        found[name] = raw_json(found[name])
    return found


BY_ID: Final = Prepared(documents().where(Customer.customer_id == bindparam("customer_id", type_=Uuid())))
ID_OF_EXTERNAL: Final = select(ExternalIdKey.customer_id).where(ExternalIdKey.key == bindparam("key"))
ID_OF_CONTACT: Final = select(ContactPointKey.customer_id).where(ContactPointKey.key == bindparam("key"))
ID_OF_EXTERNAL_KEY: Final = Prepared(ID_OF_EXTERNAL)
ID_OF_CONTACT_KEY: Final = Prepared(ID_OF_CONTACT)
DECLARATIONS: Final = select(CustomFieldDeclaration).order_by(CustomFieldDeclaration.key)
