"""The whole field catalog: what the domains declare in code, and the custom fields that are declared right now."""

from functools import lru_cache
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from ..audience import Catalog
from ..core.db import Reads, driver
from .custom_values import Declaration
from .fields import custom_fields
from .queries import DECLARATIONS, read_declarations


async def get_catalog(request: Request, reads: Reads) -> Catalog:
    """Answer the catalog as it is now."""
    return _extended(request.app.state.catalog, read_declarations(await reads.rows(DECLARATIONS)))


FieldCatalog = Annotated[Catalog, Depends(get_catalog)]


async def with_custom_fields(session: AsyncSession, catalog: Catalog) -> Catalog:
    """Answer a catalog with the custom fields that are declared right now."""
    rows = await (await driver(session)).fetch(DECLARATIONS.sql)
    return _extended(catalog, read_declarations(rows))


@lru_cache(maxsize=16)
def _extended(catalog: Catalog, declarations: tuple[Declaration, ...]) -> Catalog:
    return catalog.with_fields(custom_fields(declarations))
