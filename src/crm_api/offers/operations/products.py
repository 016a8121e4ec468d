"""Replacing the set of products that an offer covers."""

from typing import Any, Final
from uuid import UUID

from fastapi import Request
from sqlalchemy import ARRAY, Text, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...core.batch_document import NDJSON, NDJSON_TYPES
from ...core.lines import LineReader
from ...core.problems import Problem, UnsupportedMediaType
from ...core.upload import LineCutter, chunks
from ..models import OfferProduct
from ..problems import InvalidProducts
from ..schemas import ProductLine
from .change import locked, tell_changed

MOST_PRODUCTS: Final = 1_000_000
_MOST_ERRORS: Final = 50
_LINES: Final = LineReader(ProductLine)


async def replace_products(session: AsyncSession, who: Principal, offer_id: UUID, request: Request) -> dict[str, int]:
    """Read all lines, then make their products the offer's; one wrong line, and nothing changes.

    Errors: OfferNotFound, InvalidProducts, UnsupportedMediaType and those of `upload.chunks`.
    """
    received, skus = await _read(request)
    offer = await locked(session, offer_id)
    wanted = literal(sorted(skus), ARRAY(Text))
    among = func.unnest(wanted).column_valued("wanted")
    removed: Any = await session.execute(
        delete(OfferProduct).where(
            OfferProduct.offer_id == offer_id, ~select(among).where(among == OfferProduct.sku).exists()
        ),
        execution_options={"synchronize_session": False},
    )
    rows = select(literal(offer_id), among)
    added: Any = await session.execute(
        insert(OfferProduct).from_select(["offer_id", "sku"], rows).on_conflict_do_nothing()
    )
    if removed.rowcount or added.rowcount:
        offer.product_count = len(skus)
        tell_changed(session, who, offer, ["products"])
    return {
        "received": received,
        "added": added.rowcount,
        "removed": removed.rowcount,
        "product_count": len(skus),
    }


async def _read(request: Request) -> tuple[int, set[str]]:
    """Read the body to its end before anything is locked."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in NDJSON_TYPES:
        raise UnsupportedMediaType(f"send {NDJSON}, not {kind or 'a body without Content-Type'}")
    received = 0
    skus: set[str] = set()
    errors: list[dict[str, str]] = []
    async for records in chunks(request, LineCutter(request.app.state.settings.max_body_bytes)):
        for index, line in enumerate(_LINES.read(records), received):
            if not isinstance(line, Problem):
                skus.add(line.sku)
            elif len(errors) < _MOST_ERRORS:
                errors += _findings(index, line)
        received += len(records)
        if len(skus) > MOST_PRODUCTS:
            raise InvalidProducts(f"An offer covers at most {MOST_PRODUCTS} products")
    if errors:
        raise InvalidProducts(
            f"Line {errors[0]['pointer'].split('/')[1]}: {errors[0]['detail']}", errors=errors[:_MOST_ERRORS]
        )
    return received, skus


def _findings(index: int, problem: Problem) -> list[dict[str, str]]:
    told = problem.errors or [{"pointer": "", "code": problem.code, "detail": problem.detail}]
    return [{**dict(each), "in": "body", "pointer": f"/{index}{each['pointer']}"} for each in told]
