"""What callers of the change feed send and get."""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from ..core.schemas import Instant, Output, Params

MOST_POSITIONS: Final = 2**63 - 1
_CUSTOMER: Final = "0198c5a0-0000-7000-8000-0000000000c1"
EVENT: Final[dict[str, Any]] = {
    "id": "0198c5a0-0000-7000-8000-0000000000e1",
    "position": 4711,
    "type": "customer.registered",
    "customer_id": _CUSTOMER,
    "occurred_at": "2026-01-31T09:30:00Z",
    "data": {"id": _CUSTOMER, "version": 1},
}

Position = Annotated[int, Field(ge=0, le=MOST_POSITIONS)]
TypeName = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^[a-z][a-z_]*(\.[a-z][a-z_]*)*(\.\*)?$", examples=["segment.*"])
]


class EventTypeParams(Params):
    """Which types are meant."""

    type: Annotated[
        list[TypeName] | None,
        Field(max_length=50, description="Only these types, or all that begin alike: `segment.*`; may be repeated"),
    ] = None


class EventListParams(EventTypeParams):
    """Which events to read."""

    after: Annotated[
        Position | Literal["latest"] | None,
        Field(
            description="Only events behind this position, as `next_after` or the id of a stream's event named it; "
            "`latest` for those that are still to come; the oldest that are kept when it is left out",
            examples=[4711],
        ),
    ] = None
    limit: Annotated[int, Field(ge=1, le=200, description="Events on a page")] = 50


class EventRead(Output):
    """Something that happened. What `data` holds depends on `type`: see `GET /v1/events/types`."""

    id: Annotated[UUID, Field(description="The same wherever the event is told")]
    position: Annotated[int, Field(ge=1, description="Place in the feed: consecutive, in the order of the commits")]
    type: Annotated[str, Field(description="`<resource>.<what happened>`")]
    customer_id: Annotated[UUID | None, Field(description="Whom it concerns, where that is one customer")]
    occurred_at: Instant
    data: Annotated[dict[str, Any], Field(description="Ids and names of fields; no names, addresses or amounts")]

    model_config = ConfigDict(json_schema_extra={"examples": [EVENT]})


class EventPage(Output):
    """The next events. The feed has no end: keep `next_after`, and ask with it again."""

    data: list[EventRead]
    next_after: Annotated[int, Field(ge=0, description="Pass it as `after` to get what comes next, now or later")]
    has_more: Annotated[bool, Field(description="Whether there is more already; if not, ask again in a while")]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"data": [EVENT], "next_after": EVENT["position"], "has_more": False}]}
    )


class EventTypeRead(Output):
    """A type of events."""

    type: str
    description: str
    data_schema: Annotated[dict[str, Any], Field(description="JSON Schema (2020-12) of `data`")]


class EventTypeList(Output):
    """All types of events there are."""

    data: list[EventTypeRead]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "data": [
                        {
                            "type": "customer.registered",
                            "description": "A customer was registered.",
                            "data_schema": {"type": "object", "properties": {"id": {"type": "string"}}},
                        }
                    ]
                }
            ]
        }
    )


class PlacementsDone(Output):
    """What a round of the relay did."""

    placed: Annotated[int, Field(ge=0, description="Events that were given their position")]
    dropped: Annotated[int, Field(ge=0, description="Events that were older than is kept")]
    last_position: Annotated[
        int | None, Field(description="Of the newest event that has its place; null when another relay is at work")
    ]
    has_more: Annotated[bool, Field(description="Call again at once: there may be more to do")]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"placed": 12, "dropped": 0, "last_position": 4711, "has_more": False}]}
    )
