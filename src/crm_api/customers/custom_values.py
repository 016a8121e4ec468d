"""Values of custom fields: of their declared type, and in the form audiences compare."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from ..core.known_names import nearest_hint
from ..core.text import normalized

CustomFieldType = Literal["text", "integer", "number", "boolean", "date", "choice"]


@dataclass(frozen=True, slots=True)
class Declaration:
    """A custom field as declared."""

    key: str
    type: CustomFieldType
    label: str
    choices: tuple[str, ...] | None


class WrongValue(ValueError):
    """The value does not fit the field, or there is no such field."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def judged(key: str, value: Any, declared: Mapping[str, Declaration]) -> Any:
    """Let a value of a custom field through. Errors: WrongValue."""
    field = declared.get(key)
    if field is None:
        raise WrongValue("unknown-field", f"no custom field is called {key}{nearest_hint(key, declared)}")
    fits = {
        "text": isinstance(value, str),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "date": isinstance(value, str) and _is_date(value),
        "choice": isinstance(value, str) and value in (field.choices or ()),
    }
    if not fits[field.type]:
        raise WrongValue("wrong-type" if field.type != "choice" else "unknown-choice", _expected(field, value))
    return value


def compared(values: Mapping[str, Any], declared: Mapping[str, Declaration]) -> dict[str, Any]:
    """Answer the form audiences compare: free text normalized, everything else as it is."""
    return {
        key: normalized(value) if isinstance(value, str) and declared[key].type == "text" else value
        for key, value in values.items()
    }


def _expected(field: Declaration, value: Any) -> str:
    if field.type == "choice":
        choices = field.choices or ()
        near = nearest_hint(value, choices) if isinstance(value, str) else ""
        return f"{field.key} is one of {', '.join(choices[:20])}{near}"
    told = {"text": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false"}
    return f"{field.key} is {told.get(field.type, 'a date as YYYY-MM-DD')}"


def _is_date(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False
