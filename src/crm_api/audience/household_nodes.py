"""Nodes that ask the members of a customer's household."""

from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from .values import Node

if TYPE_CHECKING:
    from .tree import Audience


class OverHousehold(Node):
    """A node over the members of a household: the customer and those who live with it; archived ones are left out.

    Who is in no household is one alone.
    """

    @property
    def asked(self) -> "Audience":
        """What is asked of each member."""
        raise NotImplementedError


class HouseholdAny(OverHousehold):
    """At least one member of the customer's household meets it, be it the customer; who is in none is one alone."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"household_any": {"field": "age", "lt": 12}}]})

    household_any: Annotated["Audience", Field(description="What is asked of each member; no household in it")]

    @property
    def asked(self) -> "Audience":
        return self.household_any


class HouseholdAll(OverHousehold):
    """All members of the customer's household meet it, the customer too; who is in none is one alone."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"household_all": {"field": "age", "gte": 18}}]})

    household_all: Annotated["Audience", Field(description="What is asked of each member; no household in it")]

    @property
    def asked(self) -> "Audience":
        return self.household_all
