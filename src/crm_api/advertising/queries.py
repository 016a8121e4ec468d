"""Statements about advertising audiences. Addresses are hashed where they lie: none leaves the database."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Delete,
    Integer,
    LargeBinary,
    Select,
    Text,
    Update,
    Uuid,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession

from ..core.read import Prepared
from ..customers.models import ContactPoint, Customer
from ..customers.ranges import Range
from ..privacy.queries import is_allowed, is_suppressed
from ..segments.models import Membership, Segment
from ..segments.queries import present_customers, visible_membership
from .models import AdvertisingAudience, AdvertisingExport, AdvertisingIdentifier
from .schemas import AdvertisingAudienceRead, AdvertisingExportRead

_AUDIENCE_ID: Final = bindparam("audience_id", type_=Uuid())
_AUDIENCE: Final[Select[*tuple[Any, ...]]] = select(
    *(getattr(AdvertisingAudience, name) for name in AdvertisingAudienceRead.model_fields)
)
ONE_AUDIENCE: Final = Prepared(_AUDIENCE.where(AdvertisingAudience.id == _AUDIENCE_ID))
_EXPORT: Final[Select[*tuple[Any, ...]]] = select(
    *(getattr(AdvertisingExport, name) for name in AdvertisingExportRead.model_fields if name != "job")
)
ONE_EXPORT: Final = Prepared(
    _EXPORT.where(
        AdvertisingExport.audience_id == _AUDIENCE_ID, AdvertisingExport.number == bindparam("number", type_=Integer())
    )
)


@lru_cache
def listed(*, of_segment: bool, after: bool) -> Prepared:
    """List audiences, the newest first; binds `limit`, and as wanted `segment_id` and `after` (an id)."""
    statement = _AUDIENCE.order_by(AdvertisingAudience.id.desc()).limit(bindparam("limit"))
    if of_segment:
        statement = statement.where(AdvertisingAudience.segment_id == bindparam("segment_id", type_=Uuid()))
    if after:
        statement = statement.where(AdvertisingAudience.id < bindparam("after", type_=Uuid()))
    return Prepared(statement)


@lru_cache
def exports(*, after: bool) -> Prepared:
    """List the exports of an audience, the newest first; binds `audience_id`, `limit`, and `after` (a number)."""
    statement = _EXPORT.where(AdvertisingExport.audience_id == _AUDIENCE_ID)
    if after:
        statement = statement.where(AdvertisingExport.number < bindparam("after", type_=Integer()))
    return Prepared(statement.order_by(AdvertisingExport.number.desc()).limit(bindparam("limit")))


async def written_audience(session: AsyncSession, audience_id: UUID) -> dict[str, Any]:
    """Read an audience inside the transaction that changed it."""
    await session.flush()
    row = (await session.execute(_AUDIENCE.where(AdvertisingAudience.id == audience_id))).mappings().one()
    return dict(row)


async def written_export(session: AsyncSession, audience_id: UUID, number: int) -> dict[str, Any]:
    """Read an export inside the transaction that changed it."""
    await session.flush()
    one = _EXPORT.where(AdvertisingExport.audience_id == audience_id, AdvertisingExport.number == number)
    return document(dict((await session.execute(one)).mappings().one()))


def document(row: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a row of an export as the object callers see."""
    names = AdvertisingExportRead.model_fields
    return {name: f"/v1/jobs/{row['job_id']}" if name == "job" else row[name] for name in names}


# Whom an export finds


def _members(audience: AdvertisingAudience) -> Select[*tuple[Any, ...]]:
    return (
        select(Membership.customer_id)
        .join_from(Membership, Segment, Segment.id == Membership.segment_id)
        .where(Membership.segment_id == audience.segment_id, Segment.archived_at.is_(None), visible_membership())
    )


def end_of_range(audience: AdvertisingAudience, after: UUID | None, size: int) -> Select[*tuple[Any, ...]]:
    """Answer the last member of the next range; nothing when the next range is the last one."""
    behind = Range(after, None).of(Membership.customer_id)
    return _members(audience).where(behind).order_by(Membership.customer_id).offset(size - 1).limit(1)


def last_read(audience: AdvertisingAudience) -> Select[int]:
    """Answer the last export that was read, of those after the one that was acknowledged; 0 when there is none."""
    return select(func.coalesce(func.max(AdvertisingExport.number), 0)).where(
        AdvertisingExport.audience_id == audience.id,
        AdvertisingExport.number > audience.acknowledged_export,
        AdvertisingExport.read_at.is_not(None),
    )


