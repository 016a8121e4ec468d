"""Statements that keep members right between builds: marks, what is stale, what is due."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, BindParameter, DateTime, Text, Uuid, bindparam, case, func, literal, select, text
from sqlalchemy.dialects.postgresql import Insert, insert

from ..audience import Moment
from ..audience.depends import OF_MEMBER
from ..audience.windows import last
from ..touchpoints.models import Touchpoint
from .models import MembershipDue
from .queries import Customers

_AT: Final = bindparam("at", type_=DateTime(timezone=True))
_SEGMENT: Final = bindparam("segment_id", type_=Uuid())
_TOPICS: Final = bindparam("topics", type_=ARRAY(Text))
_CUSTOMERS: Final = bindparam("customer_ids", type_=ARRAY(Uuid))
_TOPICS_LOCK: Final = 0x5E65_0002

TAKE_MARKS: Final = text("""
DELETE FROM change_mark WHERE id IN (SELECT id FROM change_mark ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING topic, customer_id
""")
MARKS_BECOME_STALE: Final = text("""
INSERT INTO stale_membership (segment_id, customer_id)
SELECT DISTINCT t.segment_id, m.customer_id
FROM unnest(CAST(:topics AS text[]), CAST(:customer_ids AS uuid[])) AS m (topic, customer_id)
JOIN segment_topic t ON t.topic = m.topic
ON CONFLICT DO NOTHING
""").bindparams(_TOPICS, _CUSTOMERS)
MARKS_OF_MEMBERS_BECOME_STALE: Final = text(f"""
INSERT INTO stale_membership (segment_id, customer_id)
SELECT DISTINCT t.segment_id, theirs.customer_id
FROM unnest(CAST(:topics AS text[]), CAST(:customer_ids AS uuid[])) AS m (topic, customer_id)
JOIN segment_topic t ON t.topic = '{OF_MEMBER}' || m.topic
JOIN household_member mine ON mine.customer_id = m.customer_id
JOIN household_member theirs ON theirs.household_id = mine.household_id
ON CONFLICT DO NOTHING
""").bindparams(_TOPICS, _CUSTOMERS)  # noqa: S608  # ours
"""Whoever lives with somebody who changed is looked at again, where a segment asks the members of households."""
SEGMENTS_ARE_DUE: Final = text("""
UPDATE segment SET due_at = :at
WHERE archived_at IS NULL AND id IN (SELECT segment_id FROM segment_topic WHERE topic = ANY(CAST(:topics AS text[])))
""").bindparams(_AT, _TOPICS)
DUE_BECOMES_STALE: Final = text("""
WITH due AS (
  DELETE FROM membership_due WHERE (segment_id, customer_id) IN (
    SELECT segment_id, customer_id FROM membership_due WHERE due_at <= :at
    ORDER BY due_at LIMIT 20000 FOR UPDATE SKIP LOCKED
  ) RETURNING segment_id, customer_id
)
INSERT INTO stale_membership (segment_id, customer_id) SELECT segment_id, customer_id FROM due ON CONFLICT DO NOTHING
""").bindparams(_AT)
SEGMENT_IS_DUE: Final = text("UPDATE segment SET due_at = :at WHERE id = :segment_id").bindparams(_AT, _SEGMENT)
_IS_DUE: Final = "s.due_at <= :at AND s.status = 'built' AND s.archived_at IS NULL"
DUE_SEGMENTS: Final = text(f"SELECT s.id FROM segment s WHERE {_IS_DUE} ORDER BY s.id").bindparams(_AT)  # noqa: S608  # ours
STALE: Final = text("""
SELECT m.segment_id, count(*) FROM stale_membership m JOIN segment s ON s.id = m.segment_id
WHERE s.status = 'built' AND s.archived_at IS NULL GROUP BY m.segment_id ORDER BY m.segment_id
""")
IS_ANYTHING_DUE: Final = text(f"""
SELECT EXISTS (SELECT FROM change_mark) OR EXISTS (SELECT FROM membership_due WHERE due_at <= :at)
  OR EXISTS (SELECT FROM segment s WHERE {_IS_DUE})
  OR EXISTS (
    SELECT FROM stale_membership m JOIN segment s ON s.id = m.segment_id
    WHERE s.status = 'built' AND s.archived_at IS NULL
  )
""").bindparams(_AT)  # noqa: S608  # ours
UNCHECKED: Final = text("""
SELECT s.id FROM segment s
WHERE s.status = 'built' AND s.archived_at IS NULL AND greatest(s.checked_at, s.built_at) < :at AND NOT EXISTS (
  SELECT FROM job j WHERE j.singleton_key = 'segment-check:' || s.id AND j.finished_at >= :at
)
ORDER BY s.built_at LIMIT 5
""").bindparams(_AT)
"""Those to be checked; one whose check failed, or was cancelled, rests for as long as one that succeeded."""
AWAITED: Final = text("""
SELECT c.id FROM unnest(CAST(:customer_ids AS uuid[])) AS c (id)
WHERE EXISTS (SELECT FROM change_mark m WHERE m.customer_id = c.id OR m.customer_id IS NULL)
  OR EXISTS (SELECT FROM stale_membership s WHERE s.segment_id = :segment_id AND s.customer_id = c.id)
  OR EXISTS (
    SELECT FROM membership_due d WHERE d.segment_id = :segment_id AND d.customer_id = c.id AND d.due_at <= :at
  )
""").bindparams(_CUSTOMERS, _SEGMENT, _AT)
"""Those of some customers who wait to be looked at."""
TAKE_STALE: Final = text(
    "DELETE FROM stale_membership WHERE segment_id = :segment_id RETURNING customer_id"
).bindparams(_SEGMENT)
FORGET_STALE: Final = text("DELETE FROM stale_membership WHERE segment_id = :segment_id").bindparams(_SEGMENT)
FORGET_DUE: Final = text("DELETE FROM membership_due WHERE segment_id = :segment_id").bindparams(_SEGMENT)

LOCK_TOPICS: Final = text(f"SELECT pg_advisory_xact_lock({_TOPICS_LOCK})")
WATCH: Final = text("""
INSERT INTO segment_topic (topic, segment_id) SELECT unnest(CAST(:topics AS text[])), :segment_id
ON CONFLICT DO NOTHING RETURNING topic
""").bindparams(_TOPICS, _SEGMENT)
WATCH_TOPICS: Final = text("""
INSERT INTO watched_topic (topic) SELECT unnest(CAST(:topics AS text[])) ON CONFLICT DO NOTHING
""").bindparams(_TOPICS)
WATCH_NO_MORE: Final = text("""
DELETE FROM segment_topic WHERE segment_id = :segment_id AND topic <> ALL (CAST(:topics AS text[]))
""").bindparams(_TOPICS, _SEGMENT)
UNWATCHED_TOPICS: Final = text("""
DELETE FROM watched_topic w WHERE NOT EXISTS (SELECT FROM segment_topic t WHERE t.topic = w.topic)
""")


def windows_end(segment_id: UUID, kind: str, duration: str, part: Customers, moment: Moment) -> Insert:
    """Note when a window of hours or minutes next moves over a touchpoint of a kind: lets it go, or takes in one that
    is dated ahead.
    """
    bounds = last(duration, moment)
    if bounds.start is None or bounds.end is None:
        raise ValueError(f"{duration} does not roll")
    length: timedelta = bounds.end - bounds.start
    start: BindParameter[object] = literal(bounds.start, DateTime(timezone=True))
    leaves = Touchpoint.occurred_at + length
    moves = case((Touchpoint.occurred_at > moment.now, Touchpoint.occurred_at), else_=leaves)
    rows = (
        select(literal(segment_id, Uuid()), Touchpoint.customer_id, func.min(moves))
        .where(Touchpoint.kind == kind, Touchpoint.occurred_at >= start, part.of(Touchpoint.customer_id))
        .group_by(Touchpoint.customer_id)
    )
    added = insert(MembershipDue).from_select(["segment_id", "customer_id", "due_at"], rows)
    sooner = func.least(MembershipDue.due_at, added.excluded.due_at)
    return added.on_conflict_do_update(index_elements=["segment_id", "customer_id"], set_={"due_at": sooner})
