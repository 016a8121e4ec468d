"""HTTP of customers: types in, one call, document out."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Security
from sqlalchemy import ColumnElement
from starlette.responses import Response

from ..access import Principal, authorize, authorize_once
from ..audience import Moment
from ..audience.filters import audience_of_filter
from ..audience.problems import InvalidAudience
from ..core.batch import Batch, BatchParams
from ..core.clock import now
from ..core.db import Reads, Session
from ..core.etags import IfMatch, IfNoneMatch, etag, is_known
from ..core.listing import Listing
from ..core.problems import InvalidRequest, NotAcceptable, VersionMismatch, problems
from ..core.read import Reader, answer
from ..core.route import Route
from ..core.streams import stream, wants
from . import listing, operations, queries, rules, searching
from .catalog import FieldCatalog, get_catalog
from .csv_form import csv_form
from .meaning import meant
from .operations import Grounds
from .problems import ContactPointTaken, CustomerNotFound, ExternalIdTaken
from .schemas import (
    CustomerCreate,
    CustomerListParams,
    CustomerPage,
    CustomerPatch,
    CustomerRead,
    CustomerSearch,
    CustomerUpsert,
    CustomerUpserted,
    ExternalIdInput,
    ExternalIdText,
    System,
)

router = APIRouter(prefix="/v1/customers", tags=["Customers"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["customers:read"])]
CanWrite = Annotated[Principal, Security(authorize_once, scopes=["customers:write"])]
CanLoad = Annotated[Principal, Security(authorize, scopes=["customers:write"])]
BATCH = Batch(
    "customers",
    CustomerUpsert,
    operations.store_customers,
    results=("created", "updated", "repeated"),
    csv=csv_form({}),
)


_EXPORTS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/csv": {
                "schema": {"type": "string", "description": "Flat; of contact points and ids all, with semicolons"},
                "example": "id,kind,display_name,…\n01980c2e-…,person,Ann Lee,…\n",
            },
            "application/x-ndjson": {
                "itemSchema": {"$ref": "#/components/schemas/CustomerRead"},
                "example": '{"id":"01980c2e-…","kind":"person","display_name":"Ann Lee"}\n',
            },
        }
    }
}
SystemInPath = Annotated[System, Path()]
ExternalIdInPath = Annotated[ExternalIdText, Path()]


# What follows is asked for in the routes: as dependencies they would cost as much as a small query each.


def _grounds(request: Request) -> Grounds:
    """Answer what wishes about customers are judged by."""
    grounds: Grounds = request.app.state.grounds
    return grounds


def _reads(request: Request) -> Reader:
    """Answer the read side of the database."""
    reader: Reader = request.app.state.database.reader
    return reader


@router.get(
    "/{customer_id:uuid}",
    summary="Read a customer",
    response_model=CustomerRead,
    responses={304: {"description": "Not modified"}, **problems(CustomerNotFound)},
)
async def read_customer(
    request: Request, customer_id: UUID, _who: CanRead, if_none_match: IfNoneMatch = None
) -> Response:
    """Answer a customer, archived or not. Scope: customers:read."""
    return await _read(_reads(request), str(customer_id), if_none_match)


async def _read(reads: Reader, customer_id: str, if_none_match: str | None) -> Response:
    row = await reads.row(queries.BY_ID, customer_id=customer_id)
    if row is None:
        raise CustomerNotFound(f"No customer has the id {customer_id}")
    if is_known(if_none_match, row["version"]):
        return Response(status_code=304, headers={"ETag": etag(row["version"]), "Cache-Control": "no-store"})
    return answer(queries.document(row), version=row["version"])


@router.post(
    "",
    status_code=201,
    summary="Register a customer",
    response_model=CustomerRead,
    responses=problems(ContactPointTaken, ExternalIdTaken),
)
async def register_customer(request: Request, wish: CustomerCreate, session: Session, who: CanWrite) -> Response:
    """Register a person or an organization. Contact points and external ids belong to one customer: if another has one
    of them, the answer is 409 with `existing_id`. To register or change, whichever is needed, use the upsert.

    Scope: customers:write.
    """
    document = await operations.register(session, who, wish, _grounds(request))
    request.state.customer_id = document["id"]
    location = {"Location": f"/v1/customers/{document['id']}"}
    return answer(document, status=201, version=1, headers=location)


@router.get(
    "",
    summary="List or export customers",
    response_model=CustomerPage,
    responses={**_EXPORTS, **problems(InvalidAudience, NotAcceptable)},
)
async def list_customers(request: Request, params: Annotated[CustomerListParams, Query()], _who: CanRead) -> Response:
    """List customers page by page, the oldest first unless `sort` says otherwise. `Accept: text/csv` or
    `application/x-ndjson` streams all customers of the filter instead, in order of their ids, as one snapshot. `filter`
    takes an audience as text; `POST /v1/customers/search` takes it as a tree too.

    Scope: customers:read.
    """
    reads, phone_region = _reads(request), request.app.state.settings.phone_region
    audience = None if params.filter is None else await _meant(request, params.filter, reads)
    if (form := wants(request)) != "json":
        return stream(request, await listing.exported(params, reads, phone_region, form, audience), form)
    page = Listing(request, params)
    documents, count = await listing.documents(page, params, reads, phone_region, audience)
    return page.answer(documents, partial(listing.behind, params.sort), count=count)


async def _meant(request: Request, text: str, reads: Reader) -> ColumnElement[bool]:
    """Answer what the text of a filter means."""
    moment = Moment(now(), request.app.state.settings.zone)
    tree = audience_of_filter(text)
    return await meant(tree, reads, await get_catalog(request, reads), moment, "/filter", "query")


@router.post(
    "/search",
    summary="Search customers",
    response_model=CustomerPage,
    responses={**_EXPORTS, **problems(InvalidAudience, NotAcceptable)},
)
async def search_customers(
    request: Request, wish: CustomerSearch, reads: Reads, catalog: FieldCatalog, _who: CanRead
) -> Response:
    """Find the customers an audience means, page by page. `GET /v1/fields` lists what can be asked for. `Accept:
    text/csv` or `application/x-ndjson` streams all of them instead, in order of their ids, as one snapshot.

    Scope: customers:read.
    """
    state = request.app.state
    moment = Moment(now(), state.settings.zone)
    if (form := wants(request)) != "json":
        return stream(request, await searching.exported(wish, reads, catalog, moment, form), form)
    return answer(await searching.search(wish, reads, catalog, moment, state.cursors))


@router.post("/batch", summary="Load customers", **BATCH.documentation(InvalidRequest))
async def load_customers(
    request: Request, params: Annotated[BatchParams, Query()], reads: Reads, who: CanLoad
) -> Response:
    """Register or change any number of customers, one a line, as JSON or CSV. A line means the customer who has one of
    its external ids, and is merged into that customer as the upsert does; a line without external ids, or with unknown
    ones, registers a customer. Lines that change nothing are `repeated`; lines with problems do not hinder the others.

    CSV has a header with any of the columns `system`, `external_id`, `kind`, `display_name`, `given_name`,
    `family_name`, `organization_name`, `birth_date`, `language`, `time_zone`, `email`, `phone`, `street`,
    `postal_code`, `city`, `region`, `country`, `latitude`, `longitude`, `tags` (with semicolons) and `custom.<key>`;
    empty cells say nothing.

    Scope: customers:write.
    """
    declared = {each.key: each for each in queries.read_declarations(await reads.rows(queries.DECLARATIONS))}
    return await BATCH.reading_csv(csv_form(declared)).answer(request, params, who.client_id)


@router.get(
    "/by/{system}/{external_id:path}",
    summary="Read a customer by another system's id",
    response_model=CustomerRead,
    responses={304: {"description": "Not modified"}, **problems(CustomerNotFound)},
)
async def read_customer_by_external_id(
    request: Request,
    system: SystemInPath,
    external_id: ExternalIdInPath,
    _who: CanRead,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Answer the customer that another system knows by an id. Scope: customers:read."""
    reads = _reads(request)
    owner = await reads.row(queries.ID_OF_EXTERNAL_KEY, key=rules.external_key(system, external_id))
    if owner is None:
        raise CustomerNotFound(f"{system} names no customer {external_id}")
    return await _read(reads, owner["customer_id"], if_none_match)


