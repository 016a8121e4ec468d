"""What callers of the library send and get."""

from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, JsonValue

from ..audience.tree import Audience
from ..core.schemas import Output, Params
from .library import LIBRARY, Season
from .schemas import DefinitionText

_KEYS: Final = "|".join(entry.key for entry in LIBRARY)
_ENTRY: Final[dict[str, Any]] = {
    "key": "high-spenders",
    "name": "High spenders",
    "description": "They spent much of late: the few who bring in most.",
    "definition": {
        "sum": "amount",
        "of": {"touchpoint": "order.placed"},
        "last": "P365D",
        "gte": {"amount": "500.00", "currency": "EUR"},
    },
    "definition_text": "sum(amount of order.placed, last 365 days) >= 500.00 EUR",
    "parameters": [
        {"name": "days", "value": 365, "default": 365, "description": "Local dates that are looked back at"}
    ],
    "obstacle": None,
}


class LibraryParams(Params):
    """Which segments to show, and with what. A parameter is for all entries that have it."""

    key: Annotated[str | None, Field(pattern=f"^({_KEYS})$", description="Only this one", examples=["lapsed"])] = None
    currency: Annotated[str | None, Field(pattern="^[A-Z]{3}$", description="ISO 4217", examples=["USD"])] = None
    amount: Annotated[
        str | None, Field(pattern=r"^\d{1,12}(\.\d{1,4})?$", description="Amount of money", examples=["1000.00"])
    ] = None
    days: Annotated[int | None, Field(ge=1, le=3650, description="Days to look back at")] = None
    ahead: Annotated[int | None, Field(ge=1, le=366, description="Days to look ahead")] = None
    share: Annotated[float | None, Field(ge=0, le=1, description="Share of what is spent")] = None
    field: Annotated[
        str | None,
        Field(max_length=100, pattern=r"^[^`\\\s]+$", description="Field of a date", examples=["custom.renewal_on"]),
    ] = None
    orders: Annotated[int | None, Field(ge=1, le=1000, description="Number of orders")] = None
    season: Annotated[Season | None, Field(description="Three months; those of today, if left out")] = None

    def given(self) -> dict[str, Any]:
        """The parameters that are given, by name."""
        return self.model_dump(exclude={"key"}, exclude_none=True)


class LibraryParameter(Output):
    """A value in a definition that every business chooses anew."""

    name: str
    value: Annotated[JsonValue, Field(description="In this definition; null: it follows from today")]
    default: JsonValue
    description: str


class LibraryEntry(Output):
    """A segment to adopt: send `name`, `description` and `definition` to `POST /v1/segments`."""

    key: Annotated[str, Field(description="Stable name of the entry")]
    name: str
    description: str
    definition: Audience
    definition_text: DefinitionText
    parameters: list[LibraryParameter]
    obstacle: Annotated[str | None, Field(description="What has to be there first; null: it can be adopted as it is")]

    model_config = ConfigDict(json_schema_extra={"examples": [_ENTRY]})


class SegmentLibrary(Output):
    """Segments by behavior."""

    data: list[LibraryEntry]

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_ENTRY]}]})
