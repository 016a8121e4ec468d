"""What an audience means: compiled SQL on a real PostgreSQL and the evaluator in memory choose the same customers."""

import re
from collections.abc import AsyncIterator
from datetime import date, timedelta
from random import Random
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from crm_api.audience import Moment, condition, read_tree
from crm_api.audience.evaluate import judge
from crm_api.audience.facts import Facts, NotLoaded
from crm_api.audience.load_facts import FactLoader, load_facts
from crm_api.audience.operands import Pattern
from crm_api.core.embedded import ThrowawayPostgres
from crm_api.core.read import Prepared, Reader

from .trees import PATTERNS, WINDOWS, Json, distances, households, trees
from .world import CATALOG, KINDS, MOMENTS, Person, Touched, customer, metadata, people, rows

PEOPLE = list(people(400, Random(2)))
IDS = [person.customer_id for person in PEOPLE]
slow = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
async def world(postgres: ThrowawayPostgres) -> AsyncIterator[AsyncConnection]:
    """A connection that sees the world in temporary tables; the service's own tables are not needed."""
    engine = create_async_engine(postgres.url.replace("postgresql:", "postgresql+asyncpg:", 1))
    async with engine.connect() as connection:
        await connection.run_sync(metadata.create_all)
        for table, filled in rows(PEOPLE).items():
            await connection.execute(insert(table), filled)
        yield connection
        await connection.rollback()
    await engine.dispose()


@pytest.fixture
async def reader(world: AsyncConnection) -> Reader:
    """The read side, on the connection that sees the world."""
    return Reader((await world.get_raw_connection()).driver_connection)


async def chosen(world: AsyncConnection, tree: Json, moment: Moment) -> set[int]:
    """Ask PostgreSQL."""
    found = await world.scalars(select(customer.c.customer_id).where(condition(read_tree(tree), CATALOG, moment)))
    return {one.int for one in found}


async def judged(reader: Reader, tree: Json, moment: Moment) -> set[int]:
    """Load what is known, and ask the evaluator."""
    read = read_tree(tree)
    facts = await FactLoader([read], CATALOG).load(reader, IDS, moment)
    assert set(facts) == set(IDS)
    verdict = judge(read, CATALOG)
    for each in facts.values():
        assert verdict.explain(each).holds is verdict.holds(each)
    return {customer_id.int for customer_id, each in facts.items() if verdict.holds(each)}


@slow
@given(tree=trees, moment=st.sampled_from(MOMENTS))
async def test_sql_and_evaluator_agree_about_everybody(
    world: AsyncConnection, reader: Reader, tree: Json, moment: Moment
) -> None:
    assert await chosen(world, tree, moment) == await judged(reader, tree, moment)


@slow
@given(tree=distances)
async def test_they_agree_how_far_it_is(world: AsyncConnection, reader: Reader, tree: Json) -> None:
    for each in (tree, {"not": tree}):
        assert await chosen(world, each, MOMENTS[0]) == await judged(reader, each, MOMENTS[0])


@settings(slow, max_examples=40)
@given(tree=trees, moment=st.sampled_from(MOMENTS))
async def test_not_is_the_complement_and_twice_not_is_nothing(
    world: AsyncConnection, reader: Reader, tree: Json, moment: Moment
) -> None:
    inside = await chosen(world, tree, moment)
    outside = {person.customer_id.int for person in PEOPLE} - inside
    for ask, asked in ((chosen, world), (judged, reader)):
        assert await ask(asked, {"not": tree}, moment) == outside  # type: ignore[operator]
        assert await ask(asked, {"not": {"not": tree}}, moment) == inside  # type: ignore[operator]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
async def test_windows_end_where_local_dates_do(world: AsyncConnection, reader: Reader, window: Json) -> None:
    found = 0
    for moment in MOMENTS:
        for kind in KINDS:
            tree = {"count": {"touchpoint": kind}, **window, "gte": 2}
            inside = await chosen(world, tree, moment)
            assert inside == await judged(reader, tree, moment)
            assert inside == {
                person.customer_id.int for person in PEOPLE if len(_in_window(person, kind, window, moment)) >= 2
            }, moment
            found += len(inside)
    assert found or window.get("last") == "PT1M"


def _in_window(person: Person, kind: str, window: Json, moment: Moment) -> list[Touched]:
    """Decide by the local date of a touchpoint, or by its age: never by bounds, as both sides do."""
    return [each for each in person.touchpoints if each.kind == kind and _is_inside(each, window, moment)]


