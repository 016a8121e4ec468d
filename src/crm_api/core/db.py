"""The database: one engine for writes, one driver pool for reads, and the only commit."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from uuid import UUID

import asyncpg
import structlog
from fastapi import Depends, Request
from sqlalchemy import DateTime, Double, Integer, LargeBinary, MetaData, Numeric, Text, Uuid, event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Session as OrmSession

from ..settings import Settings
from .closing import Part, composed
from .read import Reader

Act = Callable[[], Awaitable[None]]
Leave = Callable[[], Iterable[Part]]
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
        float: Double,
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

    def equip(self, **things: object) -> None:
        """Put things within reach of every session, in its `info`."""
        self.sessions.configure(info={**self.sessions.kw.get("info", {}), **things})

    async def connect(self) -> asyncpg.Connection:
        """Open a connection outside the pools, for streams, which hold theirs for long."""
        connection = await asyncpg.connect(self._settings.driver_dsn, timeout=5, server_settings=_SERVER_SETTINGS)
        await _read_as_wire(connection)
        return connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed at the end of the block, rolled back when it raises; then hints leave."""
        async with Change(self) as change:
            yield change.session


class Change:
    """One transaction, begun with its first statement: committed at the end of the block, rolled back if it raises."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._session: AsyncSession | None = None

    @property
    def session(self) -> AsyncSession:
        """The session of the change, made when it is first asked for."""
        if self._session is None:
            self._session = self._database.sessions(info={"pool": self._database.pool})
        return self._session

    async def __aenter__(self) -> "Change":
        return self

    async def __aexit__(self, error: type[BaseException] | None, *_: object) -> None:
        session = self._session
        if session is None:
            return
        try:
            if error is None:
                await close(session)
                if session.in_transaction():
                    await session.commit()
        finally:
            if "has_begun" in session.info:
                await session.__aexit__(None, None, None)  # rolls back what was not committed, shielded
        if error is None:
            for tell in session.info.get("after_commit", ()):
                await tell()


class MustBegin(Exception):
    """A change that was tried without a transaction met another one, and has to be done again inside of one."""


def let_stand_alone(session: AsyncSession) -> None:
    """Let a change that turns out to be one statement do without BEGIN and COMMIT: one round trip instead of three.

    Whoever allows it repeats the change without allowance when `close` raises MustBegin.
    """
    session.info["alone"] = True


def stands_alone(session: AsyncSession) -> bool:
    """Say whether nothing was begun yet, and nothing has to be."""
    return "alone" in session.info and "has_begun" not in session.info


def write_last(session: AsyncSession, sql: str, *arguments: Any) -> None:
    """Insert one row as the last act; what else the change leaves behind is written only if that row is.

    When it is the only act, the statement is a transaction by itself.
    """
    session.info["last_write"] = Part(sql, arguments)


def leave(session: AsyncSession, leaving: Leave) -> None:
    """Add what a change leaves behind to its last statement; asked for when the change is complete."""
    session.info.setdefault("leaving", []).append(leaving)


async def close(session: AsyncSession) -> None:
    """Do the last acts of a change, once. Errors: MustBegin."""
    info = session.info
    for act in info.pop("before_commit", ()):
        await act()
    made: Part | None = info.pop("last_write", None)
    parts = [part for leaving in info.pop("leaving", ()) for part in leaving()]
    if made is None and not parts:
        return
    sql, arguments = composed(made, parts)
    if not stands_alone(session):
        where = await driver(session) if "has_begun" in info else info["pool"]
        await where.fetchval(sql, *arguments)
        return
    try:
        is_made = await info["pool"].fetchval(sql, *arguments)
    except (asyncpg.IntegrityConstraintViolationError, asyncpg.InvalidCachedStatementError) as error:
        raise MustBegin from error
    if not is_made:
        raise MustBegin


async def reach(session: AsyncSession) -> asyncpg.Connection | asyncpg.Pool:
    """Answer where a change that may stand alone looks things up."""
    pool: asyncpg.Pool = session.info["pool"]
    return pool if stands_alone(session) else await driver(session)


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


@asynccontextmanager
async def idling(session: AsyncSession) -> AsyncIterator[None]:
    """Let a transaction that has begun, with nothing recorded yet, wait for as long as a block takes."""
    has_begun = "has_begun" in session.info
    if has_begun:
        await (await driver(session)).execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    yield
    if has_begun:
        await (await driver(session)).execute("SET LOCAL idle_in_transaction_session_timeout TO DEFAULT")


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


async def get_session(request: Request) -> AsyncSession:
    """Answer the session of the request's change; core.route ends it before the answer leaves."""
    change: Change = request.state.change
    return change.session


async def get_reader(request: Request) -> Reader:
    """Answer the read side: single statements on the driver, outside of transactions."""
    reader: Reader = request.app.state.database.reader
    return reader


Session = Annotated[AsyncSession, Depends(get_session)]
Reads = Annotated[Reader, Depends(get_reader)]
