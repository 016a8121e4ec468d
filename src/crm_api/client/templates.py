"""Typed calls about templates."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from ..outreach.template_schemas import Preview, TemplatePage, TemplateRead
from .session import ApiClient


async def make_template(api: ApiClient, wish: Mapping[str, Any], *, idempotency_key: str | None = None) -> TemplateRead:
    """Make a template. Errors: ApiProblem `invalid-template`, `template-name-taken`."""
    answer = await api.post("/v1/templates", dict(wish), idempotency_key=idempotency_key)
    return TemplateRead.model_validate(answer)


async def get_template(api: ApiClient, template_id: UUID | str) -> TemplateRead:
    """Read a template."""
    return TemplateRead.model_validate(await api.get(f"/v1/templates/{template_id}"))


async def list_templates(api: ApiClient, **params: Any) -> TemplatePage:
    """List templates in order of their names; `params` are the query parameters of the operation."""
    return TemplatePage.model_validate(await api.get("/v1/templates", params))


async def change_template(
    api: ApiClient, template_id: UUID | str, patch: Mapping[str, Any], *, if_match: str | None = None
) -> TemplateRead:
    """Change a template by a merge patch. Errors: ApiProblem `invalid-template`, `version-mismatch`."""
    return TemplateRead.model_validate(await api.patch(f"/v1/templates/{template_id}", dict(patch), if_match=if_match))


async def archive_template(api: ApiClient, template_id: UUID | str) -> None:
    """Put a template away. Errors: ApiProblem `template-in-use`."""
    await api.delete(f"/v1/templates/{template_id}")


async def preview_template(
    api: ApiClient, template_id: UUID | str, customer_ids: Sequence[UUID | str], *, offer_id: UUID | str | None = None
) -> Preview:
    """Render a template for some customers."""
    wish = {
        "customer_ids": [str(each) for each in customer_ids],
        "offer_id": None if offer_id is None else str(offer_id),
    }
    return Preview.model_validate(await api.post(f"/v1/templates/{template_id}/preview", wish))
