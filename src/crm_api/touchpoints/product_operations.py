"""Use cases of products."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from pydantic import MISSING
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ..access import Principal
from ..core.batch import Intake, Outcome, Stored
from ..core.changes import mark_everybody
from ..core.clock import now
from ..core.db import driver
from ..core.etags import check_version
from ..core.ids import new_id
from ..core.trail import emit, record
from . import product_queries as queries
from .models import Product
from .product_problems import ProductNotFound, SkuTaken
from .product_schemas import ProductCreate, ProductFields, ProductPatch

_TEXTS: Final = ("name", "brand", "department", "category", "product_type", "size")
_UPSERT: Final = """
INSERT INTO product (
  id, sku, name, brand, department, category, product_type, size, properties, version, created_at, updated_at
)
SELECT given.*, 1, $10, $10 FROM unnest(
  $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::jsonb[]
) AS given
ON CONFLICT (sku) DO UPDATE SET
  name = EXCLUDED.name, brand = EXCLUDED.brand, department = EXCLUDED.department, category = EXCLUDED.category,
  product_type = EXCLUDED.product_type, size = EXCLUDED.size, properties = EXCLUDED.properties,
  version = product.version + 1, updated_at = EXCLUDED.updated_at
WHERE (
  product.name, product.brand, product.department, product.category, product.product_type, product.size,
  product.properties
) IS DISTINCT FROM (
  EXCLUDED.name, EXCLUDED.brand, EXCLUDED.department, EXCLUDED.category, EXCLUDED.product_type, EXCLUDED.size,
  EXCLUDED.properties
)
RETURNING sku, id
"""
_IDS: Final = "SELECT sku, id FROM product WHERE sku = ANY($1::text[])"


class Upserted(NamedTuple):
    """What became of a wish: created, updated or unchanged."""

    result: str
    id: UUID


async def register_product(session: AsyncSession, who: Principal, wish: ProductCreate) -> dict[str, Any]:
    """Register a product. Errors: SkuTaken, found by the write itself, with the id of the one that has the SKU."""
    at = now()
    row = insert(Product).values(id=new_id(), version=1, created_at=at, updated_at=at, **wish.model_dump())
    product = await session.scalar(row.on_conflict_do_nothing(index_elements=["sku"]).returning(Product))
    if product is None:
        existing = await session.scalar(select(Product.id).where(Product.sku == wish.sku))
        raise SkuTaken(f"{wish.sku} is taken", existing_id=existing)
    _tell(session, who, "product.registered", product.id, {"sku": product.sku})
    return queries.document_of(product)


async def change_product(
    session: AsyncSession, who: Principal, product_id: UUID, wish: ProductPatch, if_match: str | None
) -> dict[str, Any]:
    """Change a product by a merge patch. Errors: ProductNotFound, VersionMismatch."""
    product = await session.scalar(queries.for_change(product_id))
    if product is None:
        raise ProductNotFound(f"No product has the id {product_id}")
    check_version(if_match, product.version, queries.document_of(product))
    given = {name: value for name in ProductPatch.model_fields if (value := getattr(wish, name)) is not MISSING}
    if given.get("properties", MISSING) is None:
        given["properties"] = {}
    changed = [name for name, value in given.items() if getattr(product, name) != value]
    if changed:
        for name in changed:
            setattr(product, name, given[name])
        product.version += 1
        product.updated_at = now()
        mark_everybody(session, "product")
        _tell(session, who, "product.changed", product.id, {"sku": product.sku, "changed": changed})
    return queries.document_of(product)


async def upsert_product(session: AsyncSession, who: Principal, wish: ProductCreate) -> tuple[str, dict[str, Any]]:
    """Register a product, or make the one that has the SKU what the wish says; answers created, updated or
    unchanged.
    """
    [done] = await upsert_products(session, [wish])
    if done.result != "unchanged":
        kind = "product.registered" if done.result == "created" else "product.changed"
        _tell(session, who, kind, done.id, {"sku": wish.sku})
    product = (await session.scalars(select(Product).where(Product.id == done.id))).one()
    return done.result, queries.document_of(product)


async def store_products(intake: Intake, wishes: Sequence[ProductCreate]) -> list[Outcome]:
    """Store a chunk of a batch."""
    return [Stored(done.result, done.id) for done in await upsert_products(intake.session, wishes)]


async def upsert_products(session: AsyncSession, wishes: Sequence[ProductCreate]) -> list[Upserted]:
    """Register or change many products with one statement. Of equal SKUs the last one counts."""
    last = {wish.sku: wish for wish in wishes}
    ordered = sorted(last)  # always in one order, so that two loads cannot wait for each other in a circle
    new_ids = {sku: new_id() for sku in ordered}
    columns = [[getattr(last[sku], name) for sku in ordered] for name in _TEXTS]
    properties = [orjson.dumps(last[sku].properties).decode() for sku in ordered]
    connection = await driver(session)
    rows = await connection.fetch(_UPSERT, list(new_ids.values()), ordered, *columns, properties, now())
    written = {row["sku"]: row["id"] for row in rows}
    if any(written[sku] != new_ids[sku] for sku in written):
        mark_everybody(session, "product")
    untouched = [sku for sku in ordered if sku not in written]
    known = {row["sku"]: row["id"] for row in await connection.fetch(_IDS, untouched)} if untouched else {}
    return _results(wishes, new_ids, written, known)


def _results(
    wishes: Sequence[ProductCreate], new_ids: dict[str, UUID], written: dict[str, UUID], known: dict[str, UUID]
) -> list[Upserted]:
    """Say what became of each wish; the first of equal SKUs tells of the row, the others of what they changed in it."""
    before: dict[str, ProductFields] = {}
    results = []
    for wish in wishes:
        if (earlier := before.get(wish.sku)) is not None:
            result = "unchanged" if earlier == wish else "updated"
        elif wish.sku not in written:
            result = "unchanged"
        else:
            result = "created" if written[wish.sku] == new_ids[wish.sku] else "updated"
        before[wish.sku] = wish
        results.append(Upserted(result, written.get(wish.sku) or known[wish.sku]))
    return results


def _tell(session: AsyncSession, who: Principal, what: str, product_id: UUID, changes: dict[str, Any]) -> None:
    record(session, who.client_id, what, ("product", product_id), changes=changes)
    emit(session, what, {"id": str(product_id), **changes})
