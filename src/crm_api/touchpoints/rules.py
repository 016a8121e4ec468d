"""What is true of touchpoints, without a database: what may be recorded, and what makes two of them the same."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import orjson

from ..core.ids import new_id, source_id_uuid
from ..core.money import decimal_text, minor_units
from ..core.problems import InvalidRequest
from .daily_facts import REFUND
from .schemas import EARLIEST, OrderItemInput, TouchpointCreate

MOST_PROPERTY_BYTES: Final = 32 * 1024
_AHEAD: Final = timedelta(days=1)
_CANONICAL: Final = orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z
_HASH_BYTES: Final = 16
_THOUSANDTH: Final = Decimal("0.001")

Item = tuple[int, str, Decimal, int, int]
"""Line number, SKU, quantity, paid and list amount in minor units: the columns of `order_item` behind its owner's."""


@dataclass(slots=True)
class Fact:
    """A touchpoint in the form in which it is stored, but for its customer and its recording."""

    wish: TouchpointCreate
    id: UUID
    occurred_at: datetime
    amount_minor: int | None
    currency: str | None
    cost_minor: int | None
    cost_currency: str | None
    properties: str
    items: list[Item]
    content_hash: bytes


def topic_of(kind: str) -> str:
    """Name the topic under which touchpoints of a kind are marked."""
    return f"touchpoint:{kind}"


def fact_of(wish: TouchpointCreate, at: datetime) -> Fact:
    """Bring a touchpoint into the form in which it is stored. Errors: InvalidRequest with all findings."""
    findings = list(_findings(wish, at))
    properties = orjson.dumps(wish.properties, option=orjson.OPT_SORT_KEYS)
    if len(properties) > MOST_PROPERTY_BYTES:
        findings.append(_finding("/properties", "too-large", f"at most {MOST_PROPERTY_BYTES} bytes of JSON"))
    items: list[Item] = []
    if wish.items:
        items = _items(wish, findings)
    if findings:
        raise InvalidRequest(findings[0]["detail"], errors=findings)
    amount, cost = wish.amount, wish.cost
    fact = Fact(
        wish=wish,
        id=source_id_uuid(wish.source or "", wish.source_id) if wish.source_id is not None else new_id(),
        occurred_at=wish.occurred_at.astimezone(UTC),
        amount_minor=None if amount is None else amount.minor,
        currency=None if amount is None else amount.currency,
        cost_minor=None if cost is None else cost.minor,
        cost_currency=None if cost is None else cost.currency,
        properties=properties.decode(),
        items=items,
        content_hash=b"",
    )
    fact.content_hash = _content_hash(fact)
    return fact


def document_of(fact: Fact, customer_id: UUID, recorded_at: datetime, recorded_by: str) -> dict[str, Any]:
    """Answer a touchpoint that was just recorded as the object callers see."""
    wish, currency = fact.wish, fact.currency or ""
    return {
        "id": fact.id,
        "customer_id": customer_id,
        "kind": wish.kind,
        "channel": wish.channel,
        "direction": wish.direction,
        "department": wish.department,
        "occurred_at": fact.occurred_at,
        "recorded_at": recorded_at,
        "source": wish.source,
        "source_id": wish.source_id,
        "recorded_by": recorded_by,
        "amount": money_document(fact.amount_minor, fact.currency),
        "cost": money_document(fact.cost_minor, fact.cost_currency),
        "campaign": wish.campaign,
        "subject": wish.subject,
        "properties": orjson.Fragment(fact.properties),
        "items": [
            {
                "line_number": number,
                "sku": sku,
                "quantity": str(quantity),
                "paid_amount": decimal_text(paid, currency),
                "list_amount": decimal_text(listed, currency),
            }
            for number, sku, quantity, paid, listed in fact.items
        ],
    }


def money_document(minor: int | None, currency: str | None) -> dict[str, str] | None:
    """Answer stored money as the object callers see."""
    if minor is None or currency is None:
        return None
    return {"amount": decimal_text(minor, currency), "currency": currency}


def _findings(wish: TouchpointCreate, at: datetime) -> Iterator[dict[str, str]]:
    if (wish.customer_id is None) == (wish.customer is None):
        how = "both are there" if wish.customer else "neither is there"
        yield _finding("/customer_id", "one-customer", f"name the customer by customer_id or by customer; {how}")
    if wish.source_id is not None and wish.source is None:
        yield _finding("/source", "missing", "source_id is a name in a source: say which one")
    if not EARLIEST <= wish.occurred_at <= at + _AHEAD:
        yield _finding("/occurred_at", "out-of-range", "from 1900-01-01 to one day ahead")
    if wish.items and wish.amount is None:
        yield _finding("/amount", "missing", "items are in the currency of the amount")
    if wish.kind == REFUND and wish.amount is not None and wish.amount.minor < 0:
        yield _finding("/amount/amount", "negative", "a refund is told as the positive amount that was given back")


def _items(wish: TouchpointCreate, findings: list[dict[str, str]]) -> list[Item]:
    """Answer the lines in order of their numbers, and add what is wrong with them to the findings."""
    if wish.amount is None:
        return []
    currency = wish.amount.currency
    lines: dict[int, Item] = {}
    for position, given in enumerate(wish.items):
        number = given.line_number or position + 1
        if number in lines:
            findings.append(_finding(f"/items/{position}/line_number", "duplicate", f"line {number} is given twice"))
        paid = _minor(given, "paid_amount", position, currency, findings)
        listed = paid if given.list_amount is None else _minor(given, "list_amount", position, currency, findings)
        lines[number] = (number, given.sku, _quantity(given.quantity), paid, listed)
    return [lines[number] for number in sorted(lines)]


@lru_cache(maxsize=4_096)
def _quantity(text: str) -> Decimal:
    """Answer a quantity with its three digits; minus nothing is nothing."""
    return Decimal(text).quantize(_THOUSANDTH) + 0


def _minor(item: OrderItemInput, name: str, position: int, currency: str, findings: list[dict[str, str]]) -> int:
    try:
        return minor_units(getattr(item, name), currency)
    except ValueError as error:
        findings.append(_finding(f"/items/{position}/{name}", "money", str(error)))
        return 0


def _content_hash(fact: Fact) -> bytes:
    """Hash what a touchpoint says, however it was spelled: order of members, offsets of times and zeros at the end do
    not matter. Its customer and its source are in its key.
    """
    wish = fact.wish
    content = (
        wish.kind,
        wish.channel,
        wish.direction,
        wish.department,
        fact.occurred_at,
        fact.amount_minor,
        fact.currency,
        fact.cost_minor,
        fact.cost_currency,
        wish.campaign,
        wish.subject,
        fact.properties,
        [(number, sku, str(quantity), paid, listed) for number, sku, quantity, paid, listed in fact.items],
    )
    return hashlib.blake2b(orjson.dumps(content, option=_CANONICAL), digest_size=_HASH_BYTES).digest()


def _finding(pointer: str, code: str, detail: str) -> dict[str, str]:
    return {"in": "body", "pointer": pointer, "code": code, "detail": detail}
