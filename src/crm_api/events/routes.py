"""HTTP of the change feed: pages, a stream, the types there are, and the tick of the relay."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize, authorize_once
from ..core.db import Session
from ..core.event_types import EventType
from ..core.problems import InvalidRequest, NotAcceptable, finding, problems
from ..core.read import answer
from ..core.route import Route
from ..core.server_events import LastEventId, stream
from ..core.streams import wants
from . import operations, rules
from .feed import Feed
from .problems import EventsGone
from .queries import State
from .schemas import MOST_POSITIONS, EventListParams, EventPage, EventTypeList, EventTypeParams, PlacementsDone

router = APIRouter(prefix="/v1/events", tags=["Events"], route_class=Route)
worker_router = APIRouter(prefix="/v1/events", tags=["Workers"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["events:read"])]
CanWork = Annotated[Principal, Security(authorize_once, scopes=["jobs:work"])]
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A page; or, for `Accept: text/event-stream`, events as they come, for ten minutes at most",
        "headers": {"Link": {"description": "The next page, where there is one already", "schema": {"type": "string"}}},
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'id: 4711\ndata: {"id": "0198c5a0-…", "position": 4711, "type": "customer.changed", …}\n\n',
            }
        },
    }
}


@router.get(
    "",
    summary="Read the change feed",
    response_model=EventPage,
    responses={**_STREAM, **problems(NotAcceptable, EventsGone)},
)
async def list_events(
    request: Request,
    params: Annotated[EventListParams, Query()],
    _who: CanRead,
    last_event_id: LastEventId = None,
) -> Response:
    """Read what happened, in the order of the commits: each event once, with consecutive positions, none missing. What
    was answered before you ask is in it. There is no cursor: `next_after` is good for ever, with any filter.

    `Accept: text/event-stream` follows the feed: each event within a second, its position as id; a reader that comes
    back with `Last-Event-ID` goes on there. Scope: events:read.
    """
    form = wants(request, ("json", "events"))
    feed: Feed = request.app.state.feed
    types = _types(request, params.type)
    state = await feed.catch_up()
    after = _after(state, params, last_event_id)
    if form == "events":
        return stream(request, feed.blocks(after, types, request.app.state.stopping))
    events, reached = await feed.page(state, after, types, params.limit)
    has_more = reached < state.last_position
    headers = {"Vary": "Accept", **(_link(request, reached) if has_more else {})}
    return answer({"data": events, "next_after": reached, "has_more": has_more}, headers=headers)


@router.get("/types", summary="List the types of events", response_model=EventTypeList)
async def list_event_types(request: Request, params: Annotated[EventTypeParams, Query()], _who: CanRead) -> Response:
    """Say which types of events there are, when each is told and what its `data` holds. Scope: events:read."""
    known: dict[str, EventType] = request.app.state.event_types
    wanted = _types(request, params.type) or known
    return answer({"data": [_described(each) for each in known.values() if each.name in wanted]})


@worker_router.post("/placements", summary="Give events their places", response_model=PlacementsDone)
async def place_events(request: Request, session: Session, _who: CanWork) -> Response:
    """Give the next committed events their positions in the feed, and drop some of those that were kept long enough.
    Ask every 2 seconds, and again at once while `has_more`. Two at once do no harm: one of them does nothing. Scope:
    `jobs:work`.
    """
    kept = timedelta(days=request.app.state.settings.events_kept_days)
    done = await operations.relay(session, kept)
    if done is None:
        return answer({"placed": 0, "dropped": 0, "last_position": None, "has_more": False})
    return answer(
        {
            "placed": done.placed,
            "dropped": done.dropped,
            "last_position": done.last_position,
            "has_more": done.is_full,
        }
    )


def _described(each: EventType) -> dict[str, Any]:
    return {"type": each.name, "description": each.says, "data_schema": each.data.model_json_schema()}


def _types(request: Request, wanted: Sequence[str] | None) -> list[str] | None:
    """Answer the types that are meant, or nothing for all. Errors: InvalidRequest, naming the nearest type."""
    if not wanted:
        return None
    types, strangers = rules.meant(wanted, request.app.state.event_types)
    if strangers:
        faults = [_stranger(name, near) for name, near in strangers.items()]
        raise InvalidRequest(faults[0]["detail"], errors=faults)
    return types


def _stranger(name: str, near: str | None) -> dict[str, str]:
    told = f"There is no type {name}" + (f"; did you mean {near}?" if near else "")
    return finding("/type", "unknown-event-type", told, part="query")


def _after(state: State, params: EventListParams, last_event_id: str | None) -> int:
    """Answer where to go on. Errors: InvalidRequest for what was never told, EventsGone for what is not kept."""
    wanted, part, name = params.after, "query", "/after"
    if last_event_id is not None:
        wanted, part, name = _position(last_event_id), "header", "/Last-Event-ID"
    if wanted is None:
        return state.dropped_until
    if wanted == "latest":
        return state.last_position
    if wanted > state.last_position:
        advice = f"the feed has come to {state.last_position}: this position is not of this feed"
        raise InvalidRequest(advice, errors=[finding(name, "position-ahead", advice, part=part)])
    if wanted < state.dropped_until:
        told = f"Events up to {state.dropped_until} were dropped; the kept ones are behind it"
        raise EventsGone(told, oldest_after=state.dropped_until)
    return wanted


def _position(last_event_id: str) -> int:
    if last_event_id.isascii() and last_event_id.isdigit() and int(last_event_id) <= MOST_POSITIONS:
        return int(last_event_id)
    advice = "send the id of an event of this stream"
    raise InvalidRequest(advice, errors=[finding("/Last-Event-ID", "not-a-position", advice, part="header")])


def _link(request: Request, reached: int) -> dict[str, str]:
    others = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
    return {"Link": f'<{request.url.path}?{urlencode([*others, ("after", reached)])}>; rel="next"'}
