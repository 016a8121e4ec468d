"""HTTP of suppressed addresses: types in, one call, document out."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize, authorize_once
from ..core.db import Reads, Session
from ..core.listing import Listing
from ..core.problems import InvalidRequest, NotAcceptable, finding, problems
from ..core.read import answer
from ..core.route import Route
from ..core.streams import stream, wants
from ..customers.contact_points import Unreachable, normalized_contact
from ..customers.schemas import ContactKind
from . import operations, queries
from .problems import SuppressionNotFound
from .suppression_schemas import (
    AddressText,
    LiftParams,
    SuppressionListParams,
    SuppressionPage,
    SuppressionPut,
    SuppressionWish,
)

router = APIRouter(prefix="/v1/suppressions", tags=["Suppressions"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["suppressions:read"])]
CanWrite = Annotated[Principal, Security(authorize_once, scopes=["suppressions:write"])]
KindInPath = Annotated[ContactKind, Path()]
AddressInPath = Annotated[AddressText, Path(examples=["ann@example.com"])]
_STREAMS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": "kind,address,reason,detail,created_at,created_by\nemail,ann@example.com,manual,,…\n",
            },
            "application/x-ndjson": {
                "itemSchema": {"$ref": "#/components/schemas/SuppressionRead"},
                "example": '{"kind":"email","address":"ann@example.com","reason":"manual"}\n',
            },
        }
    }
}


@router.get(
    "",
    summary="List suppressed addresses",
    response_model=SuppressionPage,
    responses={**_STREAMS, **problems(NotAcceptable)},
)
async def list_suppressions(
    request: Request, params: Annotated[SuppressionListParams, Query()], reads: Reads, _who: CanRead
) -> Response:
    """List the addresses that are left alone, by kind and address, page by page. `Accept: text/csv` or
    `application/x-ndjson` streams all of them.

    Scope: suppressions:read.
    """
    values = {name: value for name in ("kind", "reason") if (value := getattr(params, name)) is not None}
    if (form := wants(request)) != "json":
        return stream(request, queries.exported_suppressions(values), form)
    page = Listing(request, params)
    after = "" if page.after is None else page.after[0]
    rows = await reads.rows(queries.suppressions(frozenset(values)), after=after, limit=page.limit, **values)
    return page.answer([dict(row) for row in rows], lambda row: [f"{row['kind']}:{row['address']}"])


@router.put(
    "/{kind}/{address:path}",
    summary="Suppress an address",
    response_model=SuppressionPut,
    responses={201: {"description": "Suppressed", "model": SuppressionPut}},
)
async def suppress_address(
    request: Request, kind: KindInPath, address: AddressInPath, wish: SuppressionWish, session: Session, who: CanWrite
) -> Response:
    """Leave an address alone from now on, whoever has it and whatever they agreed to. One that bounced or complained is
    suppressed by itself; decided by hand, the reason becomes `manual`.

    Scope: suppressions:write.
    """
    document = await operations.put_suppression(session, who, _key(request, kind, address), wish.detail)
    return answer(document, status=201 if document["result"] == "created" else 200)


@router.delete(
    "/{kind}/{address:path}",
    status_code=204,
    summary="Lift the suppression of an address",
    responses=problems(SuppressionNotFound),
)
async def lift_suppression(
    request: Request,
    kind: KindInPath,
    address: AddressInPath,
    params: Annotated[LiftParams, Query()],
    session: Session,
    who: CanWrite,
) -> Response:
    """Let an address be written to again, where consent allows it. The reason is kept in the audit.

    Scope: suppressions:write.
    """
    await operations.lift_suppression(session, who, _key(request, kind, address), params.reason)
    return Response(status_code=204)


def _key(request: Request, kind: str, address: str) -> str:
    """Answer the key of an address however it is spelled. Errors: InvalidRequest."""
    try:
        return f"{kind}:{normalized_contact(kind, address, request.app.state.settings.phone_region)}"
    except Unreachable as error:
        found = finding("/address", error.code, str(error), part="path")
        raise InvalidRequest(str(error), errors=[found]) from None
