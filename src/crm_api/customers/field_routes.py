"""HTTP of the field catalog: every field audiences can ask for; custom ones are declared here."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Security
from starlette.responses import Response

from ..access import Principal, authorize, authorize_once
from ..audience import Catalog, Field
from ..audience.reference import AGGREGATE_WORDS, CONDITION_WORDS, OPERATOR_WORDS
from ..core.db import Reads, Session
from ..core.etags import IfMatch
from ..core.listing import Listing
from ..core.problems import VersionMismatch, problems
from ..core.read import answer
from ..core.route import Route
from . import operations, queries
from .catalog import FieldCatalog
from .custom_values import Declaration
from .field_schemas import FieldDeclare, FieldListParams, FieldPage, FieldPatch, FieldRead
from .fields import custom_field
from .models import CustomFieldDeclaration
from .problems import ChoiceInUse, FieldBuiltIn, FieldKeyTaken, FieldNotDeclared

router = APIRouter(prefix="/v1/fields", tags=["Fields"], route_class=Route)
CanRead = Annotated[Principal, Security(authorize, scopes=["fields:read"])]
CanWrite = Annotated[Principal, Security(authorize_once, scopes=["fields:write"])]
NameInPath = Annotated[str, Path(max_length=100, description="Name in audiences", examples=["custom.favorite_color"])]
_CUSTOM = "custom."
_OPERATORS: Final = [word._asdict() for word in OPERATOR_WORDS]
_CONDITIONS: Final = [word._asdict() for word in CONDITION_WORDS]
_AGGREGATES: Final = [word._asdict() for word in AGGREGATE_WORDS]


@router.post(
    "",
    status_code=201,
    summary="Declare a custom field",
    response_model=FieldRead,
    responses=problems(FieldKeyTaken),
)
async def declare_field(wish: FieldDeclare, session: Session, who: CanWrite) -> Response:
    """Add a typed field to all customers. From then on it is taken in `custom_fields` under its key, and audiences can
    ask for `custom.<key>`. Scope: fields:write.
    """
    declared = await operations.declare(session, who, wish)
    location = {"Location": f"/v1/fields/{_CUSTOM}{declared.key}"}
    return answer(_declared(declared), status=201, version=1, headers=location)


@router.get("", summary="List the field catalog", response_model=FieldPage, responses=problems())
async def list_fields(
    request: Request, params: Annotated[FieldListParams, Query()], reads: Reads, catalog: FieldCatalog, _who: CanRead
) -> Response:
    """List every field that audiences can ask for, in order of their names: built in, scores, consents, and custom
    ones; beside them, on every page, the operators, conditions on no field, and what can be asked of touchpoints and
    their lines.

    Scope: fields:read.
    """
    page = Listing(request, params)
    custom = {f"{_CUSTOM}{row['key']}": row for row in await reads.rows(queries.DECLARATIONS)}
    after = "" if page.after is None else page.after[0]
    wanted = [
        _document(field, custom.get(field.name))
        for field in catalog
        if field.name > after and field.type != "segment" and params.source in (None, field.source)
    ]
    language = {"operators": _OPERATORS, "conditions": _CONDITIONS, "touchpoints": _touchpoints(catalog)}
    return page.answer(wanted[: page.limit], lambda document: [document["name"]], **language)


@router.get(
    "/{name}", summary="Read a field of the catalog", response_model=FieldRead, responses=problems(FieldNotDeclared)
)
async def read_field(name: NameInPath, reads: Reads, catalog: FieldCatalog, _who: CanRead) -> Response:
    """Answer one field that audiences can ask for. Scope: fields:read."""
    field = catalog.get(name)
    if field is None or field.type == "segment":
        near = catalog.nearest(name)
        raise FieldNotDeclared(f"No field is called {name}" + (f"; did you mean {near}?" if near else ""))
    custom = {f"{_CUSTOM}{row['key']}": row for row in await reads.rows(queries.DECLARATIONS)}
    row = custom.get(name)
    return answer(_document(field, row), version=None if row is None else row["version"])


@router.patch(
    "/{name}",
    summary="Change a custom field",
    response_model=FieldRead,
    responses=problems(FieldNotDeclared, FieldBuiltIn, ChoiceInUse, VersionMismatch),
)
async def change_field(
    name: NameInPath, wish: FieldPatch, session: Session, who: CanWrite, catalog: FieldCatalog, if_match: IfMatch = None
) -> Response:
    """Change the label of a custom field, or add choices. Its key and type stay: values and audiences rest on them.

    Scope: fields:write.
    """
    if not name.startswith(_CUSTOM) and catalog.get(name) is not None:
        raise FieldBuiltIn(f"{name} is built in")
    declared = await operations.change_field(session, who, name.removeprefix(_CUSTOM), wish, if_match)
    return answer(_declared(declared), version=declared.version)


def _touchpoints(catalog: Catalog) -> dict[str, Any]:
    countable = catalog.countable
    assert countable is not None  # noqa: S101  # that of a service has touchpoints
    amounts = [
        {
            "name": amount.name,
            "type": "number" if amount.currency is None else "money",
            "label": amount.label,
            "unit": amount.unit,
        }
        for amount in countable.amounts
    ]
    return {
        "aggregates": _AGGREGATES,
        "amounts": amounts,
        "fields": [_short(field) for field in countable.catalog],
        "open_fields": [f"{prefix}*" for prefix in countable.open],
        "line_fields": [_short(field) for field in countable.items.catalog] if countable.items else [],
    }


def _short(field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "type": field.type,
        "label": field.label,
        "operators": field.offered,
        "choices": field.choices,
    }


def _declared(row: CustomFieldDeclaration) -> dict[str, Any]:
    choices = None if row.choices is None else tuple(row.choices)
    declaration = Declaration(row.key, row.type, row.label, choices)  # type: ignore[arg-type]  # a CHECK holds the type
    return _document(custom_field(declaration), vars(row))


def _document(field: Field, declared: Mapping[str, Any] | None) -> dict[str, Any]:
    stored = declared or {"key": None, "version": None, "created_at": None, "updated_at": None}
    return {
        "name": field.name,
        "key": stored["key"],
        "source": field.source,
        "type": field.type,
        "label": field.label,
        "unit": field.unit,
        "currency": field.currency if isinstance(field.currency, str) else None,
        "operators": field.offered,
        "choices": field.choices,
        "version": stored["version"],
        "created_at": stored["created_at"],
        "updated_at": stored["updated_at"],
    }
