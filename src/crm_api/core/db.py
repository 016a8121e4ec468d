"""The database: one engine for writes, one driver pool for reads, and the only commit."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from uuid import UUID

import asyncpg
import structlog
from fastapi import Depends, Request
from sqlalchemy import DateTime, Integer, LargeBinary, MetaData, Numeric, Text, Uuid, event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Session as OrmSession

from ..settings import Settings
from .read import Reader

Act = Callable[[], Awaitable[None]]
LONGEST_WRITE_SECONDS = 60
"""No statement and no idle transaction lives longer; watermarks rest on it."""

_SERVER_SETTINGS = {
    "jit": "off",
    "timezone": "UTC",
    "application_name": "crm-api",
    "statement_timeout": f"{LONGEST_WRITE_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{LONGEST_WRITE_SECONDS}s",
}
log = structlog.get_logger()


class Base(DeclarativeBase):
    """Mother of all tables. Ids and times come from the application, so no column has a server default."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(referred_table_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        int: Integer,
        bytes: LargeBinary,
        UUID: Uuid,
        Decimal: Numeric,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(none_as_null=True),
        list[Any]: JSONB(none_as_null=True),
    }


class _Session(OrmSession):
    """A session that knows whether its transaction has begun in the database."""


@event.listens_for(_Session, "after_begin")
def _note_beginning(session: OrmSession, _transaction: object, _connection: object) -> None:
    session.info["has_begun"] = True


class Database:
    """Connections of one process; `async with` opens and closes them, and nothing is connected before it is needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def __aenter__(self) -> "Database":
        size = self._settings.pool_size
        self.engine = create_async_engine(
            self._settings.sqlalchemy_url,
            pool_size=size,
            max_overflow=0,
            pool_timeout=10,
            hide_parameters=True,  # errors are logged, and parameters are personal data
            connect_args={"server_settings": _SERVER_SETTINGS, "timeout": 5},
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_dead_connection)
        self.sessions = async_sessionmaker(self.engine, expire_on_commit=False, sync_session_class=_Session)
        self.pool = await asyncpg.create_pool(
            self._settings.driver_dsn,
            min_size=0,
            max_size=size,
            timeout=5,
            server_settings=_SERVER_SETTINGS,
            max_cacheable_statement_size=0,  # no bound: what is long to read is longest to plan
            init=_read_as_wire,
            reset=_keep_session,
        )
        self.reader = Reader(self.pool)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.engine.dispose()
        with contextlib.suppress(TimeoutError):
            await self.pool.close()

    async def connect(self) -> asyncpg.Connection:
        """Open a connection outside the pools, for streams, which hold theirs for long."""
        connection = await asyncpg.connect(self._settings.driver_dsn, timeout=5, server_settings=_SERVER_SETTINGS)
        await _read_as_wire(connection)
        return connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed at the end of the block, rolled back when it raises; then hints leave."""
        async with self.sessions() as session:
            async with session.begin():
                yield session
                for act in session.info.get("before_commit", ()):
                    await act()
                await self._write_last(session)
            for tell in session.info.get("after_commit", ()):
                await tell()

    async def _write_last(self, session: AsyncSession) -> None:
        """Run what `write_last` was given: in the session's transaction, or as one of its own if none has begun."""
        wish = session.info.get("last_write")
        if wish is None:
            return
        sql, arguments = wish
        where = await driver(session) if session.info.get("has_begun") else self.pool
        await where.execute(sql, *arguments)


def write_last(session: AsyncSession, sql: str, *arguments: Any) -> None:
    """Run one statement of the driver as the last act of the transaction.

    When it is also the only one it is a transaction by itself: one round trip, where BEGIN and COMMIT make three.
    """
    session.info["last_write"] = (sql, arguments)


async def driver(session: AsyncSession) -> asyncpg.Connection:
    """Lend the driver's connection of a session, inside its transaction.

    SQLAlchemy begins the transaction with the first statement of its own. What the driver did before that would stand
    outside and survive a rollback, so if need be the transaction is begun here. A session has one transaction, and the
    connection stays its own until that ends.
    """
    lent: asyncpg.Connection | None = session.info.get("driver")
    if lent is None:
        connection = await session.connection()
        adapted: Any = await connection.get_raw_connection()
        lent = session.info["driver"] = adapted.driver_connection
        if adapted.dbapi_connection._transaction is None:
            await adapted.dbapi_connection._start_transaction()  # what SQLAlchemy does before its first statement
    return lent


def before_commit(session: AsyncSession, act: Act) -> None:
    """Call something as the last act of the transaction; what it raises rolls the transaction back."""
    session.info.setdefault("before_commit", []).append(act)


def after_commit(session: AsyncSession, tell: Act) -> None:
    """Call something once the transaction is durable. It must be quick and must not raise: it is a hint, not a
    record.
    """
    session.info.setdefault("after_commit", []).append(tell)


def _refuse_dead_connection(connection: Any, _record: object, _proxy: object) -> None:
    """Let the pool replace a connection whose server went away; costs no round trip, as a ping would."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


async def _read_as_wire(connection: asyncpg.Connection) -> None:
    """Make the driver answer what orjson can dump: ids as text, JSON as the text PostgreSQL holds."""
    await connection.set_type_codec("uuid", schema="pg_catalog", encoder=str, decoder=str, format="text")


async def _keep_session(_connection: asyncpg.Connection) -> None:
    """Save the round trip that resets a connection: reads set nothing that would have to be reset."""


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Open the request's transaction; leaving the block is the COMMIT, and it happens before the answer leaves."""
    database: Database = request.app.state.database
    async with database.session() as session:
        request.state.session = session
        yield session


async def get_reader(request: Request) -> Reader:
    """Answer the read side: single statements on the driver, outside of transactions."""
    reader: Reader = request.app.state.database.reader
    return reader


Session = Annotated[AsyncSession, Depends(get_session, scope="function")]
Reads = Annotated[Reader, Depends(get_reader)]
