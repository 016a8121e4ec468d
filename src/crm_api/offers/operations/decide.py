"""Deciding which offers a customer gets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...audience import Catalog, Moment
from ...core.clock import now
from ...core.db import write_last
from ...core.ids import new_id
from ...core.problems import NotAvailable
from ...core.read import Reader, dump
from ...customers.catalog import with_custom_fields
from ...customers.problems import CustomerNotFound
from ...customers.queries import ID_OF_EXTERNAL_KEY
from ...customers.rules import external_key
from ..decision_schemas import DecisionWish
from ..eligibility import Questions
from ..problems import CustomerArchived
from ..rules import Candidate, Reason, Verdict, decide, good_until
from ..shelf import Shelf, Shelves

MOST_REJECTED: Final = 50
_MOST_LOADS: Final = 50  # each change of an offer costs a reader one more load, and a busy writer makes many
_KEEP: Final = """
    INSERT INTO decision (customer_id, id, channel, decided_at, decided_by, valid_until, document)
    SELECT $1::uuid, $2::uuid, $3::text, $4::timestamptz, $5::text, $6::timestamptz, $7::text::json
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """What this process decides with: the fields, the business's time zone, and the offers and questions it keeps."""

    catalog: Catalog
    zone: ZoneInfo
    shelves: Shelves = field(default_factory=Shelves)
    questions: Questions = field(default_factory=Questions)


@dataclass(frozen=True, slots=True)
class Made:
    """A decision, as it is kept and answered."""

    decision_id: UUID
    customer_id: str
    document: bytes


async def make_decision(session: AsyncSession, reader: Reader, who: Principal, wish: DecisionWish, desk: Desk) -> Made:
    """Choose the best offers for a customer and keep the choice, with the reasons for it.

    Errors: CustomerNotFound, CustomerArchived.
    """
    decided_at = now()
    at = wish.at or decided_at
    customer_id = await _customer_meant(reader, wish)
    shelf, verdict = await _judge(session, reader, customer_id, wish, at, desk)
    made = new_id()
    document = {
        "id": made,
        "customer_id": customer_id,
        "channel": wish.channel,
        "at": at,
        "decided_at": decided_at,
        "decided_by": who.client_id,
        "valid_until": good_until((offer for offer, _ in verdict.chosen), at),
        "chosen": [_chosen(shelf, offer, wish.channel, reasons) for offer, reasons in verdict.chosen],
        "rejected": [
            {"offer_id": offer.offer_id, "code": offer.code, "reasons": _reasons(reasons)}
            for offer, reasons in verdict.rejected
        ],
        "rejected_count": verdict.rejected_count,
    }
    text = dump(document)
    row = (customer_id, made, wish.channel, decided_at, who.client_id, document["valid_until"], text.decode())
    write_last(session, _KEEP, *row)
    return Made(made, customer_id, text)


async def _customer_meant(reader: Reader, wish: DecisionWish) -> str:
    if wish.customer is None:
        return str(wish.customer_id)
    key = external_key(wish.customer.system, wish.customer.external_id)
    row = await reader.row(ID_OF_EXTERNAL_KEY, key=key)
    if row is None:
        raise CustomerNotFound(f"{wish.customer.system} names no customer {wish.customer.external_id}")
    owner: str = row["customer_id"]
    return owner


async def _judge(
    session: AsyncSession, reader: Reader, customer_id: str, wish: DecisionWish, at: datetime, desk: Desk
) -> tuple[Shelf, Verdict]:
    """Ask which candidates the customer is eligible for, and rank them.

    The same statement tells the edition of the offers, so that it is decided among those there were when it was asked.
    """
    moment = Moment(at, desk.zone)
    shelf = await desk.shelves.present(reader)
    for _ in range(_MOST_LOADS):
        slate = shelf.slate(wish.channel, at)
        wanted = {offer.eligibility for offer in slate.candidates if offer.eligibility is not None}
        question = desk.questions.about(wanted)
        if question is None:
            audiences = {name: shelf.audiences[name] for name in wanted}
            question = desk.questions.compile(audiences, await with_custom_fields(session, desk.catalog), moment)
        row = await reader.row(question.statement, customer_id=customer_id, **question.values_at(moment))
        if row is None:
            raise CustomerNotFound(f"No customer has the id {customer_id}")
        if row["archived_at"] is not None:
            raise CustomerArchived(f"The customer was archived at {row['archived_at']:%Y-%m-%dT%H:%M:%SZ}")
        if row["edition"] == shelf.edition:
            eligible = question.answers(row)
            return shelf, decide(
                slate, eligible, channel=wish.channel, at=at, limit=wish.limit, most_rejected=MOST_REJECTED
            )
        shelf = await desk.shelves.renewed(reader, shelf)
    raise NotAvailable("The offers change faster than they can be read", headers={"Retry-After": "1"})


def _chosen(shelf: Shelf, offer: Candidate, channel: str, reasons: list[Reason]) -> Mapping[str, Any]:
    content = shelf.contents[offer.offer_id][channel]
    return {**shelf.told[offer.offer_id], "content": content, "reasons": _reasons(reasons)}


def _reasons(reasons: list[Reason]) -> list[dict[str, str]]:
    return [{"code": code, "detail": detail} for code, detail in reasons]
