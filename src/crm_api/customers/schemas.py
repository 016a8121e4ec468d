"""What callers send and get about customers."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal, Self, TypeVar
from uuid import UUID

from pydantic import MISSING, AfterValidator, ConfigDict, Field, FiniteFloat, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from ..audience.distance import degrees
from ..audience.text_form import FilterText
from ..audience.tree import Tree
from ..core.schemas import CountedListParams, Day, Input, Instant, NextCursor, Output, Version
from .places import LANGUAGE_PATTERN, country, language, time_zone

EARLIEST_BIRTH = date(1900, 1, 1)
SYSTEM_PATTERN = r"^[a-z0-9][a-z0-9._:-]{0,63}$"
KEY_PATTERN = r"^[a-z][a-z0-9_]{0,49}$"
PLAIN_PATTERN = r"^[^\u0000-\u001f\u007f]*$"

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=PLAIN_PATTERN)]
"""One line of text: no control characters, no outer white space."""
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=PLAIN_PATTERN)]
System = Annotated[
    str, Field(pattern=SYSTEM_PATTERN, description="Name of the other system", examples=["shop", "billing:eu"])
]
ExternalIdText = Annotated[
    str, Field(min_length=1, max_length=200, pattern=PLAIN_PATTERN, description="Its id there, compared exactly")
]
Kind = Literal["person", "organization"]
ContactKind = Literal["email", "phone"]
Country = Annotated[
    str, Field(pattern="^[A-Z]{2}$", description="ISO 3166-1 alpha-2", examples=["DE"]), AfterValidator(country)
]
Language = Annotated[
    str, Field(pattern=LANGUAGE_PATTERN, description="BCP 47", examples=["de-AT"]), AfterValidator(language)
]
Latitude = Annotated[
    FiniteFloat,
    Field(ge=-90, le=90, description="Degrees north (WGS 84); six decimals are kept", examples=[40.7484]),
    AfterValidator(degrees),
]
Longitude = Annotated[
    FiniteFloat, Field(ge=-180, le=180, description="Degrees east", examples=[-73.9857]), AfterValidator(degrees)
]
TimeZone = Annotated[
    str, Field(max_length=64, description="IANA name", examples=["Europe/Berlin"]), AfterValidator(time_zone)
]
BirthDate = Annotated[Day, Field(ge=EARLIEST_BIRTH, description="Not before 1900, not in the future")]
FieldKey = Annotated[str, Field(pattern=KEY_PATTERN)]
CustomValue = Annotated[str, Field(max_length=2000)] | int | float | bool

_EXAMPLE: dict[str, Any] = {
    "kind": "person",
    "given_name": "Ann",
    "family_name": "Lee",
    "birth_date": "1990-04-01",
    "language": "en-US",
    "time_zone": "America/New_York",
    "contact_points": [
        {"kind": "email", "value": "Ann@Example.com", "label": "home"},
        {"kind": "phone", "value": "+1 202-555-0123"},
    ],
    "external_ids": [{"system": "shop", "external_id": "4711"}],
    "addresses": [
        {
            "lines": ["5 Main Street"],
            "postal_code": "10001",
            "city": "New York",
            "country": "US",
            "latitude": 40.7484,
            "longitude": -73.9857,
        }
    ],
    "tags": ["newsletter"],
    "custom_fields": {},
}


class ContactPointInput(Input):
    """An e-mail address or telephone number. Numbers without a country code are of the business's country."""

    kind: ContactKind
    value: Annotated[str, Field(min_length=1, max_length=320, examples=["Ann@Example.com"])]
    label: Annotated[Line | None, Field(description="What it is for: home, work")] = None
    is_primary: Annotated[bool, Field(description="Of each kind one is; the first, if none is marked")] = False


class ExternalIdInput(Input):
    """The name by which another system knows the customer."""

    system: System
    external_id: ExternalIdText


