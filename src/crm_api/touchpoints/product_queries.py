"""Statements about products; every one starts at `visible`."""

import json
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Select, Text, Uuid, bindparam, cast, select

from ..core.read import Prepared, raw_json
from ..core.streams import instant_text
from .models import Product

FILTERS: Final = ("sku", "brand", "department", "category", "product_type")


def visible() -> Select[Any]:
    """Answer the products a caller may see: all of them."""
    return select().select_from(Product)


def documents() -> Select[Any]:
    """Answer products as callers see them, but for the JSON that `document` passes through."""
    return visible().add_columns(
        *_PLAIN,
        cast(Product.properties, Text).label("properties"),
        Product.version,
        Product.created_at,
        Product.updated_at,
    )


_PLAIN: Final = (
    Product.id,
    Product.sku,
    Product.name,
    Product.brand,
    Product.department,
    Product.category,
    Product.product_type,
    Product.size,
)
BY_ID: Final = Prepared(documents().where(Product.id == bindparam("id", type_=Uuid())))
BY_SKU: Final = Prepared(documents().where(Product.sku == bindparam("sku", type_=Text())))


def document(row: Any) -> dict[str, Any]:
    """Answer a row of `documents` as the object callers see."""
    found = dict(row)
    found["properties"] = raw_json(found["properties"])
    return found


def document_of(product: Product) -> dict[str, Any]:
    """Answer a product that was just written as the object callers see."""
    names = (*(column.key for column in _PLAIN), "properties", "version", "created_at", "updated_at")
    found = {name: getattr(product, name) for name in names}
    # The database holds 1e30 as an integer of 31 digits, which orjson does not write.
    found["properties"] = orjson.Fragment(json.dumps(found["properties"]))
    return found


def chosen(statement: Select[Any], names: frozenset[str]) -> Select[Any]:
    """Add the conditions of a filter, to be bound by name."""
    return statement.where(*(getattr(Product, name) == bindparam(name, type_=Text()) for name in sorted(names)))


@lru_cache
def listed(names: frozenset[str], *, after: bool) -> Prepared:
    """List products by SKU; binds the filter, `limit`, and `after` behind a cursor."""
    statement = chosen(documents(), names).order_by(Product.sku).limit(bindparam("limit"))
    return Prepared(statement.where(Product.sku > bindparam("after", type_=Text())) if after else statement)


def exported(values: dict[str, Any], form: str) -> Select[Any]:
    """Answer all products of a filter as a stream writes them."""
    properties = Product.properties if form == "ndjson" else cast(Product.properties, Text)
    times = (instant_text(Product.created_at).label("created_at"), instant_text(Product.updated_at).label("updated_at"))
    statement = visible().add_columns(*_PLAIN, properties.label("properties"), Product.version, *times)
    return statement.where(*(getattr(Product, name) == value for name, value in values.items())).order_by(Product.sku)


def for_change(product_id: UUID) -> Select[Product]:
    """Answer a product and lock it until the transaction ends."""
    return select(Product).where(Product.id == product_id).with_for_update()
