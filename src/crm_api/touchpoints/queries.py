"""Statements about touchpoints; every one starts at `visible`."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Select,
    Subquery,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from ..core.problems import InvalidRequest
from ..core.read import Prepared, raw_json
from ..core.streams import instant_text, money_object, money_text
from .models import OrderItem, Touchpoint
from .parts import TimelinePart
from .rules import money_document
from .schemas import TouchpointRead

_TIME: Final = DateTime(timezone=True)
_PLAIN: Final = (
    "id",
    "customer_id",
    "kind",
    "channel",
    "direction",
    "department",
    "occurred_at",
    "recorded_at",
    "source",
    "source_id",
    "recorded_by",
    "campaign",
    "subject",
)
CONDITIONS: Final[dict[str, Callable[[Any, Any], ColumnElement[bool]]]] = {
    "kind": lambda of, value: of.kind == any_(value),
    "channel": lambda of, value: of.channel == value,
    "direction": lambda of, value: of.direction == value,
    "department": lambda of, value: of.department == value,
    "source": lambda of, value: of.source == value,
    "campaign": lambda of, value: of.campaign == value,
    "occurred_from": lambda of, value: of.occurred_at >= value,
    "occurred_until": lambda of, value: of.occurred_at < value,
    "recorded_until": lambda of, value: of.recorded_at <= value,
    "customer_from": lambda of, value: of.customer_id >= value,
    "customer_before": lambda of, value: of.customer_id < value,
}
"""Conditions on touchpoints, or on rows like them, by the names of the parameters that ask for them."""
_TYPES: Final[dict[str, Any]] = {
    "kind": ARRAY(Text),
    "occurred_from": _TIME,
    "occurred_until": _TIME,
    "recorded_until": _TIME,
    "customer_from": Uuid(),
    "customer_before": Uuid(),
}


def visible() -> Select[Any]:
    """Answer the touchpoints a caller may see: all of them."""
    return select().select_from(Touchpoint)


def _items() -> ColumnElement[Any]:
    """Answer the lines of an order as a JSON array, in order; empty where there are none."""
    line = func.json_build_object(
        "line_number",
        OrderItem.line_number,
        "sku",
        OrderItem.sku,
        "quantity",
        cast(OrderItem.quantity, Text),
        "paid_amount",
        money_text(OrderItem.paid_minor, Touchpoint.currency),
        "list_amount",
        money_text(OrderItem.list_minor, Touchpoint.currency),
    )
    lines = (
        select(func.json_agg(aggregate_order_by(line, OrderItem.line_number)))
        .where(OrderItem.customer_id == Touchpoint.customer_id, OrderItem.touchpoint_id == Touchpoint.id)
        .correlate(Touchpoint)
    )
    return func.coalesce(lines.scalar_subquery(), literal_column("'[]'::json"))


def documents(*, items: bool) -> Select[Any]:
    """Answer touchpoints for `document`."""
    statement = visible().add_columns(
        *(getattr(Touchpoint, name) for name in _PLAIN),
        Touchpoint.amount_minor,
        Touchpoint.currency,
        Touchpoint.cost_minor,
        Touchpoint.cost_currency,
        cast(Touchpoint.properties, Text).label("properties"),
    )
    return statement.add_columns(cast(_items(), Text).label("items")) if items else statement


def document(row: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a row of `documents` as the object callers see."""
    found = {name: row[name] for name in _PLAIN[:11]}
    found["amount"] = money_document(row["amount_minor"], row["currency"])
    found["cost"] = money_document(row["cost_minor"], row["cost_currency"])
    found["campaign"] = row["campaign"]
    found["subject"] = row["subject"]
    found["properties"] = raw_json(row["properties"])
    found["items"] = raw_json(row.get("items"))
    return found


_THIS: Final = (
    Touchpoint.customer_id == bindparam("customer_id", type_=Uuid()),
    Touchpoint.id == bindparam("id", type_=Uuid()),
)
BY_ID: Final = Prepared(documents(items=True).where(*_THIS))
HASH_BY_ID: Final = Prepared(visible().add_columns(Touchpoint.content_hash).where(*_THIS))


def _bound(names: frozenset[str], of: Any = Touchpoint) -> list[ColumnElement[bool]]:
    return [CONDITIONS[name](of, bindparam(name, type_=_TYPES.get(name, Text()))) for name in sorted(names)]


@lru_cache
def timeline(names: frozenset[str], *, after: bool, items: bool, parts: tuple[TimelinePart, ...] = ()) -> Prepared:
    """Answer a page of one customer's timeline, newest first; binds the filter, `customer_id`, `limit`, and behind a
    cursor `after_at` and `after_id`.

    What other domains show there is cut to a page as the touchpoints are, and both are put in order together.
    """
    touchpoints = documents(items=items).where(_THIS[0], *_bound(names))
    found = [_newest(touchpoints, Touchpoint, after=after)]
    for part in parts:
        rows = _shown(part, items=items)
        found.append(_newest(select(rows).where(*_bound(names, rows.c)), rows.c, after=after))
    if not parts:
        return Prepared(found[0])
    together = union_all(*(select(each.subquery()) for each in found)).subquery("timeline")
    return Prepared(_newest(select(together), together.c, after=False))


