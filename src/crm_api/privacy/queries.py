"""Statements about consents, purposes and suppressed addresses, and the conditions that others compose with."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Text, Uuid, bindparam, exists, false, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute

from ..core.read import Prepared
from ..core.streams import instant_text
from .models import Consent, ConsentEvent, Purpose, Suppression
from .rules import DeclaredPurpose

Column = ColumnElement[Any] | InstrumentedAttribute[Any]

# Whom may be contacted


def is_allowed(customer_id: Column, channel: Column | str, purpose: str, *, needs_consent: bool) -> ColumnElement[bool]:
    """Answer the condition that a customer may be contacted: `is_allowed(Customer.customer_id, "email", "marketing",
    needs_consent=True)`, where `needs_consent` is that of the purpose, read before.
    """
    answered = exists().where(
        Consent.customer_id == customer_id,
        Consent.channel == channel,
        Consent.purpose == purpose,
        Consent.state == ("granted" if needs_consent else "withdrawn"),
    )
    return answered if needs_consent else ~answered


def is_suppressed(key: Column) -> ColumnElement[bool]:
    """Answer the condition that an address is left alone; keys are those of `contact_point_key`."""
    return exists().where(Suppression.key == key)


# The ledger

_LEDGER: Final = (
    ConsentEvent.id,
    ConsentEvent.customer_id,
    ConsentEvent.channel,
    ConsentEvent.purpose,
    ConsentEvent.state,
    ConsentEvent.occurred_at,
    ConsentEvent.recorded_at,
    ConsentEvent.recorded_by,
    ConsentEvent.source,
    ConsentEvent.wording,
)
_TIMES: Final = ("occurred_at", "recorded_at")
_ORDER: Final = (ConsentEvent.customer_id, ConsentEvent.occurred_at, ConsentEvent.id)
FILTERS: Final = ("customer_id", "channel", "purpose", "state")


def visible() -> Select[Any]:
    """Answer the lines of the ledger a caller may see: all of them."""
    return select().select_from(ConsentEvent)


@lru_cache
def listed(names: frozenset[str], *, after: bool) -> Prepared:
    """Answer a page of the ledger, customer by customer in the order of time; binds the filter, `limit`, and behind a
    cursor `after_customer`, `after_at` and `after_id`.
    """
    statement = visible().add_columns(*_LEDGER).order_by(*_ORDER).limit(bindparam("limit"))
    bound = [_column(name) == bindparam(name, type_=_column(name).type) for name in sorted(names)]
    if after:
        names_of_last = ("after_customer", "after_at", "after_id")
        last = [bindparam(name, type_=column.type) for name, column in zip(names_of_last, _ORDER, strict=True)]
        bound.append(func.row(*_ORDER) > func.row(*last))
    return Prepared(statement.where(*bound))


def exported(values: Mapping[str, Any]) -> Select[Any]:
    """Answer all lines of a filter as a stream writes them."""
    columns = [
        instant_text(column).label(column.key) if column.key in _TIMES else column.expression for column in _LEDGER
    ]
    conditions = [_column(name) == value for name, value in values.items()]
    return visible().add_columns(*columns).where(*conditions).order_by(*_ORDER)


def _column(name: str) -> InstrumentedAttribute[Any]:
    column: InstrumentedAttribute[Any] = getattr(ConsentEvent, name)
    return column


_OF_CUSTOMER: Final = bindparam("customer_id", type_=Uuid())
LINE: Final = Prepared(
    visible()
    .add_columns(*_LEDGER, func.coalesce(Consent.event_id == ConsentEvent.id, false()).label("is_current"))
    .outerjoin(
        Consent,
        (Consent.customer_id == ConsentEvent.customer_id)
        & (Consent.channel == ConsentEvent.channel)
        & (Consent.purpose == ConsentEvent.purpose),
    )
    .where(ConsentEvent.customer_id == _OF_CUSTOMER, ConsentEvent.id == bindparam("id", type_=Uuid()))
)
ANSWERS: Final[Select[*tuple[Any, ...]]] = select(
    Consent.channel, Consent.purpose, Consent.state, Consent.since, Consent.event_id
).where(Consent.customer_id == _OF_CUSTOMER)
HELD: Final = Prepared(ANSWERS)

# Purposes

DECLARED: Final[Select[*tuple[Any, ...]]] = select(
    Purpose.name, Purpose.label, Purpose.needs_consent, Purpose.created_at, Purpose.created_by
).order_by(Purpose.name)
PURPOSES: Final = Prepared(DECLARED)
ONE_PURPOSE: Final = Prepared(DECLARED.where(Purpose.name == bindparam("name", type_=Text())))
PURPOSE_PAGE: Final = Prepared(
    DECLARED.where(Purpose.name > bindparam("after", type_=Text())).limit(bindparam("limit"))
)


def read_purposes(rows: Iterable[Mapping[str, Any]]) -> list[DeclaredPurpose]:
    """Answer the purposes that rows of PURPOSES hold."""
    return [DeclaredPurpose(row["name"], row["label"], row["needs_consent"]) for row in rows]


# Suppressed addresses

_KIND: Final = func.split_part(Suppression.key, ":", 1)
_ADDRESS: Final = func.substr(Suppression.key, func.strpos(Suppression.key, ":") + 1)
_SUPPRESSION: Final = (
    _KIND.label("kind"),
    _ADDRESS.label("address"),
    Suppression.reason,
    Suppression.detail,
    Suppression.created_at,
    Suppression.created_by,
)
ONE_SUPPRESSION: Final = Prepared(select(*_SUPPRESSION).where(Suppression.key == bindparam("key", type_=Text())))


def _chosen(name: str, value: ColumnElement[str]) -> ColumnElement[bool]:
    if name == "reason":
        return Suppression.reason == value
    # A range that the primary key serves: ";" is the sign behind ":".
    return Suppression.key.between(func.concat(value, ":"), func.concat(value, ";"))


@lru_cache
def suppressions(names: frozenset[str]) -> Prepared:
    """Answer a page of suppressed addresses, by kind and address; binds the filter, `after` (a key) and `limit`."""
    bound = [_chosen(name, bindparam(name, type_=Text())) for name in sorted(names)]
    after = Suppression.key > bindparam("after", type_=Text())
    return Prepared(select(*_SUPPRESSION).where(*bound, after).order_by(Suppression.key).limit(bindparam("limit")))


def exported_suppressions(values: Mapping[str, str]) -> Select[Any]:
    """Answer all suppressed addresses of a filter as a stream writes them."""
    at = instant_text(Suppression.created_at).label("created_at")
    columns = [at if column is Suppression.created_at else column for column in _SUPPRESSION]
    conditions = [_chosen(name, literal(value, Text())) for name, value in values.items()]
    return select(*columns).where(*conditions).order_by(Suppression.key)
