"""A customer's document as rows of its tables, and back."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

import orjson

from ...core.text import normalized
from ..custom_values import Declaration, compared
from ..models import Address, ContactPoint, Customer, ExternalId
from ..rules import Document

_JSON: Final = ("contact_points", "external_ids", "addresses", "custom_fields")
Row = tuple[Any, ...]


def loaded(row: Mapping[str, Any]) -> Document:
    """Make the document of a row of `queries.documents`."""
    document = dict(row)
    for name in _JSON:
        document[name] = orjson.loads(document[name])
    document["id"] = UUID(str(document["id"]))
    return document


def customer_row(document: Document, declared: Mapping[str, Declaration]) -> Row:
    """Answer the row of the customer itself, in the order of the table's columns."""
    place = document["addresses"][0] if document["addresses"] else {}
    custom = document["custom_fields"]
    values = {
        **document,
        "customer_id": document["id"],
        "custom_fields": _json(custom),
        "display_name_normalized": normalized(document["display_name"]),
        "given_name_normalized": _normalized(document["given_name"]),
        "family_name_normalized": _normalized(document["family_name"]),
        "organization_name_normalized": _normalized(document["organization_name"]),
        "tags_normalized": [normalized(tag) for tag in document["tags"]],
        "custom_normalized": _json(compared(custom, declared)) if custom else "{}",
        "country": place.get("country"),
        "region_normalized": _normalized(place.get("region")),
        "city_normalized": _normalized(place.get("city")),
        "postal_code_normalized": _normalized(place.get("postal_code")),
        "latitude": place.get("latitude"),
        "longitude": place.get("longitude"),
    }
    return tuple(values[name] for name in _CUSTOMER_COLUMNS)


def contact_point_rows(documents: Iterable[Document]) -> list[Row]:
    """Answer the rows of all contact points."""
    return _rows_of(documents, "contact_points", _CONTACT_POINT_COLUMNS)


def external_id_rows(documents: Iterable[Document]) -> list[Row]:
    """Answer the rows of all external ids."""
    return _rows_of(documents, "external_ids", _EXTERNAL_ID_COLUMNS)


def address_rows(documents: Iterable[Document]) -> list[Row]:
    """Answer the rows of all addresses."""
    return [
        (document["id"], position, *(address[name] for name in _ADDRESS_COLUMNS))
        for document in documents
        for position, address in enumerate(document["addresses"])
    ]


def _rows_of(documents: Iterable[Document], part: str, columns: list[str]) -> list[Row]:
    return [(document["id"], *(each[name] for name in columns)) for document in documents for each in document[part]]


def _columns(model: Any, *besides: str) -> list[str]:
    return [column.name for column in model.__table__.columns if column.name not in besides]


_CUSTOMER_COLUMNS: Final = _columns(Customer)
_CONTACT_POINT_COLUMNS: Final = _columns(ContactPoint, "customer_id")
_EXTERNAL_ID_COLUMNS: Final = _columns(ExternalId, "customer_id")
_ADDRESS_COLUMNS: Final = _columns(Address, "customer_id", "position")


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _normalized(text: str | None) -> str | None:
    return None if text is None else normalized(text)