def _newest(statement: Select[Any], of: Any, *, after: bool) -> Select[Any]:
    if after:
        at, id = bindparam("after_at", type_=_TIME), bindparam("after_id", type_=Uuid())
        # The first condition is what the index is entered by; the second sorts out those of the very same instant.
        statement = statement.where(of.occurred_at <= at, (of.occurred_at < at) | (of.id > id))
    return statement.order_by(of.occurred_at.desc(), of.id).limit(bindparam("limit"))


def _shown(part: TimelinePart, *, items: bool) -> Subquery:
    """Answer what a part shows of a customer with the columns of `documents`; binds `customer_id`."""
    rows = part.rows(_THIS[0].right).subquery()
    columns = documents(items=items).selected_columns
    no_items: ColumnElement[Any] = literal_column("'[]'::text")
    shown = [no_items if each.name == "items" else rows.c.get(each.name, cast(null(), each.type)) for each in columns]
    names = [each.name for each in columns]
    return select(*(each.label(name) for each, name in zip(shown, names, strict=True))).subquery(part.name)


@lru_cache
def shown_by_id(part: TimelinePart) -> Prepared:
    """Answer one of the things that a part shows of a customer; binds `customer_id` and `id`."""
    rows = _shown(part, items=True)
    return Prepared(select(rows).where(rows.c.id == bindparam("id", type_=Uuid())))


@lru_cache
def listed(names: frozenset[str], *, after: bool, items: bool) -> Prepared:
    """Answer a page of the touchpoints of all customers, by customer and id; binds the filter, `limit`, and behind a
    cursor `after_customer` and `after_id`.
    """
    return Prepared(page(documents(items=items).where(*_bound(names)), after=after))


def page(statement: Select[Any], *, after: bool) -> Select[Any]:
    """Cut a page by customer and id; binds `limit`, and behind a cursor `after_customer` and `after_id`."""
    if after:
        last = func.row(bindparam("after_customer", type_=Uuid()), bindparam("after_id", type_=Uuid()))
        statement = statement.where(func.row(Touchpoint.customer_id, Touchpoint.id) > last)
    return statement.order_by(Touchpoint.customer_id, Touchpoint.id).limit(bindparam("limit"))


def exported(values: Mapping[str, Any], form: str, fields: Sequence[str] | None) -> Select[Any]:
    """Answer all touchpoints of a filter as a stream writes them, by customer and id. Errors: InvalidRequest."""
    columns = _CSV_COLUMNS if form == "csv" else _JSON_COLUMNS
    whole = FIELDS if form == "ndjson" else tuple(name for name in columns if name != "items")
    chosen = chosen_fields(fields, columns) or whole
    statement = visible().add_columns(*(columns[name]().label(name) for name in chosen))
    conditions = [
        CONDITIONS[name](Touchpoint, bindparam(name, value, _TYPES.get(name, Text()))) for name, value in values.items()
    ]
    return statement.where(*conditions).order_by(Touchpoint.customer_id, Touchpoint.id)


def chosen_fields(fields: Sequence[str] | None, offered: Mapping[str, Any] | Sequence[str]) -> list[str]:
    """Answer the fields that were asked for, once each. Errors: InvalidRequest, for unknown ones."""
    for name in fields or ():
        if name not in offered:
            detail = f"there is no field {name}; there are {', '.join(offered)}"
            finding = {"in": "query", "pointer": "/fields", "code": "unknown-field", "detail": detail}
            raise InvalidRequest(detail, errors=[finding])
    return list(dict.fromkeys(fields or ()))


FIELDS: Final = tuple(TouchpointRead.model_fields)
_TIMES: Final = ("occurred_at", "recorded_at")


def _column(name: str) -> Callable[[], ColumnElement[Any]]:
    column = getattr(Touchpoint, name)
    return (lambda: instant_text(column)) if name in _TIMES else (lambda: column.expression)


_JSON_COLUMNS: Final[dict[str, Callable[[], ColumnElement[Any]]]] = {
    **{name: _column(name) for name in FIELDS if name in _PLAIN or name == "properties"},
    "amount": lambda: money_object(Touchpoint.amount_minor, Touchpoint.currency),
    "cost": lambda: money_object(Touchpoint.cost_minor, Touchpoint.cost_currency),
    "items": _items,
}
_CSV_COLUMNS: Final[dict[str, Callable[[], ColumnElement[Any]]]] = {
    **{name: _column(name) for name in _PLAIN},
    "amount": lambda: money_text(Touchpoint.amount_minor, Touchpoint.currency),
    "currency": lambda: Touchpoint.currency.expression,
    "cost": lambda: money_text(Touchpoint.cost_minor, Touchpoint.cost_currency),
    "cost_currency": lambda: Touchpoint.cost_currency.expression,
    "properties": lambda: cast(Touchpoint.properties, Text),
    "items": lambda: cast(_items(), Text),
}
