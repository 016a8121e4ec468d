"""The whole field catalog: what the domains declare in code, and what the business has declared by now."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Annotated, Final, NamedTuple

import orjson
from fastapi import Depends, Request
from sqlalchemy import Select, Text, cast, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from ..audience import Catalog, Field
from ..core.db import Reads, driver
from ..core.read import Prepared
from .custom_values import Declaration
from .fields import custom_fields
from .models import CustomFieldDeclaration


class Declared(NamedTuple):
    """Fields that rest on rows of a small table: its rows as one JSON text, and what makes fields of it."""

    rows: Select[tuple[str]]
    fields: Callable[[str], Iterable[Field]]


class LivingCatalog:
    """The field catalog as it grows: what code declares, and what is declared in tables, read anew at each use."""

    def __init__(self, built_in: Catalog, declared: Sequence[Declared]) -> None:
        columns = [each.rows.scalar_subquery().label(f"rows_{number}") for number, each in enumerate(declared)]
        self.declarations: Final = Prepared(select(*columns))
        """One row, with a text for each table; in one statement, since every search asks for it."""
        self._built_in, self._declared = built_in, tuple(declared)
        self._kept = lru_cache(maxsize=16)(self._made)

    def at(self, texts: Iterable[str | None]) -> Catalog:
        """Answer the catalog that a row of the declarations means."""
        return self._kept(tuple(texts))

    def _made(self, texts: tuple[str | None, ...]) -> Catalog:
        found = (each.fields(text) for each, text in zip(self._declared, texts, strict=True) if text is not None)
        return self._built_in.with_fields(field for fields in found for field in fields)


def _custom_fields(text: str) -> Iterable[Field]:
    return custom_fields(
        Declaration(key, kind, label, None if choices is None else tuple(choices))
        for key, kind, label, choices in orjson.loads(text)
    )


_ROW: Final = func.json_build_array(
    CustomFieldDeclaration.key,
    CustomFieldDeclaration.type,
    CustomFieldDeclaration.label,
    CustomFieldDeclaration.choices,
)
CUSTOM_FIELDS: Final = Declared(
    select(cast(func.json_agg(aggregate_order_by(_ROW, CustomFieldDeclaration.key)), Text)), _custom_fields
)


async def get_catalog(request: Request, reads: Reads) -> Catalog:
    """Answer the catalog as it is now."""
    living: LivingCatalog = request.app.state.catalog
    return living.at(await reads.row(living.declarations) or ())


FieldCatalog = Annotated[Catalog, Depends(get_catalog)]


async def with_custom_fields(session: AsyncSession, living: LivingCatalog) -> Catalog:
    """Answer the catalog as it is now, with custom fields and whatever else the business has declared."""
    statement = living.declarations
    return living.at(await (await driver(session)).fetchrow(statement.sql, *statement.arguments({})))
