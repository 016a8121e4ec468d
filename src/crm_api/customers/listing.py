"""Lists of customers: filters become a statement that was compiled before, and values bound to it."""

from datetime import datetime
from typing import Any

import orjson

from ..core.problems import InvalidRequest
from ..core.read import Prepared, Reader
from ..core.text import normalized
from . import queries
from .contact_points import Unreachable, normalized_contact
from .queries import Shape
from .schemas import CustomerListParams

_FILTERS = ("kind", "tag", "created_from", "created_until")


class NobodyMeant(Exception):
    """The filter names a contact point or external id that no customer has: the list is empty."""


async def filter_of(params: CustomerListParams, reads: Reader, phone_region: str) -> tuple[Shape, dict[str, Any]]:
    """Answer the shape of a list and the values to bind. Errors: NobodyMeant, InvalidRequest."""
    values: dict[str, Any] = {name: value for name in _FILTERS if (value := getattr(params, name)) is not None}
    if params.tag is not None:
        values["tag"] = [normalized(params.tag)]
    if (meant := await _customer_meant(params, reads, phone_region)) is not None:
        values["customer_id"] = meant
    return Shape(frozenset(values), params.archived, params.sort), values


async def _customer_meant(params: CustomerListParams, reads: Reader, phone_region: str) -> str | None:
    """Look up the one customer whom a contact point or external id means. Errors: NobodyMeant, InvalidRequest."""
    found: set[str] = set()
    for kind in ("email", "phone"):
        if (value := getattr(params, kind)) is not None:
            row = await reads.row(queries.ID_OF_CONTACT_KEY, key=f"{kind}:{_normalized(kind, value, phone_region)}")
            found.add("" if row is None else row["customer_id"])
    if params.external_id is not None:
        row = await reads.row(queries.ID_OF_EXTERNAL_KEY, key=params.external_id)
        found.add("" if row is None else row["customer_id"])
    if "" in found or len(found) > 1:
        raise NobodyMeant
    return next(iter(found), None)


def _normalized(kind: str, value: str, phone_region: str) -> str:
    try:
        return normalized_contact(kind, value, phone_region)
    except Unreachable as error:
        finding = {"in": "query", "pointer": f"/{kind}", "code": error.code, "detail": str(error)}
        raise InvalidRequest(str(error), errors=[finding]) from None


def bound_after(sort: str, last: list[Any]) -> dict[str, Any]:
    """Answer what to bind for the page behind a row."""
    value, customer_id = last
    return {"after": datetime.fromisoformat(value) if "created_at" in sort else value, "after_id": customer_id}


def behind(sort: str, document: dict[str, Any]) -> list[Any]:
    """Answer the values of the sort columns of a row."""
    value = document["created_at"] if "created_at" in sort else normalized(document["display_name"])
    return [value, document["id"]]


async def count(how: str | None, statement: Prepared, reads: Reader, values: dict[str, Any]) -> int | None:
    """Count rows exactly, or as the planner estimates them without looking."""
    if how is None:
        return None
    if how == "exact":
        row = await reads.row(statement, **values)
        return None if row is None else int(row["count"])
    plan = await reads.pool.fetchval(f"EXPLAIN (FORMAT JSON) {statement.sql}", *statement.arguments(values))
    return int(orjson.loads(plan)[0]["Plan"]["Plans"][0]["Plan Rows"])