@router.put(
    "/by/{system}/{external_id:path}",
    summary="Register or change a customer by another system's id",
    response_model=CustomerUpserted,
    responses={
        201: {"description": "Registered", "model": CustomerUpserted},
        **problems(ContactPointTaken, ExternalIdTaken, VersionMismatch),
    },
)
async def upsert_customer(
    request: Request,
    system: SystemInPath,
    external_id: ExternalIdInPath,
    wish: CustomerUpsert,
    session: Session,
    who: CanWrite,
    if_match: IfMatch = None,
) -> Response:
    """Register the customer that another system knows by an id, or change the one there is. Of many callers at once one
    registers, the others change.

    What the body leaves out stays, and null clears. Several systems may know the same customer, each a part of it:
    so contact points, external ids and tags are added to those there are, and custom fields merge by key. Addresses
    replace. Use PATCH to take something away.

    Scope: customers:write.
    """
    done = await operations.upsert(
        session, who, ExternalIdInput(system=system, external_id=external_id), wish, _grounds(request), if_match
    )
    document = done.document
    request.state.customer_id = document["id"]
    return answer(
        {**document, "result": done.result, "changed": done.changed},
        status=201 if done.result == "created" else 200,
        version=document["version"],
        headers={"Location": f"/v1/customers/{document['id']}"} if done.result == "created" else None,
    )


