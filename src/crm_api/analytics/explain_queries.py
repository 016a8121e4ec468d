"""Statements about what a score rests on."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import ARRAY, Text, Uuid, any_, bindparam, func, or_, select

from ..core.money import decimal_text
from ..core.read import Prepared, Reader
from ..touchpoints.models import Touchpoint
from .models import AnalyticsModel, AnalyticsRun
from .outputs import Output
from .score_queries import OF_ONE, Document, of_one
from .sensitive import BOUND

MOST_INPUTS: Final = 50
_REFUND: Final = "order.refunded"
_RUN: Final = Prepared(
    select(AnalyticsRun.id, AnalyticsRun.parameters, AnalyticsRun.watermark)
    .add_columns(AnalyticsRun.audience.is_not(None).label("is_partial"))
    .join(AnalyticsModel, AnalyticsModel.current_run_id == AnalyticsRun.id)
    .where(AnalyticsModel.model == bindparam("model"))
)
_is_refund: Final = or_(Touchpoint.kind == _REFUND, func.coalesce(Touchpoint.amount_minor, 0) < 0)
_USED: Final = (
    Touchpoint.customer_id == bindparam("customer_id", type_=Uuid),
    Touchpoint.kind == any_(bindparam("kinds", type_=ARRAY(Text))),
    Touchpoint.occurred_at < bindparam("until", type_=Touchpoint.occurred_at.type),
    Touchpoint.recorded_at <= bindparam("watermark", type_=Touchpoint.recorded_at.type),
)
_SUMS: Final = Prepared(
    select(
        func.count().filter(~_is_refund).label("purchase_count"),
        func.count().filter(_is_refund).label("refund_count"),
        func.min(Touchpoint.occurred_at).filter(~_is_refund).label("first_at"),
        func.max(Touchpoint.occurred_at).filter(~_is_refund).label("last_at"),
        func.coalesce(func.sum(Touchpoint.amount_minor).filter(~_is_refund), 0).label("paid"),
        func.coalesce(func.sum(func.abs(Touchpoint.amount_minor)).filter(_is_refund), 0).label("refunded"),
    ).where(*_USED)
)
_NEWEST: Final = Prepared(
    select(Touchpoint.id)
    .add_columns(Touchpoint.kind, Touchpoint.occurred_at, Touchpoint.amount_minor, Touchpoint.currency)
    .add_columns(Touchpoint.properties)
    .where(*_USED)
    .order_by(Touchpoint.occurred_at.desc(), Touchpoint.id)
    .limit(MOST_INPUTS + 1)
)
READINGS: Final = {model: Prepared(row) for model, row in OF_ONE.items()}


async def read_explanation(reader: Reader, output: Output, customer_id: UUID, purpose: str | None) -> Document:
    """Answer a score of the current run, and the touchpoints it rests on: those that the run read of this customer."""
    rows = await reader.rows(READINGS[output.model], **{"customer_id": customer_id, BOUND: purpose})
    scores = of_one(output, customer_id, rows)
    run = await reader.row(_RUN, model=output.model)
    if run is None or (run["is_partial"] and rows[0]["status"] is None):
        return {"scores": scores, "parameters": None, "watermark": None, "inputs": None, "touchpoints": []}
    parameters = orjson.loads(run["parameters"])
    found = {"scores": scores, "parameters": parameters, "watermark": run["watermark"]}
    if "kinds" not in parameters:  # what the run read was no touchpoints
        return {**found, "inputs": None, "touchpoints": []}
    zone = ZoneInfo(parameters["time_zone"])
    used: dict[str, Any] = {
        "customer_id": customer_id,
        "kinds": parameters["kinds"],
        "until": datetime.combine(date.fromisoformat(parameters["as_of"]), time(), zone),
        "watermark": run["watermark"],
    }
    sums, newest = await reader.row(_SUMS, **used), await reader.rows(_NEWEST, **used)
    assert sums is not None  # noqa: S101  # sums are always a row
    return {
        **found,
        "inputs": _inputs(sums, zone, parameters.get("currency"), len(newest) <= MOST_INPUTS)
        if output.of_purchases
        else None,
        "touchpoints": [_touchpoint(row, parameters.get("properties", ())) for row in newest[:MOST_INPUTS]],
    }


def _inputs(sums: Mapping[str, Any], zone: ZoneInfo, currency: str | None, is_complete: bool) -> Document:
    def day(at: datetime | None) -> date | None:
        return None if at is None else at.astimezone(zone).date()

    def money(minor: Any) -> Document | None:
        if currency is None:
            return None
        return {"amount": decimal_text(int(minor), currency), "currency": currency}

    return {
        "purchase_count": sums["purchase_count"],
        "refund_count": sums["refund_count"],
        "first_purchase_on": day(sums["first_at"]),
        "last_purchase_on": day(sums["last_at"]),
        "paid": money(sums["paid"]),
        "refunded": money(sums["refunded"]),
        "is_complete": is_complete,
    }


def _touchpoint(row: Mapping[str, Any], properties: Sequence[str]) -> Document:
    minor, currency = row["amount_minor"], row["currency"]
    amount = None if minor is None else {"amount": decimal_text(minor, currency), "currency": currency}
    stored = row["properties"]
    told = orjson.loads(stored) if isinstance(stored, str) else stored
    used = {name: told[name] for name in properties if name in told}
    return {name: row[name] for name in ("id", "kind", "occurred_at")} | {"amount": amount, "properties": used}