class AddressInput(Input):
    """A postal address."""

    label: Line | None = None
    lines: Annotated[list[Line], Field(max_length=8, description="Street and what else stands above the town")] = Field(
        default_factory=list
    )
    postal_code: Annotated[Line | None, Field(examples=["10115"])] = None
    city: Line | None = None
    region: Annotated[Line | None, Field(description="State, province, canton", examples=["NY"])] = None
    country: Country | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if (self.latitude is None) != (self.longitude is None):
            raise PydanticCustomError("half-a-place", "latitude and longitude are given together")
        return self


class CustomerFields(Input):
    """Everything a caller can say about a customer. What is left out stays as it is; null clears."""

    kind: Kind | MISSING = MISSING
    display_name: (
        Annotated[Line, Field(description="Made of the names, a contact point or an external id if not given")]
        | MISSING
        | None
    ) = MISSING
    given_name: Line | MISSING | None = MISSING
    family_name: Line | MISSING | None = MISSING
    organization_name: (
        Annotated[Line, Field(description="The organization's name; of a person, where it works")] | MISSING | None
    ) = MISSING
    birth_date: BirthDate | MISSING | None = MISSING
    language: Language | MISSING | None = MISSING
    time_zone: TimeZone | MISSING | None = MISSING
    contact_points: Annotated[list[ContactPointInput], Field(max_length=50)] | MISSING | None = MISSING
    external_ids: Annotated[list[ExternalIdInput], Field(max_length=50)] | MISSING | None = MISSING
    addresses: (
        Annotated[list[AddressInput], Field(max_length=20, description="The first is the main one")] | MISSING | None
    ) = MISSING
    tags: (
        Annotated[list[Tag], Field(max_length=100, description="Compared without letter case; each once")]
        | MISSING
        | None
    ) = MISSING
    custom_fields: (
        Annotated[
            dict[FieldKey, CustomValue | None],
            Field(max_length=200, description="By key, as declared at /v1/fields; null takes a value away"),
        ]
        | MISSING
        | None
    ) = MISSING


Given = TypeVar("Given")


def listed(given: Sequence[Given] | MISSING | None) -> Sequence[Given]:
    """Answer what was given, which is nothing when it was left out or cleared."""
    return () if given is MISSING or given is None else given


class CustomerCreate(CustomerFields):
    """A customer to register. Something must name it: a name, a contact point or an external id."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})


class CustomerPatch(CustomerFields):
    """A merge patch (RFC 7396): what is left out stays, null clears, arrays replace, custom fields merge by key."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"family_name": "Lee-Smith", "tags": ["newsletter", "vip"], "birth_date": None}]
        }
    )


