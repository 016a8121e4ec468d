"""A time is final when no transaction is left that could still store rows from before it."""

import asyncio
from datetime import timedelta

from sqlalchemy import func, select, text

from crm_api.core.clock import now
from crm_api.core.db import Database, driver, idling
from crm_api.core.read import Reader
from crm_api.core.watermark import have_ended, is_final


async def test_a_minute_ago_is_final_whatever_is_open(database: Database) -> None:
    async with database.session() as session:
        await session.execute(select(1))
        assert await is_final(database.reader, now() - timedelta(seconds=61)), "no write lives so long"


async def test_the_future_is_not_final(database: Database) -> None:
    assert not await is_final(database.reader, now() + timedelta(seconds=30))


async def test_what_waits_to_commit_is_waited_for(database: Database) -> None:
    async with database.session() as writing:
        await writing.execute(select(1))
        at = now()
        assert not await is_final(database.reader, at)
    assert await is_final(database.reader, at)


async def test_who_began_later_is_not_waited_for(database: Database) -> None:
    at = now()
    await asyncio.sleep(0.3)
    async with database.session() as writing:
        await writing.execute(select(1))
        assert await is_final(database.reader, at)


async def test_a_transaction_sees_the_others_end(database: Database) -> None:
    async with database.session() as waiting:
        own = Reader(await driver(waiting))
        async with database.session() as writing:
            await writing.execute(select(1))
            async with database.session() as session:
                at = (await session.scalars(select(func.now()))).one()
            task = asyncio.create_task(have_ended(own, at))
            await asyncio.sleep(0.1)
            assert not task.done()
        assert await task


async def test_a_change_idles_no_longer_than_that_once_it_records(database: Database) -> None:
    limit = text("SHOW idle_in_transaction_session_timeout")
    async with database.session() as session:
        async with idling(session):  # it has not begun, so nothing idles
            pass
        assert await session.scalar(limit) == "1min"
        async with idling(session):
            assert await session.scalar(limit) == "0"
        assert await session.scalar(limit) == "1min"
