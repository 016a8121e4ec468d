"""CSV of customers: what the columns of a batch mean, and how a row becomes the JSON document it stands for."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..core.csv_records import CsvForm, RowMaker, column_problem
from ..core.known_names import nearest_hint
from .custom_values import Declaration

_PLAIN: Final = (
    "kind",
    "display_name",
    "given_name",
    "family_name",
    "organization_name",
    "birth_date",
    "language",
    "time_zone",
)
_CONTACT: Final = ("email", "phone")
_IDENTIFIER: Final = ("system", "external_id")
_ADDRESS: Final = ("street", "postal_code", "city", "region", "country")
_PLACE: Final = ("latitude", "longitude")
COLUMNS: Final = (*_IDENTIFIER, *_PLAIN, *_CONTACT, *_ADDRESS, *_PLACE, "tags")
CUSTOM: Final = "custom."
_INTEGER: Final = re.compile(r"-?\d{1,18}", re.ASCII)
_NUMBER: Final = re.compile(r"-?\d{1,15}(\.\d{1,15})?([eE][+-]?\d{1,2})?", re.ASCII)


def csv_form(declared: Mapping[str, Declaration]) -> CsvForm:
    """Answer how CSV is read while these custom fields are declared."""

    def read_header(header: Sequence[str]) -> RowMaker:
        """Errors: InvalidRequest, for unknown columns and half an identifier."""
        known = {*COLUMNS, *(f"{CUSTOM}{key}" for key in declared)}
        for name in header:
            if name not in known:
                raise column_problem(name, f"is unknown{nearest_hint(name, known)}")
        for name, other in (_IDENTIFIER, _IDENTIFIER[::-1]):
            if name in header and other not in header:
                raise column_problem(name, f"needs the column {other} beside it")
        return lambda cells: document_of(dict(zip(header, cells, strict=True)), declared)

    return read_header


def document_of(row: Mapping[str, str], declared: Mapping[str, Declaration]) -> dict[str, Any]:
    """Make the document of a row. An empty cell says nothing; it clears nothing."""
    cells = {name: text.strip() for name, text in row.items() if text.strip()}
    document: dict[str, Any] = {name: cells[name] for name in _PLAIN if name in cells}
    if points := [{"kind": kind, "value": cells[kind]} for kind in _CONTACT if kind in cells]:
        document["contact_points"] = points
    if identifier := {name: cells[name] for name in _IDENTIFIER if name in cells}:
        document["external_ids"] = [identifier]
    address = {name: cells[name] for name in _ADDRESS if name in cells}
    place = {name: _typed(cells[name], "number") for name in _PLACE if name in cells}
    if address or place:
        street = address.pop("street", None)
        document["addresses"] = [{**address, **place, "lines": [] if street is None else [street]}]
    if "tags" in cells:
        document["tags"] = [tag for tag in cells["tags"].split(";") if tag.strip()]
    custom = {name.removeprefix(CUSTOM): text for name, text in cells.items() if name.startswith(CUSTOM)}
    if custom:
        document["custom_fields"] = {key: _typed(text, declared[key].type) for key, text in custom.items()}
    return document


def _typed(text: str, kind: str) -> Any:
    """Read a cell as the type of its field; what is none stays text, and is refused with the line."""
    if kind == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "number" and _NUMBER.fullmatch(text):
        return int(text) if _INTEGER.fullmatch(text) else float(text)
    if kind == "boolean" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return text