class CustomerUpsert(CustomerFields):
    """What one system knows of a customer. What it leaves out stays; contact points, external ids and tags are added
    to those that others know of; addresses replace.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"display_name": "Ann Lee", "contact_points": [{"kind": "email", "value": "ann@example.com"}]}]
        }
    )


class ContactPointRead(Output):
    """An e-mail address or telephone number."""

    id: UUID
    kind: ContactKind
    value: Annotated[str, Field(description="As it was given")]
    normalized: Annotated[str, Field(description="As it is compared; telephone numbers in E.164")]
    label: str | None
    is_primary: bool


class ExternalIdRead(Output):
    """The name by which another system knows the customer."""

    system: str
    external_id: str


class AddressRead(Output):
    """A postal address."""

    label: str | None
    lines: list[str]
    postal_code: str | None
    city: str | None
    region: str | None
    country: str | None
    latitude: float | None
    longitude: float | None


_READ: dict[str, Any] = {
    "id": "0198c5a0-6e11-7d20-8b3a-0c9d8e7f6a5b",
    **_EXAMPLE,
    "display_name": "Ann Lee",
    "organization_name": None,
    "contact_points": [
        {
            "id": "0198c5a0-6e11-7d20-8b3a-0c9d8e7f6a5c",
            "kind": "email",
            "value": "Ann@Example.com",
            "normalized": "ann@example.com",
            "label": "home",
            "is_primary": True,
        }
    ],
    "addresses": [
        {
            "label": None,
            "lines": ["5 Main Street"],
            "postal_code": "10001",
            "city": "New York",
            "region": "NY",
            "country": "US",
            "latitude": 40.7484,
            "longitude": -73.9857,
        }
    ],
    "version": 1,
    "created_at": "2026-01-31T09:30:00Z",
    "updated_at": "2026-01-31T09:30:00Z",
    "archived_at": None,
}


class CustomerRead(Output):
    """A customer. `version` covers everything that stands here."""

    model_config = ConfigDict(json_schema_extra={"examples": [_READ]})

    id: UUID
    kind: Kind
    display_name: str
    given_name: str | None
    family_name: str | None
    organization_name: str | None
    birth_date: Day | None
    language: str | None
    time_zone: str | None
    contact_points: list[ContactPointRead]
    external_ids: list[ExternalIdRead]
    addresses: list[AddressRead]
    tags: list[str]
    custom_fields: dict[str, CustomValue]
    version: Version
    created_at: Instant
    updated_at: Instant
    archived_at: Instant | None


class CustomerUpserted(CustomerRead):
    """The customer as it is now, and what the call did to it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_READ, "version": 2, "result": "updated", "changed": ["tags"]}]}
    )

    result: Literal["created", "updated", "unchanged"]
    changed: Annotated[list[str], Field(description="Names of the fields that are different now")]


class CustomerPage(Output):
    """A page of customers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_READ], "next_cursor": None, "count": None}]})

    data: list[CustomerRead]
    next_cursor: NextCursor
    count: Annotated[int | None, Field(description="Number of all rows, if `count` asked for it")]


Sort = Literal["created_at", "-created_at", "display_name", "-display_name"]
Archived = Literal["false", "true", "any"]


Count = Literal["exact", "estimate"]


class CustomerSearch(Input):
    """Whom to find: an audience, or everybody."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "audience": {"all": [{"field": "country", "in": ["DE", "AT"]}, {"field": "age", "gte": 30}]},
                    "sort": "display_name",
                    "limit": 20,
                    "count": "exact",
                }
            ]
        }
    )

    audience: Annotated[Tree | None, Field(description="Which customers; null: everybody")] = None
    archived: Annotated[Archived, Field(description="Archived customers are left out, unless asked for")] = "false"
    sort: Annotated[Sort, Field(description="A minus turns the order around")] = "created_at"
    limit: Annotated[int, Field(ge=1, le=200, description="Rows on a page")] = 50
    cursor: Annotated[
        str | None,
        Field(max_length=2000, description="`next_cursor` of the page before; the rest of the body stays the same"),
    ] = None
    count: Annotated[Count | None, Field(description="Also answer the number of all rows")] = None


class CustomerListParams(CountedListParams):
    """Which customers, and in which order."""

    filter: Annotated[FilterText | None, Field(description="Customers an audience means, as text")] = None

    kind: Kind | None = None
    tag: Annotated[Tag | None, Field(description="Customers with this tag, in any letter case")] = None
    archived: Annotated[Archived, Field(description="Archived customers are left out, unless asked for")] = "false"
    email: Annotated[str | None, Field(max_length=320, description="The customer this address belongs to")] = None
    phone: Annotated[str | None, Field(max_length=320, description="The customer this number belongs to")] = None
    external_id: Annotated[
        str | None,
        Field(max_length=265, pattern=r"^[^/]+/", description="`system/id`: the customer another system means"),
    ] = None
    created_from: Annotated[Instant | None, Field(description="Registered at this time or later")] = None
    created_until: Annotated[Instant | None, Field(description="Registered before this time")] = None
    sort: Annotated[Sort, Field(description="A minus turns the order around")] = "created_at"
