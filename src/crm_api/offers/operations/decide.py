"""Deciding which offers customers get."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...audience import Moment
from ...core.clock import now
from ...core.db import driver, write_last
from ...core.ids import new_id
from ...core.problems import NotAvailable
from ...core.read import Reader, dump
from ...customers.catalog import LivingCatalog, with_custom_fields
from ...customers.problems import CustomerNotFound
from ...customers.queries import ID_OF_EXTERNAL_KEY
from ...customers.rules import external_key
from ..decision_schemas import DecisionContext, DecisionWish
from ..eligibility import Question, Questions
from ..fields import bound
from ..problems import CustomerArchived
from ..rules import Candidate, Reason, Slate, Verdict, decide, good_until
from ..shelf import Shelf, Shelves

MOST_REJECTED: Final = 50
_MOST_LOADS: Final = 50  # each change of an offer costs a reader one more load, and a busy writer makes many
_KEEP: Final = """
    INSERT INTO decision (customer_id, id, channel, decided_at, decided_by, valid_until, document)
    SELECT $1::uuid, $2::uuid, $3::text, $4::timestamptz, $5::text, $6::timestamptz, $7::text::json
"""
_KEEP_MANY: Final = """
    INSERT INTO decision (customer_id, id, channel, decided_at, decided_by, valid_until, document)
    SELECT customer_id, id, channel, decided_at, decided_by, valid_until, document::json
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::timestamptz[], $7::text[])
      AS kept (customer_id, id, channel, decided_at, decided_by, valid_until, document)
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """What this process decides with: the fields, the business's time zone, and the offers and questions it keeps."""

    catalog: LivingCatalog
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
    at = wish.at or now()
    customer_id = await _customer_meant(reader, wish)
    asked = _Asked(wish.channel, wish.limit, at, wish.context)
    judged = await _judge(session, reader, [customer_id], asked, desk)
    if customer_id not in judged.verdicts:
        raise CustomerNotFound(f"No customer has the id {customer_id}")
    verdict = judged.verdicts[customer_id]
    if isinstance(verdict, datetime):
        raise CustomerArchived(f"The customer was archived at {verdict:%Y-%m-%dT%H:%M:%SZ}")
    made, row = _kept(judged, customer_id, verdict, who.client_id)
    write_last(session, _KEEP, *row)
    return made


async def decide_for_many(
    session: AsyncSession, reader: Reader, by: str, customer_ids: Sequence[UUID], channel: str, desk: Desk
) -> dict[UUID, Made]:
    """Choose the best offer for each of some customers, as `make_decision` does, and keep the choices in the session's
    transaction. Archived and unknown customers are left out, and so is whom nothing is chosen for.
    """
    if not customer_ids:
        return {}
    asked = _Asked(channel, 1, now())
    judged = await _judge(session, reader, [str(id) for id in customer_ids], asked, desk)
    kept = [
        _kept(judged, customer_id, verdict, by)
        for customer_id, verdict in judged.verdicts.items()
        if isinstance(verdict, Verdict) and verdict.chosen
    ]
    if kept:
        columns = zip(*(row for _, row in kept), strict=True)
        await (await driver(session)).execute(_KEEP_MANY, *map(list, columns))
    return {UUID(made.customer_id): made for made, _ in kept}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be decided."""

    channel: str
    limit: int
    at: datetime
    context: DecisionContext | None = None


@dataclass(frozen=True, slots=True)
class _Judged:
    """What was decided among, and the verdicts by customer; for an archived one, since when it is."""

    asked: _Asked
    shelf: Shelf
    verdicts: Mapping[str, Verdict | datetime]


def _kept(judged: _Judged, customer_id: str, verdict: Verdict, by: str) -> tuple[Made, tuple[Any, ...]]:
    """Write a decision as the object callers see, and as the row it is kept as."""
    decided_at, made, asked = now(), new_id(), judged.asked
    document = {
        "id": made,
        "customer_id": customer_id,
        "channel": asked.channel,
        "at": asked.at,
        "context": None if asked.context is None else asked.context.model_dump(),
        "decided_at": decided_at,
        "decided_by": by,
        "valid_until": good_until((offer for offer, _ in verdict.chosen), asked.at),
        "chosen": [_chosen(judged.shelf, offer, asked.channel, reasons) for offer, reasons in verdict.chosen],
        "rejected": [
            {"offer_id": offer.offer_id, "code": offer.code, "reasons": told_reasons(reasons)}
            for offer, reasons in verdict.rejected
        ],
        "rejected_count": verdict.rejected_count,
    }
    text = dump(document)
    row = (UUID(customer_id), made, asked.channel, decided_at, by, document["valid_until"], text.decode())
    return Made(made, customer_id, text), row


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
    session: AsyncSession, reader: Reader, customer_ids: Sequence[str], asked: _Asked, desk: Desk
) -> _Judged:
    """Ask which candidates the customers are eligible for, and rank them."""
    answered = await ask(session, reader, customer_ids, asked.channel, asked.at, desk, asked.context)
    slate, question = answered.slate, answered.question
    verdicts = {row["customer_id"]: _verdict(slate, question, row, asked) for row in answered.rows}
    return _Judged(asked, answered.shelf, verdicts)


@dataclass(frozen=True, slots=True)
class Answered:
    """Which audiences some customers are in: a row of `question` for each customer there is."""

    shelf: Shelf
    slate: Slate
    question: Question
    rows: Sequence[Any]


async def ask(
    session: AsyncSession,
    reader: Reader,
    customer_ids: Sequence[str],
    channel: str | None,
    at: datetime,
    desk: Desk,
    context: DecisionContext | None = None,
) -> Answered:
    """Ask which offers of a channel, or of any, customers are eligible for.

    The same statement tells the edition of the offers, so that it is decided among those there were when it was asked.
    """
    moment = Moment(at, desk.zone)
    shelf = await desk.shelves.present(reader)
    for _ in range(_MOST_LOADS):
        slate = shelf.slate(channel, at)
        wanted = {offer.eligibility for offer in slate.candidates if offer.eligibility is not None}
        question = desk.questions.about(wanted)
        if question is None:
            audiences = {name: shelf.audiences[name] for name in wanted}
            question = desk.questions.compile(audiences, await with_custom_fields(session, desk.catalog), moment)
        values = {"customer_ids": customer_ids, **question.values_at(moment), **bound(context)}
        rows = await reader.rows(question.statement, **values)
        if all(row["edition"] == shelf.edition for row in rows):
            return Answered(shelf, slate, question, rows)
        shelf = await desk.shelves.renewed(reader, shelf)
    raise NotAvailable("The offers change faster than they can be read", headers={"Retry-After": "1"})


def _verdict(slate: Slate, question: Question, row: Any, asked: _Asked) -> Verdict | datetime:
    archived_at: datetime | None = row["archived_at"]
    if archived_at is not None:
        return archived_at
    eligible = question.answers(row)
    return decide(slate, eligible, channel=asked.channel, at=asked.at, limit=asked.limit, most_rejected=MOST_REJECTED)


def _chosen(shelf: Shelf, offer: Candidate, channel: str, reasons: list[Reason]) -> Mapping[str, Any]:
    content = shelf.contents[offer.offer_id][channel]
    return {**shelf.told[offer.offer_id], "content": content, "reasons": told_reasons(reasons)}


def told_reasons(reasons: list[Reason]) -> list[dict[str, str]]:
    """Write reasons as callers see them."""
    return [{"code": code, "detail": detail} for code, detail in reasons]
