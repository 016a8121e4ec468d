"""Lists of customers: filters become a statement that was compiled before, and values bound to it."""

from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select

from ..core.listing import Listing
from ..core.problems import InvalidRequest
from ..core.read import Prepared, Reader
from ..core.streams import Form
from ..core.text import normalized
from . import exports, queries
from .contact_points import Unreachable, normalized_contact
from .meaning import are_few, count_rows
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
    page: Listing, params: CustomerListParams, reads: Reader, phone_region: str, meant: ColumnElement[bool] | None
) -> tuple[list[dict[str, Any]], int | None]:
    """Answer the customers of a page and one more, and their number if it is asked for. `meant`: of an audience too."""
    shape, values = await filter_of(params, reads, phone_region)
    behind = page.after is not None
    if meant is None:
        listed, counted = queries.listed(shape, after=behind), queries.counted(shape)
    else:
        conditions = [*queries.chosen(shape), meant]
        listed = Prepared(queries.page(queries.documents().where(*conditions), shape.sort, after=behind))
        counted = Prepared(queries.count_of(conditions))
    count = await count_rows(params.count, counted, reads, values) if params.count else None
    if page.after is not None:
        values |= bound_after(params.sort, page.after)
    rows = await reads.rows(listed, limit=page.limit, **values)
    return [queries.document(row) for row in rows], count


async def exported(
    params: CustomerListParams, reads: Reader, phone_region: str, form: Form, meant: ColumnElement[bool] | None
) -> Select[Any]:
    """Answer the statement of all customers of a filter, and of an audience."""
    chosen = await filter_of(params, reads, phone_region)
    conditions, is_narrow = queries.chosen(chosen.shape), chosen.is_narrow
    if meant is not None:
        conditions.append(meant)
        is_narrow = is_narrow or await are_few(conditions, reads, chosen.values)
    statement = exports.exported(conditions, form, is_narrow=is_narrow)
    return statement.params(**chosen.values)


def bound_after(sort: str, last: list[Any]) -> dict[str, Any]:
    """Answer what to bind for the page behind a row."""
    value, customer_id = last
    return {"after": datetime.fromisoformat(value) if "created_at" in sort else value, "after_id": customer_id}


def behind(sort: str, document: dict[str, Any]) -> list[Any]:
    """Answer the values of the sort columns of a row."""
    value = document["created_at"] if "created_at" in sort else normalized(document["display_name"])
    return [value, document["id"]]
