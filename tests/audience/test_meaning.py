"""The compiled condition chooses, on a real PostgreSQL, exactly the customers that the audience means."""

from collections.abc import AsyncIterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from crm_api.audience import Moment, condition, read_tree
from crm_api.core.embedded import ThrowawayPostgres
from crm_api.core.read import Prepared

from .oracle import holds
from .trees import PATTERNS, WINDOWS, Json, trees
from .world import CATALOG, KINDS, MOMENTS, Person, customer, metadata, people, rows

PEOPLE = list(people(400, Random(2)))


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


async def chosen(world: AsyncConnection, tree: Json, moment: Moment) -> set[int]:
    """Ask PostgreSQL."""
    found = await world.scalars(select(customer.c.customer_id).where(condition(read_tree(tree), CATALOG, moment)))
    return {one.int for one in found}


def meant(tree: Json, moment: Moment, persons: list[Person] = PEOPLE) -> set[int]:
    """Ask the oracle."""
    return {person.customer_id.int for person in persons if holds(tree, person, moment)}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=trees, moment=st.sampled_from(MOMENTS))
async def test_sql_chooses_whom_the_tree_means(world: AsyncConnection, tree: Json, moment: Moment) -> None:
    assert await chosen(world, tree, moment) == meant(tree, moment)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=trees, moment=st.sampled_from(MOMENTS))
async def test_not_is_the_complement_and_twice_not_is_nothing(
    world: AsyncConnection, tree: Json, moment: Moment
) -> None:
    inside = await chosen(world, tree, moment)
    assert await chosen(world, {"not": tree}, moment) == {person.customer_id.int for person in PEOPLE} - inside
    assert await chosen(world, {"not": {"not": tree}}, moment) == inside


@pytest.mark.parametrize("window", WINDOWS, ids=str)
async def test_windows_end_where_local_dates_do(world: AsyncConnection, window: Json) -> None:
    found = 0
    for moment in MOMENTS:
        for kind in KINDS:
            tree = {"count": {"touchpoint": kind}, **window, "gte": 2}
            inside = await chosen(world, tree, moment)
            assert inside == meant(tree, moment), moment
            found += len(inside)
    assert found or window.get("last") == "PT1M"


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("operator", ["name", "channel"])
async def test_patterns_match_what_they_say(world: AsyncConnection, pattern: str, operator: str) -> None:
    tree: Json = {"field": "name", "like": pattern}
    if operator == "channel":
        tree = {"count": {"touchpoint": KINDS[0], "where": {"field": "channel", "like": pattern}}, "gte": 1}
    assert await chosen(world, tree, MOMENTS[0]) == meant(tree, MOMENTS[0])


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
