"""Acting on many customers: a set job goes through them in order of their ids, and changes those an audience means.

Each changed customer gets what a change of it alone would give: the next version, an audit row, an event, a mark. They
are written with the cursor of the step, so that a step that is killed has changed nobody.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...audience import Catalog, Moment, checked, condition, read_tree, with_segment_ids, write_tree
from ...audience.problems import audience_at
from ...core.clock import written
from ...core.db import driver
from ...core.read import Reader
from ...core.trail import record
from ...jobs.kinds import JobKind, Step
from ...jobs.models import Job
from ...jobs.operations import enqueue
from ...jobs.rules import added
from .. import queries
from ..action_schemas import Action, CustomerAction
from ..catalog import LivingCatalog, with_custom_fields
from ..models import Customer
from ..ranges import Range, end_of_range
from ..rules import MOST, Document, changed, retagged
from . import store
from .change import next_version, put_away, taken_back, tell_changed
from .ground import DeclaredFields
from .rows import loaded

ACTION: Final = "customer-action"
_LOOKED_AT: Final = 20_000
_CHANGED: Final = 1_000
_LOCK: Final = "SELECT FROM customer WHERE customer_id = ANY($1::uuid[]) ORDER BY customer_id FOR UPDATE"
_TOLD: Final = {
    "tag": ("customer.changed", ["tags"]),
    "archive": ("customer.archived", ["archived_at"]),
    "restore": ("customer.restored", ["archived_at"]),
}


def customer_actions(catalog: LivingCatalog, range_size: int = _LOOKED_AT, most: int = _CHANGED) -> JobKind:
    """Make the kind of job that acts on customers; a step looks at so many of them, and changes `most` at most."""
    return JobKind(ACTION, "set", step=partial(_step, catalog, range_size, most))


async def act(
    session: AsyncSession, who: Principal, kind: JobKind, wish: CustomerAction, catalog: Catalog, moment: Moment
) -> Job:
    """Queue an action on the customers an audience means at a moment. Errors: InvalidAudience."""
    with audience_at("/audience"):
        tree = checked(await with_segment_ids(wish.audience, catalog, Reader(await driver(session))), catalog)
    told = wish.model_dump(include={"action", "add_tags", "remove_tags", "dry_run"})
    of_whom = {"audience": write_tree(tree), "as_of": written(moment.now), "time_zone": moment.zone.key}
    job = await enqueue(session, kind, {**told, **of_whom}, by=who.client_id)
    record(session, who.client_id, "customers.action-requested", ("job", job.id), changes=told)
    return job


async def _step(catalog: LivingCatalog, range_size: int, most: int, session: AsyncSession, job: Job) -> Step:
    """Act on the next customers: on all that are meant in a range, or on so many that the range has to be cut.

    A range that took too long is tried again as a smaller one.
    """
    cursor = job.cursor or {"after": None, "seen": 0, "customer_count": await _how_many(session, Range(None, None))}
    after = None if cursor["after"] is None else UUID(cursor["after"])
    reached: UUID | None = await session.scalar(end_of_range(after, max(range_size >> 2 * job.failure_count, 1)))
    ids = await _meant(session, job, catalog, Range(after, reached), most)
    if len(ids) == most:
        reached = ids[-1]
    counts = await _change(session, job, ids)
    if reached is None:
        result = {"dry_run": job.arguments["dry_run"], **added(job.counts, counts)}
        return Step(done=True, counts=counts, result=result)
    seen = cursor["seen"] + await _how_many(session, Range(after, reached))
    share = min(seen / max(cursor["customer_count"], 1), 0.99)
    return Step(done=False, cursor={**cursor, "after": str(reached), "seen": seen}, progress=share, counts=counts)


async def _how_many(session: AsyncSession, part: Range) -> int:
    statement = select(func.count()).select_from(Customer).where(part.of(Customer.customer_id))
    return (await session.scalars(statement)).one()


async def _meant(session: AsyncSession, job: Job, catalog: LivingCatalog, part: Range, most: int) -> Sequence[UUID]:
    """Answer the first customers of a range that an action is about, in order."""
    told = job.arguments
    moment = Moment(datetime.fromisoformat(told["as_of"]), ZoneInfo(told["time_zone"]))
    with audience_at("/audience"):
        meant = condition(read_tree(told["audience"]), await with_custom_fields(session, catalog), moment)
    archived = queries.Shape(archived="true" if told["action"] == "restore" else "false")
    among = (*queries.chosen(archived), Customer.created_at <= moment.now, part.of(Customer.customer_id))
    statement = select(Customer.customer_id).where(*among, meant).order_by(Customer.customer_id).limit(most)
    return (await session.scalars(statement)).all()


async def _change(session: AsyncSession, job: Job, ids: Sequence[UUID]) -> dict[str, int]:
    """Do to customers what is wished, and count what became of them.

    They are locked before they are read, in order of their ids as other writers do, so that none changes meanwhile.
    """
    connection = await driver(session)
    if not job.arguments["dry_run"]:
        await connection.execute(_LOCK, ids)
    counts: Counter[str] = Counter(dict.fromkeys(("selected", "changed", "unchanged", "too_many_tags"), 0))
    changes: list[store.Change] = []
    for before in map(loaded, await connection.fetch(queries.BY_IDS.sql, ids)):
        after = _acted(before, job.arguments)
        became = "unchanged" if after is before else "changed"
        if after is not None and became == "changed":
            changes.append(store.Change(before, after))
        counts.update(("selected", "too_many_tags" if after is None else became))
    if changes and not job.arguments["dry_run"]:
        await store.write(connection, changes, await DeclaredFields().refresh(session))
        event, names = _TOLD[job.arguments["action"]]
        for each in changes:
            tell_changed(session, job.created_by, event, each.after, names, job_id=job.id)
    return dict(counts)


def _acted(before: Document, wish: dict[str, Any]) -> Document | None:
    """Answer the next version of a customer; the same document when nothing is to be done, none when it cannot be."""
    action = cast(Action, wish["action"])
    if action == "archive":
        return put_away(before)
    if action == "restore":
        return taken_back(before)
    after = retagged(before, wish["add_tags"], wish["remove_tags"])
    if len(after["tags"]) > MOST["tags"]:
        return None
    return next_version(after) if changed(before, after) else before
