"""A small world to ask about: tables, their catalog, and people whose facts lie on every edge."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.schema import SchemaItem

from crm_api.audience import Amount, Catalog, Countable, Field, Moment, Rows

metadata = MetaData()


def _temporary(name: str, *columns: SchemaItem) -> Table:
    return Table(name, metadata, *columns, prefixes=["TEMPORARY"])


customer = _temporary(
    "world_customer",
    Column("customer_id", Uuid, primary_key=True),
    Column("name", Text),
    Column("country", Text),
    Column("age", Integer),
    Column("weight", Numeric),
    Column("born_on", Date),
    Column("is_active", Boolean),
    Column("seen_at", DateTime(timezone=True)),
    Column("balance", BigInteger),
    Column("balance_currency", Text),
    Column("tags", ARRAY(Text)),
)
label = _temporary("world_label", Column("customer_id", Uuid), Column("label", Text))
score = _temporary("world_score", Column("customer_id", Uuid), Column("recency", Integer), Column("spent", BigInteger))
member = _temporary("world_member", Column("customer_id", Uuid), Column("segment_id", Uuid))
touchpoint = _temporary(
    "world_touchpoint",
    Column("customer_id", Uuid),
    Column("id", Integer),
    Column("kind", Text),
    Column("occurred_at", DateTime(timezone=True)),
    Column("channel", Text),
    Column("subject", Text),
    Column("amount", BigInteger),
    Column("currency", Text),
)
Index("world_timeline", touchpoint.c.customer_id, touchpoint.c.occurred_at.desc(), touchpoint.c.id)

CUSTOMER = frozenset({"customer"})
LABELS, SCORES, MEMBERS = (Rows(key=table.c.customer_id, of=customer.c.customer_id) for table in (label, score, member))
TOUCHPOINTS = Countable(
    customer_id=touchpoint.c.customer_id,
    outer_customer_id=customer.c.customer_id,
    kind=touchpoint.c.kind,
    occurred_at=touchpoint.c.occurred_at,
    fields=(
        Field(
            name="channel",
            type="choice",
            operators=("eq", "ne", "in", "like", "known"),
            column=touchpoint.c.channel,
            depends_on=frozenset(),
        ),
        Field(name="subject", type="text", column=touchpoint.c.subject, depends_on=frozenset()),
    ),
    amounts=(Amount(name="amount", column=touchpoint.c.amount, currency=touchpoint.c.currency),),
)
CATALOG = Catalog(
    [
        Field(name="name", type="text", column=customer.c.name, depends_on=CUSTOMER),
        Field(
            name="country",
            type="choice",
            choices=("AT", "CH", "DE"),
            column=customer.c.country,
            depends_on=CUSTOMER,
        ),
        Field(name="age", type="integer", unit="years", column=customer.c.age, depends_on=CUSTOMER),
        Field(name="weight", type="number", column=customer.c.weight, depends_on=CUSTOMER),
        Field(name="born_on", type="date", column=customer.c.born_on, depends_on=CUSTOMER),
        Field(name="is_active", type="boolean", column=customer.c.is_active, depends_on=CUSTOMER),
        Field(name="seen_at", type="datetime", column=customer.c.seen_at, depends_on=CUSTOMER),
        Field(
            name="balance",
            type="money",
            currency=customer.c.balance_currency,
            column=customer.c.balance,
            depends_on=CUSTOMER,
        ),
        Field(name="tags", type="set", column=customer.c.tags, depends_on=CUSTOMER),
        Field(
            name="labels",
            type="set",
            column=label.c.label,
            rows=LABELS,
            depends_on=CUSTOMER,
        ),
        Field(
            name="score.recency",
            type="integer",
            column=score.c.recency,
            rows=SCORES,
            depends_on=frozenset({"score:rfm"}),
            source="score",
        ),
        Field(
            name="score.spent",
            type="money",
            currency="EUR",
            column=score.c.spent,
            rows=SCORES,
            depends_on=frozenset({"score:rfm"}),
            source="score",
        ),
        Field(
            name="segment",
            type="segment",
            column=member.c.segment_id,
            rows=MEMBERS,
            depends_on=frozenset(),
        ),
    ],
    TOUCHPOINTS,
)

# Days on which clocks change, month ends and a leap day, each asked at a telling hour.
MOMENTS = (
    Moment(datetime(2026, 3, 8, 12, tzinfo=UTC), ZoneInfo("America/New_York")),
    Moment(datetime(2026, 11, 2, 4, 30, tzinfo=UTC), ZoneInfo("America/New_York")),
    Moment(datetime(2026, 3, 29, 0, 59, tzinfo=UTC), ZoneInfo("Europe/Berlin")),
    Moment(datetime(2026, 3, 31, 21, 59, 59, 999_999, tzinfo=UTC), ZoneInfo("Europe/Berlin")),
    Moment(datetime(2024, 2, 29, 10, tzinfo=UTC), ZoneInfo("Australia/Lord_Howe")),
    Moment(datetime(2026, 5, 1, tzinfo=UTC), ZoneInfo("UTC")),
)
SEGMENTS = (UUID(int=1), UUID(int=2))
NAMES = ("anna", "strasse", "100%_\\", "a*b", "")
KINDS = ("order.placed", "page.viewed")
CURRENCIES = ("EUR", "JPY")


@dataclass(frozen=True)
class Touched:
    """One touchpoint of one person."""

    kind: str
    occurred_at: datetime
    channel: str | None
    subject: str | None
    amount: int | None
    currency: str | None


@dataclass(frozen=True)
class Person:
    """Everything that is known of one customer."""

    customer_id: UUID
    name: str | None
    country: str | None
    age: int | None
    weight: Decimal | None
    born_on: date | None
    is_active: bool | None
    seen_at: datetime | None
    balance: int | None
    balance_currency: str | None
    tags: list[str] | None
    labels: list[str] = field(default_factory=list)
    scores: list[tuple[int | None, int | None]] = field(default_factory=list)
    segments: list[UUID] = field(default_factory=list)
    touchpoints: list[Touched] = field(default_factory=list)


def people(number: int, random: Random) -> Iterator[Person]:
    """Make people with a fact missing as often as not, and every present one on an edge."""
    for position in range(number):
        balance = _maybe(random, (-5, 0, 100, 1230))
        yield Person(
            customer_id=UUID(int=position),
            name=_maybe(random, NAMES),
            country=_maybe(random, ("DE", "AT")),
            age=_maybe(random, (-1, 0, 29, 30, 31)),
            weight=_maybe(random, (Decimal("0.1"), Decimal("0.3"), Decimal("70.50"))),
            born_on=_maybe(random, (date(2000, 2, 29), date(1900, 1, 1), date(2026, 3, 8))),
            is_active=_maybe(random, (True, False)),
            seen_at=_maybe(random, edges()),
            balance=balance,
            balance_currency=None if balance is None else random.choice(CURRENCIES),
            tags=_maybe(random, ([], ["vip"], ["vip", "new"])),
            labels=random.sample(["vip", "new"], random.randrange(3)),
            scores=[] if random.random() < 0.4 else [(_maybe(random, (1, 5)), _maybe(random, (0, 50_000)))],
            segments=random.sample(SEGMENTS, random.randrange(3)),
            touchpoints=[_touched(random) for _ in range(random.choice((0, 1, 2, 3, 8)))],
        )


def edges() -> list[datetime]:
    """Answer instants just before, at and just after the ends of the windows that are asked for."""
    found = []
    for moment in MOMENTS:
        for days in (-1, 0, 1, 6, 7, 13, 27, 28, 30, 31):
            start = moment.start_of(moment.today - timedelta(days=days))
            found += [start - timedelta(microseconds=1), start, start + timedelta(hours=1)]
        for hours in (0, 24, 25):
            instant = moment.now - timedelta(hours=hours)
            found += [instant, instant + timedelta(microseconds=1)]
    return found


_EDGES = edges()


def _touched(random: Random) -> Touched:
    amount = _maybe(random, (-250, 0, 250, 500))
    return Touched(
        kind=random.choice(KINDS),
        occurred_at=random.choice(_EDGES),
        channel=_maybe(random, ("web", "Web", "shop")),
        subject=_maybe(random, NAMES),
        amount=amount,
        currency=None if amount is None else random.choice(CURRENCIES),
    )


def _maybe(random: Random, choices: Sequence[Any]) -> Any:
    return None if random.random() < 0.4 else random.choice(choices)


def rows(persons: Sequence[Person]) -> dict[Table, list[dict[str, Any]]]:
    """Spread people over the tables."""
    own = {column.name for column in customer.c}
    filled: dict[Table, list[dict[str, Any]]] = {table: [] for table in metadata.sorted_tables}
    for person in persons:
        who = {"customer_id": person.customer_id}
        filled[customer].append({name: value for name, value in vars(person).items() if name in own})
        filled[label] += [who | {"label": each} for each in person.labels]
        filled[score] += [who | {"recency": recency, "spent": spent} for recency, spent in person.scores]
        filled[member] += [who | {"segment_id": each} for each in person.segments]
        filled[touchpoint] += [who | {"id": number} | asdict(each) for number, each in enumerate(person.touchpoints)]
    return filled