def _is_inside(touched: Touched, window: Json, moment: Moment) -> bool:
    day = touched.occurred_at.astimezone(moment.zone).date()
    first, until = window.get("from"), window.get("until")
    if "last" not in window:
        return (first is None or day >= date.fromisoformat(first)) and (
            until is None or day < date.fromisoformat(until)
        )
    number, unit = int(re.findall(r"\d+", window["last"])[0]), window["last"][-1]
    if "T" in window["last"]:
        age = moment.now - touched.occurred_at
        return timedelta(0) <= age < timedelta(hours=number if unit == "H" else 0, minutes=number if unit == "M" else 0)
    if unit == "M":
        return _months_before(moment.today + timedelta(days=1), number) <= day <= moment.today
    return timedelta(0) <= moment.today - day < timedelta(days=number * {"D": 1, "W": 7}[unit])


def _months_before(day: date, number: int) -> date:
    """Step back month by month to the first of the month, then as far forward as the month has days."""
    first = day.replace(day=1)
    for _ in range(number):
        first = (first - timedelta(days=1)).replace(day=1)
    for later in range(day.day - 1, -1, -1):
        if (first + timedelta(days=later)).month == first.month:
            return first + timedelta(days=later)
    return first


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("field", ["name", "channel"])
async def test_patterns_match_what_they_say(world: AsyncConnection, reader: Reader, pattern: str, field: str) -> None:
    tree: Json = {"field": "name", "like": pattern}
    if field == "channel":
        tree = {"count": {"touchpoint": KINDS[0], "where": {"field": "channel", "like": pattern}}, "gte": 1}
    assert await chosen(world, tree, MOMENTS[0]) == await judged(reader, tree, MOMENTS[0])


_few = st.text(st.sampled_from("ab*"), max_size=12)


@given(pattern=_few, value=st.text(st.sampled_from("ab"), max_size=12))
def test_a_pattern_fits_what_a_regular_expression_would(pattern: str, value: str) -> None:
    parts = pattern.split("*")
    expected = re.fullmatch(".*".join(map(re.escape, parts)), value) is not None
    assert Pattern(tuple(parts)).fits(value) is expected


async def test_a_missing_value_is_no_match_until_it_is_asked_for(world: AsyncConnection) -> None:
    everyone = {person.customer_id.int for person in PEOPLE}
    without = {person.customer_id.int for person in PEOPLE if person.country is None}
    german = await chosen(world, {"field": "country", "eq": "DE"}, MOMENTS[0])
    other = await chosen(world, {"field": "country", "ne": "DE"}, MOMENTS[0])
    assert without and german and other
    assert german | other == everyone - without
    assert await chosen(world, {"not": {"field": "country", "eq": "DE"}}, MOMENTS[0]) == other | without
    assert await chosen(world, {"field": "country", "known": False}, MOMENTS[0]) == without


async def test_the_sum_of_nothing_is_zero_in_every_currency(world: AsyncConnection) -> None:
    window = {"from": "1950-01-01", "until": "1950-01-02"}
    nothing = {"sum": "amount", "of": {"touchpoint": KINDS[0]}, **window}
    zero = {"amount": "0", "currency": "KWD"}
    assert len(await chosen(world, {**nothing, "lte": zero}, MOMENTS[0])) == len(PEOPLE)
    assert await chosen(world, {**nothing, "gt": zero}, MOMENTS[0]) == set()


async def test_the_timeline_index_serves_an_aggregate(world: AsyncConnection) -> None:
    tree = {"count": {"touchpoint": KINDS[0]}, "last": "P14D", "gte": 3}
    statement = select(customer.c.customer_id).where(
        customer.c.customer_id == PEOPLE[0].customer_id, condition(read_tree(tree), CATALOG, MOMENTS[0])
    )
    prepared = Prepared(statement)
    driver = (await world.get_raw_connection()).driver_connection
    assert driver is not None
    await world.execute(text("SET LOCAL enable_seqscan = off"))
    plan = [row[0] for row in await driver.fetch(f"EXPLAIN {prepared.sql}", *prepared.arguments({}))]
    await world.execute(text("SET LOCAL enable_seqscan = on"))
    scanned = next(number for number, line in enumerate(plan) if "world_timeline" in line)
    assert "customer_id" in plan[scanned + 1] and "occurred_at" in plan[scanned + 1], plan


@slow
@given(tree=households, moment=st.sampled_from(MOMENTS))
async def test_they_agree_about_households(world: AsyncConnection, reader: Reader, tree: Json, moment: Moment) -> None:
    inside = await chosen(world, tree, moment)
    assert inside == await judged(reader, tree, moment)
    assert await chosen(world, {"not": tree}, moment) == {person.customer_id.int for person in PEOPLE} - inside