@router.patch(
    "/{customer_id:uuid}",
    summary="Change a customer",
    response_model=CustomerRead,
    responses=problems(CustomerNotFound, ContactPointTaken, ExternalIdTaken, VersionMismatch),
)
async def change_customer(
    request: Request,
    customer_id: UUID,
    wish: CustomerPatch,
    session: Session,
    who: CanWrite,
    if_match: IfMatch = None,
) -> Response:
    """Change a customer by a merge patch (RFC 7396): what is left out stays, null clears, arrays replace, custom fields
    merge by key. A patch that changes nothing leaves the version as it is.

    Scope: customers:write.
    """
    request.state.customer_id = customer_id
    document, _ = await operations.change(session, who, customer_id, wish, _grounds(request), if_match=if_match)
    return answer(document, version=document["version"])


@router.post(
    "/{customer_id:uuid}/archive",
    summary="Archive a customer",
    response_model=CustomerRead,
    responses=problems(CustomerNotFound, VersionMismatch),
)
async def archive_customer(
    request: Request, customer_id: UUID, session: Session, who: CanWrite, if_match: IfMatch = None
) -> Response:
    """Leave a customer out of lists and audiences. Everything about it is kept, it can be read and changed, and its
    contact points and external ids stay its own. Archiving again changes nothing.

    Scope: customers:write.
    """
    request.state.customer_id = customer_id
    document = await operations.archive(session, who, customer_id, _grounds(request), if_match)
    return answer(document, version=document["version"])


@router.post(
    "/{customer_id:uuid}/restore",
    summary="Restore a customer",
    response_model=CustomerRead,
    responses=problems(CustomerNotFound, VersionMismatch),
)
async def restore_customer(
    request: Request, customer_id: UUID, session: Session, who: CanWrite, if_match: IfMatch = None
) -> Response:
    """Take a customer back from the archive. Scope: customers:write."""
    request.state.customer_id = customer_id
    document = await operations.restore(session, who, customer_id, _grounds(request), if_match)
    return answer(document, version=document["version"])
