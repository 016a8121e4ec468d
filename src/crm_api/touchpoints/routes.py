"""HTTP of the timeline: types in, one call, document out."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize, authorize_at_once
from ..audience import Moment
from ..audience.problems import InvalidAudience
from ..core.batch import Batch, BatchParams
from ..core.clock import now
from ..core.db import Reads, Session
from ..core.listing import Listing
from ..core.problems import NotAcceptable, problems
from ..core.read import answer
from ..core.route import Route
from ..core.streams import stream, wants
from ..customers.catalog import FieldCatalog
from ..customers.problems import CustomerNotFound
from . import listing, operations, queries, searching
from .parts import shares_of
from .problems import CustomerUnknown, TouchpointConflict, TouchpointNotFound
from .schemas import (
    TimelinePage,
    TimelineParams,
    TouchpointCreate,
    TouchpointListParams,
    TouchpointPage,
    TouchpointRead,
    TouchpointRecorded,
    TouchpointSearch,
)

router = APIRouter(tags=["Timeline"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["touchpoints:read"])]
CanSearch = Annotated[Principal, Security(authorize, scopes=["touchpoints:read", "customers:read"])]
CanWrite = Annotated[Principal, Security(authorize_at_once, scopes=["touchpoints:write"])]
CanLoad = Annotated[Principal, Security(authorize, scopes=["touchpoints:write"])]
BATCH = Batch("touchpoints", TouchpointCreate, operations.store_touchpoints, shape=operations.shape_touchpoint)


@router.post(
    "/v1/touchpoints",
    status_code=201,
    summary="Record a touchpoint",
    response_model=TouchpointRecorded,
    responses={
        200: {"description": "It was there already", "model": TouchpointRecorded},
        **problems(TouchpointConflict, CustomerUnknown),
    },
)
async def record_touchpoint(request: Request, wish: TouchpointCreate, session: Session, who: CanWrite) -> Response:
    """Record something that happened between a customer and the business. It is appended to the customer's timeline and
    never changes. With a `source_id` sending it again is safe for good: the same is answered with 200 and
    `result: repeated`, something else under the same id with 409.

    Scope: touchpoints:write.
    """
    done = await operations.record_touchpoint(session, who, wish, request.app.state.settings.zone)
    request.state.customer_id = done.customer_id
    location = {"Location": f"/v1/customers/{done.customer_id}/timeline/{done.document['id']}"}
    status = 201 if done.result == "created" else 200
    return answer({**done.document, "result": done.result}, status=status, headers=location)


@router.post("/v1/touchpoints/batch", summary="Load touchpoints", **BATCH.documentation())
async def load_touchpoints(request: Request, params: Annotated[BatchParams, Query()], who: CanLoad) -> Response:
    """Record any number of touchpoints, one JSON document a line. With source ids everything may be sent again: what is
    there already is `repeated`. Lines with problems do not hinder the others.

    Scope: touchpoints:write.
    """
    return await BATCH.answer(request, params, who.client_id)


@router.get(
    "/v1/touchpoints",
    summary="List touchpoints",
    response_model=TouchpointPage,
    responses={**listing.STREAMS, **problems(NotAcceptable)},
)
async def list_touchpoints(
    request: Request, params: Annotated[TouchpointListParams, Query()], reads: Reads, _who: CanRead
) -> Response:
    """List touchpoints of all customers, by customer and id, page by page. `Accept: text/csv` or `application/x-ndjson`
    streams all of them. To read a feed in parts, give all parts the same `recorded_until`: it is refused while older
    writes are under way, and final after 60 seconds at the latest.

    Scope: touchpoints:read.
    """
    values = await listing.final_values_of(reads, params)
    fields = params.fields.split(",") if params.fields else None
    if (form := wants(request)) != "json":
        return stream(request, queries.exported(values, form, fields), form)
    page = Listing(request, params)
    documents = await listing.page_of_all(reads, params, page, values)
    chosen = queries.chosen_fields(fields, queries.FIELDS) or queries.FIELDS
    keys = [[each["customer_id"], each["id"]] for each in documents]
    rows = [{name: each[name] for name in chosen} for each in documents]
    return page.answer(rows, lambda _last: keys[params.limit - 1])


@router.post(
    "/v1/touchpoints/search",
    summary="Search touchpoints",
    response_model=TouchpointPage,
    responses={**listing.STREAMS, **problems(InvalidAudience, NotAcceptable)},
)
async def search_touchpoints(
    request: Request, wish: TouchpointSearch, reads: Reads, catalog: FieldCatalog, _who: CanSearch
) -> Response:
    """Find touchpoints by what they say, by their lines, and by whose they are, page by page, by customer and id.
    `Accept: text/csv` or `application/x-ndjson` streams all of them. `GET /v1/fields` lists what can be asked for.

    Scopes: touchpoints:read, customers:read.
    """
    state = request.app.state
    moment = Moment(now(), state.settings.zone)
    if (form := wants(request)) != "json":
        return stream(request, await searching.exported(wish, reads, catalog, moment, form), form)
    return answer(await searching.search(wish, reads, catalog, moment, state.cursors))


@router.get(
    "/v1/customers/{customer_id}/timeline",
    summary="Read a customer's timeline",
    response_model=TimelinePage,
    responses=problems(CustomerNotFound),
)
async def read_timeline(
    request: Request, customer_id: UUID, params: Annotated[TimelineParams, Query()], reads: Reads, who: CanRead
) -> Response:
    """Answer what happened between a customer and the business, the newest first. Entries into segments and exits stand
    among it, read from the memberships, for callers who may read segments; else `withheld` names them.

    Scopes: touchpoints:read, and for entries and exits segments:read.
    """
    page = Listing(request, params)
    parts = shares_of(request.app.state.timeline_parts, params.kind, who.scopes)
    documents = await listing.page_of_one(reads, customer_id, params, page, parts.shown)
    withheld = [{"kinds": part.kinds, "scope": part.scope} for part in parts.withheld]
    return page.answer(documents, lambda each: [each["occurred_at"], each["id"]], withheld=withheld)


@router.get(
    "/v1/customers/{customer_id}/timeline/{touchpoint_id}",
    summary="Read a touchpoint",
    response_model=TouchpointRead,
    responses=problems(TouchpointNotFound),
)
async def read_touchpoint(
    request: Request, customer_id: UUID, touchpoint_id: UUID, reads: Reads, who: CanRead
) -> Response:
    """Answer one touchpoint, with the lines of an order, or whatever else the timeline shows under this id.

    Scopes: touchpoints:read, and for entries and exits segments:read.
    """
    parts = shares_of(request.app.state.timeline_parts, None, who.scopes).shown
    document = await listing.one_of_one(reads, customer_id, touchpoint_id, parts)
    if document is None:
        raise TouchpointNotFound(f"Customer {customer_id} has no touchpoint {touchpoint_id}")
    return answer(document)
