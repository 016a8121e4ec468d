"""The feed in the OpenAPI document: one schema for each type of events, told apart by `type`."""

from collections.abc import Iterable
from typing import Any, Final

from ..core.event_types import EventType

_EVENT: Final = "EventRead"
_REF: Final = "#/components/schemas/"


def describe_events(document: dict[str, Any], types: Iterable[EventType]) -> None:
    """Put a schema for each type into the document, and let an event be one of them."""
    schemas = document["components"]["schemas"]
    common = schemas[_EVENT]
    mapping = {}
    for each in types:
        name = _name(each)
        schemas[name] = _schema(each, common)
        mapping[each.name] = f"{_REF}{name}"
    schemas[_EVENT] = {
        "title": common["title"],
        "description": common["description"],
        "oneOf": [{"$ref": ref} for ref in mapping.values()],
        "discriminator": {"propertyName": "type", "mapping": mapping},
        "examples": common["examples"],
    }


def _name(each: EventType) -> str:
    words = each.name.replace(".", "_").split("_")
    return "".join(word.capitalize() for word in words) + "Event"


def _schema(each: EventType, common: dict[str, Any]) -> dict[str, Any]:
    properties = {
        **common["properties"],
        "type": {"type": "string", "const": each.name, "title": "Type"},
        "data": each.data.model_json_schema(),
    }
    return {
        "title": _name(each),
        "description": each.says,
        "type": "object",
        "properties": properties,
        "required": common["required"],
    }
