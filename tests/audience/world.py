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
    Double,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.sql.schema import SchemaItem

from crm_api.audience import Amount, Catalog, Countable, Field, Household, Items, Moment, Operator, Rows

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
    Column("time_zone", Text),
    Column("latitude", Double),
    Column("longitude", Double),
    Column("is_gone", Boolean),
)
home = _temporary("world_home", Column("customer_id", Uuid, primary_key=True), Column("home_id", Integer, index=True))
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
    Column("properties", JSONB),
)
item = _temporary(
    "world_item",
    Column("customer_id", Uuid),
    Column("touchpoint_id", Integer),
    Column("sku", Text),
    Column("quantity", Numeric),
    Column("paid", BigInteger),
)
product = _temporary("world_product", Column("sku", Text, primary_key=True), Column("category", Text))
Index("world_places", customer.c.latitude, customer.c.longitude, postgresql_where=customer.c.latitude.is_not(None))
Index("world_timeline", touchpoint.c.customer_id, touchpoint.c.occurred_at.desc(), touchpoint.c.id)

CUSTOMER = frozenset({"customer"})
LABELS, SCORES, MEMBERS = (Rows(key=table.c.customer_id, of=customer.c.customer_id) for table in (label, score, member))
EXACTLY: tuple[Operator, ...] = ("eq", "ne", "in", "like", "known")
NOTHING: frozenset[str] = frozenset()
ITEMS = Items(
    customer_id=item.c.customer_id,
    touchpoint_id=item.c.touchpoint_id,
    fields=(
        Field(name="sku", type="choice", operators=EXACTLY, column=item.c.sku, depends_on=NOTHING),
        Field(name="quantity", type="number", column=item.c.quantity, depends_on=NOTHING),
        Field(name="paid", type="money", column=item.c.paid, currency=touchpoint.c.currency, depends_on=NOTHING),
        Field(
            name="category",
            type="choice",
            operators=EXACTLY,
            column=product.c.category,
            rows=Rows(key=product.c.sku, of=item.c.sku),
            depends_on=frozenset({"product"}),
        ),
    ),
)


def _property(name: str) -> Field:
    column = touchpoint.c.properties[name.removeprefix("properties.")]
    return Field(name=name, type="json", column=column, depends_on=NOTHING)


