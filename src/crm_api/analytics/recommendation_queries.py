"""Statements about lists of items: those of a customer, and what is related to a product."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, Uuid, and_, bindparam, case, func, select

from ..core.read import Prepared, Reader
from ..touchpoints.models import Product
from .models import SCORES, AnalyticsModel, AnalyticsRun
from .outputs import BUY_AGAIN, DISCOVER, RELATED_PRODUCTS, Output
from .score_queries import IS_PLANNED, state_of

Document = dict[str, Any]
LISTS: Final = (BUY_AGAIN, DISCOVER)
_LEVEL: Final = AnalyticsRun.parameters["level"].astext
_ASKED_ITEM: Final = case(
    (_LEVEL == "sku", bindparam("sku", type_=Text)),
    (_LEVEL == "product_type", bindparam("product_type", type_=Text)),
    else_=bindparam("category", type_=Text),
)
_OF_RUN: Final = (
    AnalyticsRun.id.label("run_id"),
    AnalyticsRun.as_of,
    AnalyticsRun.finished_at,
    AnalyticsRun.finished_at.label("computed_at"),
    AnalyticsRun.audience.is_not(None).label("is_partial"),
    IS_PLANNED.correlate(AnalyticsRun).label("is_planned"),
)


def _places(output: Output, item: str, whose: ColumnElement[bool]) -> Prepared:
    """What the current run of a model lists, with the product where products are listed: no row without such a run,
    nulls without a list.
    """
    kept = SCORES[output.model].c
    is_current = and_(AnalyticsModel.current_run_id == AnalyticsRun.id, AnalyticsModel.model == output.model)
    is_product = and_(_LEVEL == "sku", Product.sku == kept[item])
    names = ("status", "reason", "observation_count", *(value.name for value in output.all_values))
    statement: Select[Any] = select(
        *_OF_RUN,
        _LEVEL.label("level"),
        *(kept[name] for name in names),
        Product.id.label("product_id"),
        func.coalesce(Product.name, kept[item]).label("name"),
    )
    joined = (
        statement.join(AnalyticsModel, is_current)
        .outerjoin(SCORES[output.model], and_(kept.run_id == AnalyticsRun.id, whose))
        .outerjoin(Product, is_product)
    )
    return Prepared(joined.order_by(kept.rank))


_OF_CUSTOMER: Final = {
    output.model: _places(output, "item", SCORES[output.model].c.customer_id == bindparam("customer_id", type_=Uuid))
    for output in LISTS
}
_RELATED: Final = _places(RELATED_PRODUCTS, "related_item", SCORES[RELATED_PRODUCTS.model].c.item == _ASKED_ITEM)


async def read_recommendations(reader: Reader, customer_id: UUID, kinds: Sequence[str], limit: int) -> Document:
    """Answer what is recommended to a customer, and where each list comes from or why there is none."""
    lists: list[Document] = []
    data: list[Document] = []
    for output in LISTS:
        rows = await reader.rows(_OF_CUSTOMER[output.model], customer_id=customer_id)
        state = _state(output, rows, "or the customer was archived")
        places = [_recommended(output, row) for row in rows if row["status"] == "ok"]
        wanted = [place for place in places if not kinds or place["kind"] in kinds][:limit]
        lists.append(state)
        data += wanted
    return {"customer_id": customer_id, "data": data, "lists": lists}


async def read_related(reader: Reader, product: Mapping[str, Any], limit: int) -> Document:
    """Answer what is related to a product, by the level of the current run, or why nothing is known."""
    asked = {name: product[name] for name in ("sku", "product_type", "category")}
    rows = await reader.rows(_RELATED, **asked)
    state = _state(RELATED_PRODUCTS, rows, "or it has no place in the product tree")
    level = state["level"]
    data = [
        {
            "rank": row["rank"],
            "item": row["related_item"],
            "product_id": row["product_id"],
            "name": row["name"],
            "similarity": float(row["similarity"]),
        }
        for row in rows
        if row["status"] == "ok"
    ]
    item = asked.get(level) if level else None
    return {"product_id": product["id"], "item": item, "data": data[:limit], **state}


def _state(output: Output, rows: Sequence[Mapping[str, Any]], other: str) -> Document:
    """Say which run a list is of, and in which state it is."""
    if not rows:
        nothing = dict.fromkeys(("run_id", "as_of", "computed_at", "level"))
        why = f"No run of {output.model} has been published yet."
        return {"model": output.model, **nothing, "status": "insufficient_data", "reason": why}
    row = rows[0]
    told = {**{name: row[name] for name in ("run_id", "as_of", "computed_at", "level")}, **state_of(row, row)}
    if row["status"] is None:
        whom = ", or the run is about others" if row["is_partial"] else ""
        why = f"{output.nothing.format(as_of=row['as_of'])}, {other}{whom}."
        told |= {"status": "insufficient_data", "reason": why}
    return {"model": output.model, **told}


def _recommended(output: Output, row: Mapping[str, Any]) -> Document:
    is_again = output is BUY_AGAIN
    return {
        "kind": "buy_again" if is_again else row["kind"],
        "rank": row["rank"],
        "item": row["item"],
        "product_id": row["product_id"],
        "name": row["name"],
        "buy_probability": float(row["buy_probability"]) if is_again else None,
        "appeal": None if is_again else float(row["appeal"]),
        "reasons": list(_due(row) if is_again else _liked(row)),
        "model": output.model,
        "run_id": row["run_id"],
        "computed_at": row["computed_at"],
    }


def _due(row: Mapping[str, Any]) -> Iterator[Document]:
    count, gap, elapsed = row["observation_count"], float(row["usual_gap_days"]), row["elapsed_days"]
    text = f"Bought on {count} days, usually every {gap:.0f} days or so, the last time {elapsed} days before."
    yield {"code": "bought-before", "text": text, "item": row["item"]}


def _liked(row: Mapping[str, Any]) -> Iterator[Document]:
    because = row["because_item"]
    yield {"code": "goes-with", "text": f"Customers who bought {because} bought it too.", "item": because}
    if text := _KINDS.get(row["kind"]):
        yield {"code": row["kind"].replace("_", "-"), "text": text, "item": None}


_KINDS: Final = {
    "cross_sell": "The customer has bought nothing of its category yet.",
    "up_sell": "It costs more than what the customer bought of its category on average.",
    "alternative": "The customer bought others of its category that do not cost less.",
}
