"""Typed calls about households."""

from collections.abc import Sequence
from uuid import UUID

from ..customers.household_schemas import HouseholdPage, HouseholdRead
from .session import ApiClient, Param

_PATH = "/v1/households"


async def form_household(api: ApiClient, name: str | None = None, members: Sequence[UUID | str] = ()) -> HouseholdRead:
    """Form a household. Errors: ApiProblem `in-another-household`, with `existing_id`."""
    return HouseholdRead.model_validate(await api.post(_PATH, {"name": name, "members": list(map(str, members))}))


async def get_household(api: ApiClient, household_id: UUID | str) -> HouseholdRead:
    """Read a household. Errors: ApiProblem `household-not-found`."""
    return HouseholdRead.model_validate(await api.get(f"{_PATH}/{household_id}"))


async def list_households(api: ApiClient, **params: Param) -> HouseholdPage:
    """Read a page of households; `params` are the query parameters of the operation."""
    return HouseholdPage.model_validate(await api.get(_PATH, params))


async def rename_household(
    api: ApiClient, household_id: UUID | str, name: str | None, *, version: int | None = None
) -> HouseholdRead:
    """Give a household another name, or none. Errors: ApiProblem `version-mismatch`."""
    if_match = None if version is None else f'"{version}"'
    return HouseholdRead.model_validate(await api.patch(f"{_PATH}/{household_id}", {"name": name}, if_match=if_match))


async def join_household(api: ApiClient, household_id: UUID | str, customer_id: UUID | str) -> HouseholdRead:
    """Let a customer join. Errors: ApiProblem `in-another-household`, `household-full`."""
    return HouseholdRead.model_validate(await api.put(f"{_PATH}/{household_id}/members/{customer_id}"))


async def leave_household(api: ApiClient, household_id: UUID | str, customer_id: UUID | str) -> None:
    """Let a customer leave. Errors: ApiProblem `no-member`."""
    await api.delete(f"{_PATH}/{household_id}/members/{customer_id}")


async def dissolve_household(api: ApiClient, household_id: UUID | str) -> None:
    """Let all members go. Errors: ApiProblem `household-not-found`."""
    await api.delete(f"{_PATH}/{household_id}")
