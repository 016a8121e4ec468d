"""HTTP of the library of segments."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Security
from pydantic import ValidationError
from starlette.responses import Response

from ..access import Principal, authorize
from ..audience import AudienceRefused, Catalog, Moment, condition, print_text, write_tree
from ..core.clock import now
from ..core.money import Money
from ..core.problems import InvalidRequest, finding
from ..core.read import answer
from ..core.route import Route
from ..customers.catalog import FieldCatalog
from .library import LIBRARY, MEANINGS, Entry
from .library_schemas import LibraryParams, SegmentLibrary

router = APIRouter(prefix="/v1/segments", tags=["Segments"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["segments:read"])]


@router.get("/library", summary="List segments to adopt", response_model=SegmentLibrary)
async def list_library(
    request: Request, params: Annotated[LibraryParams, Query()], catalog: FieldCatalog, _who: CanRead
) -> Response:
    """List segments by behavior that most businesses want: high spenders, occasional, seasonal and lapsed customers and
    others, each with its definition as tree and as text, made with the parameters that are given or their defaults. To
    adopt one, define it under a name of your own. Scope: segments:read.
    """
    moment = Moment(now(), request.app.state.settings.zone)
    chosen = [entry for entry in LIBRARY if params.key in (None, entry.key)]
    return answer({"data": [_document(entry, params.given(), catalog, moment) for entry in chosen]})


def _document(entry: Entry, given: dict[str, Any], catalog: Catalog, moment: Moment) -> dict[str, Any]:
    values = entry.values(given)
    if "amount" in values:
        values["amount"] = _amount(values["amount"], values["currency"])
    definition = entry.definition(values, moment.today)
    return {
        "key": entry.key,
        "name": entry.name,
        "description": entry.description,
        "definition": write_tree(definition),
        "definition_text": print_text(definition),
        "parameters": [
            {"name": name, "value": value, "default": entry.defaults[name], "description": MEANINGS[name]}
            for name, value in values.items()
        ],
        "obstacle": _obstacle(entry, values, catalog, moment),
    }


def _amount(amount: str, currency: str) -> str:
    """Write an amount with the digits of its currency. Errors: InvalidRequest."""
    try:
        return Money(amount=amount, currency=currency).amount
    except ValidationError as wrong:
        told = wrong.errors()[0]["msg"]
        raise InvalidRequest(told, errors=[finding("/amount", "money", told, part="query")]) from None


def _obstacle(entry: Entry, values: dict[str, Any], catalog: Catalog, moment: Moment) -> str | None:
    definition = entry.definition(values, moment.today)
    try:
        condition(definition, catalog, moment)
    except AudienceRefused as refused:
        return refused.findings[0].detail
    return None
