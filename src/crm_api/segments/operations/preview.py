"""Trying a definition out: how many are meant, who for example, and in which segments they are already."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, any_, bindparam, func, select

from ...audience import Catalog, Moment, condition, depends_on, print_text, with_segment_ids, write_tree
from ...audience.problems import audience_at
from ...core.read import Prepared, Reader
from ...customers.models import Customer
from ..counting import AMONG, Clock, Sampled, counted, sampled, some_of
from ..models import Membership, Segment
from ..queries import matching, visible_membership
from ..schemas import SegmentPreviewWish

SAMPLE_SIZE: Final = 20
_shown: Final[Select[*tuple[Any, ...]]] = select(
    Customer.customer_id.label("id"), Customer.kind, Customer.display_name
).order_by(Customer.customer_id)
_THESE: Final = Prepared(_shown.where(AMONG))
_largest: Final[Select[*tuple[Any, ...]]] = select(Segment.id, Segment.name, Segment.member_count)
_LARGEST: Final = Prepared(
    _largest.where(Segment.archived_at.is_(None), Segment.current_build > 0)
    .order_by(Segment.member_count.desc().nulls_last(), Segment.id)
    .limit(bindparam("limit"))
)
_SHARED: Final[Select[*tuple[Any, ...]]] = (
    select(Membership.segment_id, func.count().label("count"))
    .join_from(Membership, Segment, Segment.id == Membership.segment_id)
    .where(visible_membership(), Membership.segment_id == any_(bindparam("segment_ids", type_=ARRAY(Uuid))))
    .group_by(Membership.segment_id)
)
_SHARED_BY_THESE: Final = Prepared(
    _SHARED.where(Membership.customer_id == any_(bindparam("customer_ids", type_=ARRAY(Uuid))))
)


async def preview(reader: Reader, wish: SegmentPreviewWish, catalog: Catalog, moment: Moment) -> dict[str, Any]:
    """Say whom a definition means now: how many, some of them, and how many of them are in the largest segments; as
    exactly as the time allows. Errors: InvalidAudience.
    """
    with audience_at("/definition"):
        definition = await with_segment_ids(wish.definition, catalog, reader)
        meant = condition(definition, catalog, moment)
    trial = _Trial(reader, meant, wish.budget_ms / 1000)
    return {
        **await trial.count(),
        "sample": await trial.sample(),
        "overlaps": await trial.overlaps(wish.overlaps),
        "definition": write_tree(definition),
        "definition_text": print_text(definition),
        "depends_on": sorted(depends_on(definition, catalog)),
        "as_of": moment.now,
    }


class _Trial:
    """One definition, and the time there is for it. What is not found in time is taken from a sample, drawn once."""

    def __init__(self, reader: Reader, meant: ColumnElement[bool], seconds: float) -> None:
        self.reader, self.meant, self.seconds = reader, meant, seconds
        self.clock = Clock(seconds)
        self.total = 0
        self.picked: Sampled | None = None

    async def count(self) -> dict[str, Any]:
        """Count, exactly or not."""
        exact = await counted(self.reader, self.meant, self.clock)
        if exact is not None:
            self.total = exact
            return _count("exact", exact, exact, exact)
        picked = await self._sample()
        if not picked.looked_at:
            self.total = await self.reader.planned_rows(Prepared(matching(self.meant)))
            return _count("planner", self.total, 0, max(picked.population, self.total))
        told = picked.estimated(len(picked.found))
        self.total = told.customers
        return _count("sample", *told, sampled_count=picked.looked_at)

    async def sample(self) -> list[dict[str, Any]]:
        """Answer some of those who are meant."""
        try:
            meant = Prepared(_shown.where(Customer.archived_at.is_(None), self.meant).limit(SAMPLE_SIZE))
            rows = await self.reader.rows_within(self.clock.left, meant)
        except TimeoutError:
            picked = await self._sample()
            rows = await self.reader.rows(_THESE, **some_of(picked.found, SAMPLE_SIZE))
        return [dict(row) for row in rows]

    async def overlaps(self, most: int) -> list[dict[str, Any]]:
        """Answer how many of those who are meant are in the largest segments."""
        largest = await self.reader.rows(_LARGEST, limit=most) if most else []
        if not largest:
            return []
        how, shared = await self._shared([row["id"] for row in largest])
        if shared is None:
            return []
        return [
            {
                "segment_id": row["id"],
                "name": row["name"],
                "member_count": row["member_count"],
                "count": shared.get(row["id"], 0),
                "counted_how": how,
            }
            for row in largest
        ]

    async def _shared(self, segment_ids: list[UUID]) -> tuple[str, dict[str, int] | None]:
        these = matching(self.meant).subquery("these")
        exactly = Prepared(_SHARED.join(these, these.c.customer_id == Membership.customer_id))
        try:
            rows = await self.reader.rows_within(self.clock.left, exactly, segment_ids=segment_ids)
            return "exact", {row["segment_id"]: row["count"] for row in rows}
        except TimeoutError:
            picked = await self._sample()
        if not picked.looked_at:
            return "planner", None
        rows = await self.reader.rows(_SHARED_BY_THESE, segment_ids=segment_ids, customer_ids=picked.found)
        scale = self.total / max(len(picked.found), 1)
        return "sample", {row["segment_id"]: round(row["count"] * scale) for row in rows}

    async def _sample(self) -> Sampled:
        if self.picked is None:
            self.picked = await sampled(self.reader, self.meant, self.seconds)
        return self.picked


def _count(how: str, count: int, low: int, high: int, *, sampled_count: int | None = None) -> dict[str, Any]:
    return {
        "count": count,
        "counted_how": how,
        "count_low": low,
        "count_high": high,
        "sampled_count": sampled_count,
    }
