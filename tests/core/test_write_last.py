"""A write that is the last act of its transaction, and a transaction by itself when it is the only one."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import func, select, text

from crm_api.core.db import Database, write_last

PLANT = "INSERT INTO planted_last VALUES ($1)"


@pytest.fixture
async def planted(database: Database) -> AsyncIterator[Database]:
    """A database with a table to write into."""
    async with database.session() as session:
        await session.execute(text("CREATE TABLE planted_last (n int PRIMARY KEY)"))
    yield database
    async with database.session() as session:
        await session.execute(text("DROP TABLE planted_last"))


async def numbers(database: Database) -> list[int]:
    async with database.session() as session:
        return list((await session.scalars(text("SELECT n FROM planted_last ORDER BY n"))).all())


async def test_alone_it_is_a_transaction_by_itself(planted: Database) -> None:
    async with planted.session() as session:
        write_last(session, PLANT, 1)
        assert await numbers(planted) == [], "it comes last"
        assert "has_begun" not in session.info
    assert await numbers(planted) == [1]


async def test_with_others_it_shares_their_transaction(planted: Database) -> None:
    async with planted.session() as session:
        write_last(session, PLANT, 2)
        await session.execute(text("INSERT INTO planted_last VALUES (1)"))
    assert await numbers(planted) == [1, 2]
    with pytest.raises(asyncpg.UniqueViolationError):
        async with planted.session() as session:
            await session.execute(text("INSERT INTO planted_last VALUES (3)"))
            write_last(session, PLANT, 1)
    assert await numbers(planted) == [1, 2], "what fails last undoes all"


async def test_what_raises_before_it_writes_nothing(planted: Database) -> None:
    with pytest.raises(RuntimeError, match="changed my mind"):
        async with planted.session() as session:
            write_last(session, PLANT, 1)
            raise RuntimeError("changed my mind")
    async with planted.session() as session:
        assert await session.scalar(select(func.count()).select_from(text("planted_last"))) == 0
