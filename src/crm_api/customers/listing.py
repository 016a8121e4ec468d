"""Lists of customers: filters become a statement that was compiled before, and values bound to it."""

from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Select

from ..core.listing import Listing
from ..core.problems import InvalidRequest
from ..core.read import Prepared, Reader
from ..core.streams import Form
from ..core.text import normalized
from . import exports, queries
from .contact_points import Unreachable, normalized_contact
from .queries import Shape
from .schemas import CustomerListParams

_PLAIN: Final = ("kind", "created_from", "created_until")
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
_WIDE: Final = {"kind"}


class Filter(NamedTuple):
    """What a list asks for: its conditions, and the values to bind."""

    shape: Shape
    values: dict[str, Any]

    @property
    def is_narrow(self) -> bool:
        """Whether few customers are likely to be meant."""
        return bool(self.shape.conditions - _WIDE)


async def filter_of(params: CustomerListParams, reads: Reader, phone_region: str) -> Filter:
    """Read a filter; contact points and external ids are looked up. Errors: InvalidRequest."""
    values: dict[str, Any] = {name: value for name in _PLAIN if (value := getattr(params, name)) is not None}
    if params.tag is not None:
        values["tag"] = [normalized(params.tag)]
    if found := await _customers_meant(params, reads, phone_region):
        values["customer_id"] = found.pop() if len(found) == 1 else _NOBODY
    return Filter(Shape(frozenset(values), params.archived, params.sort), values)


async def _customers_meant(params: CustomerListParams, reads: Reader, phone_region: str) -> set[str]:
    """Look up whom contact points and external ids mean; each means one customer at most."""
    found: set[str] = set()
    for kind in ("email", "phone"):
        if (value := getattr(params, kind)) is not None:
            row = await reads.row(queries.ID_OF_CONTACT_KEY, key=f"{kind}:{_normalized(kind, value, phone_region)}")
            found.add(_NOBODY if row is None else row["customer_id"])
    if params.external_id is not None:
        row = await reads.row(queries.ID_OF_EXTERNAL_KEY, key=params.external_id)
        found.add(_NOBODY if row is None else row["customer_id"])
    return found


def _normalized(kind: str, value: str, phone_region: str) -> str:
    try:
        return normalized_contact(kind, value, phone_region)
    except Unreachable as error:
        finding = {"in": "query", "pointer": f"/{kind}", "code": error.code, "detail": str(error)}
        raise InvalidRequest(str(error), errors=[finding]) from None


async def documents(
    page: Listing, params: CustomerListParams, reads: Reader, phone_region: str
) -> tuple[list[dict[str, Any]], int | None]:
    """Answer the customers of a page and one more, and their number if it is asked for."""
    shape, values = await filter_of(params, reads, phone_region)
    count = await count_rows(params.count, queries.counted(shape), reads, values) if params.count else None
    if page.after is not None:
        values |= bound_after(params.sort, page.after)
    rows = await reads.rows(queries.listed(shape, after=page.after is not None), limit=page.limit, **values)
    return [queries.document(row) for row in rows], count


async def exported(params: CustomerListParams, reads: Reader, phone_region: str, form: Form) -> Select[Any]:
    """Answer the statement of all customers of a filter."""
    chosen = await filter_of(params, reads, phone_region)
    statement = exports.exported(queries.chosen(chosen.shape), form, is_narrow=chosen.is_narrow)
    return statement.params(**chosen.values)


def bound_after(sort: str, last: list[Any]) -> dict[str, Any]:
    """Answer what to bind for the page behind a row."""
    value, customer_id = last
    return {"after": datetime.fromisoformat(value) if "created_at" in sort else value, "after_id": customer_id}


def behind(sort: str, document: dict[str, Any]) -> list[Any]:
    """Answer the values of the sort columns of a row."""
    value = document["created_at"] if "created_at" in sort else normalized(document["display_name"])
    return [value, document["id"]]


async def count_rows(how: str, statement: Prepared, reads: Reader, values: dict[str, Any]) -> int:
    """Count rows exactly, or as the planner estimates them without looking."""
    if how == "exact":
        row = await reads.row(statement, **values)
        return 0 if row is None else int(row["count"])
    plan = await reads.pool.fetchval(f"EXPLAIN (FORMAT JSON) {statement.sql}", *statement.arguments(values))
    return int(orjson.loads(plan)[0]["Plan"]["Plans"][0]["Plan Rows"])