TOUCHPOINTS = Countable(
    customer_id=touchpoint.c.customer_id,
    outer_customer_id=customer.c.customer_id,
    id=touchpoint.c.id,
    open={"properties.": _property},
    items=ITEMS,
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
        Field(
            name="amount",
            type="money",
            column=touchpoint.c.amount,
            currency=touchpoint.c.currency,
            depends_on=frozenset(),
        ),
    ),
    amounts=(
        Amount(name="amount", column=touchpoint.c.amount, currency=touchpoint.c.currency),
        Amount(name="items.paid", column=item.c.paid, currency=touchpoint.c.currency, of_items=True),
        Amount(name="items.quantity", column=item.c.quantity, currency=None, of_items=True, unit="pieces"),
    ),
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
        Field(name="time_zone", type="choice", column=customer.c.time_zone, depends_on=frozenset({"zone"})),
        Field(
            name="home",
            type="place",
            column=customer.c.latitude,
            beside=customer.c.longitude,
            depends_on=frozenset({"home"}),
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
    household=Household(
        customer_id=home.c.customer_id,
        household_id=home.c.home_id,
        is_present=customer.c.is_gone.is_(False),
        depends_on=frozenset({"household"}),
    ),
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
# Towns, and where a formula or a box may go wrong: poles, the date line, the equator, opposite ends of the earth.
PLACES = (
    (52.52, 13.405),
    (52.3906, 13.0645),
    (48.1374, 11.5755),
    (-33.8688, 151.2093),
    (0.0, 0.0),
    (0.0, 180.0),
    (0.0, -180.0),
    (0.0, -179.999999),
    (-16.5, 179.9),
    (-16.5, -179.9),
    (90.0, 0.0),
    (90.0, 135.0),
    (-90.0, -45.0),
    (89.9, -170.0),
    (89.9, 10.0),
    (-52.52, -166.595),
)
SEGMENTS = (UUID(int=1), UUID(int=2))
NAMES = ("anna", "strasse", "100%_\\", "a*b", "")
KINDS = ("order.placed", "page.viewed")
CURRENCIES = ("EUR", "JPY")
ZONES = ("Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Tokyo", "America/New_York", "Mars/Olympus")
PRODUCTS = {"beef": "MEAT", "ham": "MEAT", "milk": "DAIRY", "odd": None}
SKUS = (*PRODUCTS, "unknown")
PROPERTIES = ({}, {"path": "/bikes/1"}, {"path": "/Bikes"}, {"path": 3}, {"path": None}, {"path": True, "n": 2.50})


@dataclass(frozen=True)
class Bought:
    """One line of one order."""

    sku: str
    quantity: Decimal
    paid: int


@dataclass(frozen=True)
class Touched:
    """One touchpoint of one person."""

    kind: str
    occurred_at: datetime
    channel: str | None
    subject: str | None
    amount: int | None
    currency: str | None
    properties: dict[str, Any]
    lines: list[Bought]


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
    time_zone: str | None
    latitude: float | None
    longitude: float | None
    is_gone: bool
    home_id: int | None
    labels: list[str] = field(default_factory=list)
    scores: list[tuple[int | None, int | None]] = field(default_factory=list)
    segments: list[UUID] = field(default_factory=list)
    touchpoints: list[Touched] = field(default_factory=list)


def people(number: int, random: Random) -> Iterator[Person]:
    """Make people with a fact missing as often as not, and every present one on an edge."""
    apart = Random(3)
    for position in range(number):
        balance = _maybe(random, (-5, 0, 100, 1230))
        place = _maybe(random, (*PLACES, (random.uniform(-90, 90), random.uniform(-180, 180)))) or (None, None)
        yield Person(
            customer_id=UUID(int=position),
            name=_maybe(random, NAMES),
            country=_maybe(random, ("DE", "AT")),
            age=_maybe(random, (-1, 0, 29, 30, 31)),
            weight=_maybe(random, (Decimal("0.1"), Decimal("0.3"), Decimal("70.50"))),
            born_on=_maybe(random, DATES),
            time_zone=_maybe(random, ZONES),
            is_active=_maybe(random, (True, False)),
            seen_at=_maybe(random, edges()),
            balance=balance,
            balance_currency=None if balance is None else random.choice(CURRENCIES),
            latitude=place[0],
            longitude=place[1],
            is_gone=apart.random() < 0.2,
            home_id=_maybe(apart, range(number // 4)),
            tags=_maybe(random, ([], ["vip"], ["vip", "new"])),
            labels=random.sample(["vip", "new"], random.randrange(3)),
            scores=[] if random.random() < 0.4 else [(_maybe(random, (1, 5)), _maybe(random, (0, 50_000)))],
            segments=random.sample(SEGMENTS, random.randrange(3)),
            touchpoints=[_touched(random) for _ in range(random.choice((0, 1, 2, 3, 8)))],
        )


def dates() -> list[date]:
    """Answer dates that come round at, just before and just after the days that are asked about."""
    found = [date(2000, 2, 29), date(1900, 1, 1), date(1999, 2, 28), date(2001, 3, 1)]
    for moment in MOMENTS:
        for days in (-31, -8, -7, -6, -1, 0, 1, 2, 6, 7, 8, 29, 30, 31):
            day = moment.today + timedelta(days=days)
            found += [day, day.replace(year=day.year - 1 if (day.month, day.day) != (2, 29) else day.year - 4)]
    return found


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
DATES = tuple(dates())


def _touched(random: Random) -> Touched:
    amount = _maybe(random, (-250, 0, 250, 500))
    return Touched(
        kind=random.choice(KINDS),
        occurred_at=random.choice(_EDGES),
        channel=_maybe(random, ("web", "Web", "shop")),
        subject=_maybe(random, NAMES),
        amount=amount,
        currency=None if amount is None else random.choice(CURRENCIES),
        properties=random.choice(PROPERTIES),
        lines=[_bought(random) for _ in range(0 if amount is None else random.choice((0, 1, 2, 3)))],
    )


def _bought(random: Random) -> Bought:
    quantity = random.choice((Decimal("1.000"), Decimal("0.250")))
    return Bought(random.choice(SKUS), quantity, random.choice((-250, 0, 100, 500)))


def _maybe(random: Random, choices: Sequence[Any]) -> Any:
    return None if random.random() < 0.4 else random.choice(choices)


def rows(persons: Sequence[Person]) -> dict[Table, list[dict[str, Any]]]:
    """Spread people over the tables."""
    own = {column.name for column in customer.c}
    filled: dict[Table, list[dict[str, Any]]] = {table: [] for table in metadata.sorted_tables}
    filled[product] = [{"sku": sku, "category": category} for sku, category in PRODUCTS.items()]
    for person in persons:
        who = {"customer_id": person.customer_id}
        filled[customer].append({name: value for name, value in vars(person).items() if name in own})
        if person.home_id is not None:
            filled[home].append(who | {"home_id": person.home_id})
        filled[label] += [who | {"label": each} for each in person.labels]
        filled[score] += [who | {"recency": recency, "spent": spent} for recency, spent in person.scores]
        filled[member] += [who | {"segment_id": each} for each in person.segments]
        for number, each in enumerate(person.touchpoints):
            told = asdict(each)
            filled[item] += [who | {"touchpoint_id": number} | line for line in told.pop("lines")]
            filled[touchpoint].append(who | {"id": number} | told)
    return filled
