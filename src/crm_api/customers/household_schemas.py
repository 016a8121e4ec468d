"""What callers send and get about households."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import MISSING, AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from ..core.schemas import Input, Instant, ListParams, NextCursor, Output, Version
from .schemas import Line

MOST_MEMBERS = 50


def _distinct(ids: list[UUID]) -> list[UUID]:
    if len(set(ids)) != len(ids):
        raise PydanticCustomError("duplicate", "a customer is given twice")
    return ids


Name = Annotated[Line, Field(description="What people call it; null if it has no name", examples=["The Lees"])]
Members = Annotated[
    list[UUID], Field(max_length=MOST_MEMBERS, description="Customers in no household yet"), AfterValidator(_distinct)
]
_MEMBER: dict[str, Any] = {"customer_id": "0198c5a0-6e11-7d20-8b3a-0c9d8e7f6a5b", "joined_at": "2026-01-31T09:30:00Z"}
_READ: dict[str, Any] = {
    "id": "0198c5a0-6e11-7d20-8b3a-0c9d8e7f6b01",
    "name": "The Lees",
    "members": [_MEMBER],
    "version": 2,
    "created_at": "2026-01-31T09:30:00Z",
    "updated_at": "2026-01-31T09:30:00Z",
}


class HouseholdCreate(Input):
    """A household to form, with its first members or without."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "The Lees", "members": ["0198c5a0-6e11-7d20-8b3a-0c9d8e7f6a5b"]}]}
    )

    name: Name | None = None
    members: Members = Field(default_factory=list)


class HouseholdPatch(Input):
    """A merge patch of a household. Members join and leave one by one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "The Lees of Main Street"}]})

    name: Name | MISSING | None = MISSING


class HouseholdMemberRead(Output):
    """A customer in a household."""

    customer_id: UUID
    joined_at: Instant


class HouseholdRead(Output):
    """A household. `version` covers its members too."""

    model_config = ConfigDict(json_schema_extra={"examples": [_READ]})

    id: UUID
    name: str | None
    members: Annotated[list[HouseholdMemberRead], Field(description="In the order in which they joined")]
    version: Version
    created_at: Instant
    updated_at: Instant


class HouseholdPage(Output):
    """A page of households."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_READ], "next_cursor": None}]})

    data: list[HouseholdRead]
    next_cursor: NextCursor


class HouseholdListParams(ListParams):
    """Which households."""

    customer_id: Annotated[UUID | None, Field(description="The household this customer is in")] = None
