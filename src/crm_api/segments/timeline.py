"""What segments show in a customer's timeline: each time the customer came in and went, read from the memberships.

No touchpoint is written for it: membership is a field, so that no definition can feed itself.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Text, Uuid, cast, func, literal, select, union_all

from ..touchpoints.parts import TimelinePart
from .models import Membership, Segment

ENTERED: Final = "segment.entered"
EXITED: Final = "segment.exited"


def _moves(customer_id: ColumnElement[Any]) -> Select[Any]:
    """Answer the entries and exits of a customer by published builds, those of archived segments too."""
    entered = _move(ENTERED, Membership.entered_at, Membership.entered_build, customer_id)
    exited = _move(EXITED, Membership.left_at, Membership.left_build, customer_id)
    moves = union_all(entered, exited).subquery("move")
    told = func.json_build_object("segment_id", moves.c.segment_id, "build", moves.c.build)
    return select(
        _id(moves.c).label("id"),
        moves.c.customer_id,
        moves.c.kind,
        moves.c.at.label("occurred_at"),
        moves.c.at.label("recorded_at"),
        literal("segments").label("source"),
        cast(moves.c.segment_id, Text).label("source_id"),
        literal("crm-api").label("recorded_by"),
        moves.c.name.label("subject"),
        cast(told, Text).label("properties"),
    )


def _move(kind: str, at: Any, build: Any, customer_id: ColumnElement[Any]) -> Select[Any]:
    return (
        select(
            Membership.customer_id,
            Membership.segment_id,
            Segment.name,
            literal(kind).label("kind"),
            at.label("at"),
            build.label("build"),
        )
        .join_from(Membership, Segment, Segment.id == Membership.segment_id)
        .where(Membership.customer_id == customer_id, build <= Segment.current_build)
    )


def _id(move: Any) -> ColumnElement[Any]:
    """Make an id that is always the same: a UUIDv8 (RFC 9562, section 5.8) of whom, where, when in and which way."""
    said = func.concat_ws(":", move.customer_id, move.segment_id, move.build, move.kind)
    digits = func.md5(said)
    return cast(
        func.concat(func.substr(digits, 1, 12), "8", func.substr(digits, 14, 3), "8", func.substr(digits, 18)), Uuid
    )


SEGMENT_MOVES: Final = TimelinePart("segment_moves", (ENTERED, EXITED), "segments:read", _moves)