@pytest.mark.parametrize("asked", [{"field": "country", "eq": "DE"}, {"not": {"field": "age", "gte": 30}}], ids=str)
async def test_households_are_asked_member_by_member(world: AsyncConnection, reader: Reader, asked: Json) -> None:
    meeting = await chosen(world, asked, MOMENTS[0])
    decided = set()
    for which, word in (("household_any", any), ("household_all", all)):
        expected = {
            person.customer_id.int
            for person in PEOPLE
            if word(
                other.customer_id.int in meeting
                for other in PEOPLE
                if other is person
                or (person.home_id is not None and other.home_id == person.home_id and not other.is_gone)
            )
        }
        assert await chosen(world, {which: asked}, MOMENTS[0]) == expected
        assert await judged(reader, {which: asked}, MOMENTS[0]) == expected
        decided.add(frozenset(expected))
    assert len(decided | {frozenset(meeting)}) == 3, "any, all and alone are three different things"


async def test_nearness_is_looked_up_in_a_box(world: AsyncConnection) -> None:
    near = {"distance": "home", "latitude": 52.5, "longitude": 13.4, "lte": {"length": 25, "unit": "km"}}
    prepared = Prepared(select(customer.c.customer_id).where(condition(read_tree(near), CATALOG, MOMENTS[0])))
    driver = (await world.get_raw_connection()).driver_connection
    assert driver is not None
    await world.execute(text("SET LOCAL enable_seqscan = off"))
    plan = [row[0] for row in await driver.fetch(f"EXPLAIN {prepared.sql}", *prepared.arguments({}))]
    await world.execute(text("SET LOCAL enable_seqscan = on"))
    scanned = next(number for number, line in enumerate(plan) if "world_places" in line)
    assert "latitude" in plan[scanned + 1] and "longitude" in plan[scanned + 1], plan


class _Counting(Reader):
    """A reader that keeps what it was asked."""

    asked: list[str]

    async def rows(self, statement: Prepared, **values: object) -> list[object]:
        self.asked.append(statement.sql)
        return await super().rows(statement, **values)


async def test_facts_of_many_audiences_come_in_one_query_per_table(reader: Reader) -> None:
    counting = _Counting(reader.pool)
    counting.asked = []
    asked = [
        {"all": [{"field": "age", "gt": 1}, {"field": "name", "eq": "anna"}, {"field": "tags", "has": "vip"}]},
        {"any": [{"field": "labels", "has": "vip"}, {"field": "score.spent", "known": True}]},
        {"any": [{"field": "score.recency", "eq": 5}, {"not": {"segment": str(UUID(int=1))}}]},
        *({"count": {"touchpoint": kind}, "last": last, "gte": 1} for kind in KINDS for last in ("P7D", "PT5H")),
        {"sum": "amount", "of": {"touchpoint": KINDS[0]}, "gt": {"amount": "1.00", "currency": "EUR"}},
    ]
    asked += [{"household_any": tree} for tree in asked if "PT5H" not in str(tree)]
    await FactLoader(map(read_tree, asked), CATALOG).load(counting, IDS[:1], MOMENTS[0])
    tables = [re.search(r"FROM (world_\w+)", sql)[1] for sql in counting.asked]  # type: ignore[index]
    assert sorted(tables) == [
        "world_customer",
        "world_home",
        "world_label",
        "world_member",
        "world_score",
        "world_touchpoint",
    ]


async def test_no_more_history_is_loaded_than_the_widest_window_asks_for(reader: Reader) -> None:
    moment = MOMENTS[0]
    asked = [{"count": {"touchpoint": KINDS[0]}, "last": last, "gte": 1} for last in ("P1D", "P7D", "PT25H")]
    facts = await FactLoader(map(read_tree, asked), CATALOG).load(reader, IDS, moment)
    first = moment.start_of(moment.today - timedelta(days=6))
    loaded = [each.occurred_at for one in facts.values() for each in one.history(KINDS[0]).touched]
    meant = [each.occurred_at for one in PEOPLE for each in one.touchpoints if each.kind == KINDS[0]]
    assert sorted(loaded) == sorted(at for at in meant if at >= first) and len(loaded) < len(meant)


async def test_what_was_not_loaded_is_never_taken_for_missing(reader: Reader) -> None:
    narrow = {"count": {"touchpoint": KINDS[0]}, "last": "P7D", "gte": 1}
    facts = await load_facts(reader, [read_tree(narrow)], CATALOG, IDS[0], MOMENTS[0])
    assert isinstance(facts, Facts)
    for tree in (
        {"field": "age", "known": False},
        {"segment": str(UUID(int=1))},
        {"count": {"touchpoint": KINDS[1]}, "last": "P1D", "eq": 0},
        {**narrow, "last": "P8D"},
        {"count": {"touchpoint": KINDS[0]}, "eq": 0},
        {"household_any": narrow},
    ):
        with pytest.raises(NotLoaded):
            judge(read_tree(tree), CATALOG).holds(facts)


async def test_nobody_has_no_facts(reader: Reader) -> None:
    assert (
        await load_facts(reader, [read_tree({"field": "age", "gt": 1})], CATALOG, UUID(int=2**100), MOMENTS[0]) is None
    )