def found(audience: AdvertisingAudience, number: int, read: int, part: Range) -> Insert:
    """Note which hashes of some members an export found: those of addresses that are not left alone, of customers who
    granted consent to the purpose on the channel of the address.
    """
    granted = is_allowed(ContactPoint.customer_id, ContactPoint.kind, audience.purpose, needs_consent=True)
    wanted = (
        _members(audience)
        .join(Customer, Customer.customer_id == Membership.customer_id)
        .join(ContactPoint, ContactPoint.customer_id == Membership.customer_id)
        .where(
            part.of(Membership.customer_id),
            present_customers(),
            ContactPoint.kind.in_(audience.identifiers),
            granted,
            ~is_suppressed(func.concat(ContactPoint.kind, ":", ContactPoint.normalized)),
        )
        .with_only_columns(
            literal(audience.id, Uuid()),
            ContactPoint.kind,
            _hashed(audience.phone_form),
            literal(number, Integer()),
            literal(number, Integer()),
            literal(0, Integer()),
        )
        .distinct()
    )
    names = ["audience_id", "kind", "hash", "added_export", "seen_export", "missed_export"]
    rows = insert(AdvertisingIdentifier).from_select(names, wanted)
    # Whoever read the last export may have removed what it did not find.
    missed = case((AdvertisingIdentifier.seen_export < read, read), else_=AdvertisingIdentifier.missed_export)
    again = {"seen_export": rows.excluded.seen_export, "missed_export": missed}
    return rows.on_conflict_do_update(index_elements=["audience_id", "kind", "hash"], set_=again)


def _hashed(phone_form: str) -> ColumnElement[bytes]:
    """Hash the compared form of an address, which is what platforms ask for: an e-mail address trimmed and in lower
    case; of a telephone number the digits with the country code, with or without the plus.
    """
    text: ColumnElement[str] = ContactPoint.normalized.expression
    if phone_form == "digits":
        text = case((ContactPoint.kind == "phone", func.substr(text, 2)), else_=text)
    return func.sha256(func.convert_to(text, "UTF8"), type_=LargeBinary())


# What an export says


def _of(audience_id: UUID) -> ColumnElement[bool]:
    return AdvertisingIdentifier.audience_id == audience_id


def unwanted(audience: AdvertisingAudience, number: int) -> Update:
    """Take back what an export found, since the audience was ended meanwhile."""
    return (
        update(AdvertisingIdentifier)
        .where(_of(audience.id), AdvertisingIdentifier.seen_export == number)
        .values(seen_export=number - 1)
    )


def untold(audience: AdvertisingAudience, number: int) -> Delete:
    """Forget hashes that are wanted no more and were in no export that anybody read."""
    read = exists().where(
        AdvertisingExport.audience_id == AdvertisingIdentifier.audience_id,
        AdvertisingExport.number.between(AdvertisingIdentifier.added_export, AdvertisingIdentifier.seen_export),
        AdvertisingExport.read_at.is_not(None),
    )
    return delete(AdvertisingIdentifier).where(
        _of(audience.id),
        AdvertisingIdentifier.seen_export < number,
        AdvertisingIdentifier.added_export > audience.acknowledged_export,
        ~read,
    )


def _is_addition(acknowledged: Any, number: Any) -> ColumnElement[bool]:
    is_new = AdvertisingIdentifier.added_export > acknowledged
    is_in_doubt = AdvertisingIdentifier.missed_export > acknowledged
    return and_(AdvertisingIdentifier.seen_export == number, or_(is_new, is_in_doubt))


def _is_removal(number: Any) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = AdvertisingIdentifier.seen_export < number
    return condition


def counted(audience: AdvertisingAudience, number: int) -> Select[int, int]:
    """Count what an export adds and what it removes."""
    return select(
        func.count().filter(_is_addition(audience.acknowledged_export, number)),
        func.count().filter(_is_removal(number)),
    ).where(_of(audience.id))


def exported(audience_id: UUID, number: int, change: str | None, kind: str | None) -> Select[*tuple[Any, ...]]:
    """Answer the lines of an export, always in the same order; none if another export was asked for meanwhile."""
    is_addition = _is_addition(AdvertisingAudience.acknowledged_export, AdvertisingAudience.last_export)
    is_removal = _is_removal(AdvertisingAudience.last_export)
    which = {"addition": is_addition, "removal": is_removal}.get(change or "", is_addition | is_removal)
    statement = (
        select(
            case((is_addition, "addition"), else_="removal").label("change"),
            AdvertisingIdentifier.kind.label("identifier"),
            func.encode(AdvertisingIdentifier.hash, "hex", type_=Text()).label("sha256"),
        )
        .join_from(
            AdvertisingIdentifier, AdvertisingAudience, AdvertisingAudience.id == AdvertisingIdentifier.audience_id
        )
        .where(_of(audience_id), AdvertisingAudience.last_export == number, which)
    )
    if kind is not None:
        statement = statement.where(AdvertisingIdentifier.kind == kind)
    return statement.order_by(AdvertisingIdentifier.kind, AdvertisingIdentifier.hash)


def removed(audience_id: UUID, number: int) -> Delete:
    """Forget the hashes that an export removed."""
    return delete(AdvertisingIdentifier).where(_of(audience_id), _is_removal(number))
