"""When a time is final: nothing that was recorded up to it can still appear.

Whoever stamps rows with `recorded_at` takes the time inside the transaction that stores them. So a transaction that
begins later holds later times only, and when none is left that began earlier, an earlier time is final.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import DateTime, and_, bindparam, column, exists, func, or_, select, table, text
from sqlalchemy.ext.asyncio import AsyncSession

from .clock import now
from .db import LONGEST_WRITE_SECONDS
from .read import Prepared, Reader

_LONGEST_WRITE: Final = timedelta(seconds=LONGEST_WRITE_SECONDS)
_CLOCKS_DIFFER: Final = timedelta(milliseconds=250)
"""Clocks of the database and of the machines that stamp rows differ by less than this."""
_LOOKS: Final = 50
_PAUSE_SECONDS: Final = 0.02

_activity = table(
    "pg_stat_activity", column("pid"), column("datname"), column("backend_type"), column("xact_start"), column("query")
)
_others = and_(
    _activity.c.datname == func.current_database(),
    _activity.c.backend_type == "client backend",
    _activity.c.pid != func.pg_backend_pid(),
)
# What other logins do may be hidden from this one; then only time can tell.
_may_have_begun = or_(
    _activity.c.xact_start < bindparam("before", type_=DateTime(timezone=True)),
    _activity.c.query == "<insufficient privilege>",
)
_ARE_OPEN: Final = Prepared(select(exists().where(_others, _may_have_begun).label("are_open")))
# Inside a transaction, what others do would else stay as it was when first looked at.
_LOOK_ANEW: Final = Prepared(select(func.pg_stat_clear_snapshot()))

_LATELY: Final = text("""
SELECT EXISTS (
  SELECT FROM (SELECT type, occurred_at FROM outbox_event ORDER BY id DESC LIMIT 50) AS e
  WHERE e.occurred_at > :since AND e.type NOT LIKE 'analytics.%'
)
""").bindparams(bindparam("since", type_=DateTime(timezone=True)))


async def watermark_at(session: AsyncSession, at: datetime) -> datetime:
    """Answer a watermark for what was acknowledged before an instant, one that is final soonest.

    When nothing was told of for half a second, nothing was recorded in the last quarter of it, and a watermark before
    that says the same without having to be waited for.
    """
    is_busy = await session.scalar(_LATELY, {"since": at - 2 * _CLOCKS_DIFFER})
    return at if is_busy else at - _CLOCKS_DIFFER


async def is_final(reader: Reader, until: datetime) -> bool:
    """Say whether everything recorded up to a time can be read by now. Once final, a time stays final.

    After the longest write it always is; before, when no transaction is left that began early enough to hold such rows.
    To tell, a quarter of a second has to pass since the time, and is waited for; most writes end within a second, which
    is waited for too.
    """
    at = now()
    if at >= until + _LONGEST_WRITE:
        return True
    if at < until:
        return False
    await asyncio.sleep((until + _CLOCKS_DIFFER - at).total_seconds())
    return await have_ended(reader, until + _CLOCKS_DIFFER)


async def have_ended(reader: Reader, before: datetime) -> bool:
    """Say whether the transactions that began before a time of the database's clock have ended; waits a second for it.

    Those that began a minute earlier have. The time has come, and one's own transaction does not count.
    """
    for _ in range(_LOOKS):
        row = await reader.row(_ARE_OPEN, before=before)
        if row is not None and not row["are_open"]:
            return True
        await asyncio.sleep(_PAUSE_SECONDS)
        await reader.row(_LOOK_ANEW)
    return False
