"""Making, changing and archiving templates."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from pydantic import MISSING
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from ..access import Principal
from ..core.clock import now
from ..core.etags import check_version
from ..core.ids import new_id
from ..core.problems import finding
from ..core.trail import emit, record, savepoint
from .bounds import RenderRefused
from .models import Template
from .problems import InvalidTemplate, TemplateArchived, TemplateInUse, TemplateNameTaken, TemplateNotFound
from .template_queries import users, written_template
from .template_schemas import TemplatePatch, TemplateWish

_WORDS: Final = ("subject", "text", "html")
_PATCHED: Final = ("name", *_WORDS)
_LIVE: Final = text("archived_at IS NULL")
_MOST_FAULTS: Final = 50
_MOST_USERS: Final = 10


async def make(session: AsyncSession, who: Principal, wish: TemplateWish) -> UUID:
    """Make a template. Errors: InvalidTemplate, TemplateNameTaken."""
    await approve(wish.model_dump(include=set(_WORDS)))
    at = now()
    row = insert(Template).values(id=new_id(), **wish.model_dump(), version=1, created_at=at, updated_at=at)
    unique = row.on_conflict_do_nothing(index_elements=["name"], index_where=_LIVE)
    made: UUID | None = await session.scalar(unique.returning(Template.id))
    if made is None:
        raise await _name_taken(session, wish.name)
    record(session, who.client_id, "template.made", ("template", made))
    emit(session, "template.made", {"id": str(made), "name": wish.name})
    return made


async def change(
    session: AsyncSession, who: Principal, template_id: UUID, patch: TemplatePatch, if_match: str | None
) -> None:
    """Change a template by a merge patch; what results is judged as a whole.

    Errors: TemplateNotFound, VersionMismatch, TemplateArchived, InvalidTemplate, TemplateNameTaken.
    """
    template = await _locked(session, template_id, if_match)
    if template.archived_at is not None:
        raise TemplateArchived(f"{template.name} was archived")
    wished = {name: value for name in _PATCHED if (value := getattr(patch, name)) is not MISSING}
    changed = sorted(name for name, value in wished.items() if getattr(template, name) != value)
    if not changed:
        return
    await approve({name: getattr(template, name) for name in _WORDS} | wished)
    try:
        async with savepoint(session):
            for name in changed:
                setattr(template, name, wished[name])
            await session.flush()
    except IntegrityError:
        raise await _name_taken(session, wished["name"]) from None
    _tell(session, who, template, "changed", changed=changed)


async def archive(session: AsyncSession, who: Principal, template_id: UUID, if_match: str | None) -> None:
    """Put a template away; its name is free again. Archiving again changes nothing.

    Errors: TemplateNotFound, VersionMismatch, TemplateInUse.
    """
    template = await _locked(session, template_id, if_match)
    if template.archived_at is not None:
        return
    codes = list(await session.scalars(users(template_id, _MOST_USERS)))
    if codes:
        raise TemplateInUse(f"{template.name} is used by {', '.join(codes)}", campaigns=codes)
    template.archived_at = now()
    _tell(session, who, template, "archived")


def _faults(words: Mapping[str, str | None]) -> list[RenderRefused]:
    from . import rendering  # here, since a process that serves saves templates rarely

    return rendering.faults(words)


async def approve(words: Mapping[str, str | None]) -> None:
    """Let a template through that can be read, and names only what there is. Errors: InvalidTemplate."""
    faults = await asyncio.to_thread(_faults, words)
    if not faults:
        return
    errors = [
        finding(f"/{each.part}", each.code, f"Line {each.line}: {each.detail}" if each.line else each.detail)
        for each in faults[:_MOST_FAULTS]
    ]
    raise InvalidTemplate(str(faults[0]), errors=errors)


async def _locked(session: AsyncSession, template_id: UUID, if_match: str | None) -> Template:
    template = await session.get(Template, template_id, with_for_update=True)
    if template is None:
        raise TemplateNotFound(f"No template has the id {template_id}")
    if if_match is not None:
        check_version(if_match, template.version, await written_template(session, template_id))
    return template


async def _name_taken(session: AsyncSession, name: str) -> TemplateNameTaken:
    owner = await session.scalar(select(Template.id).where(Template.name == name, Template.archived_at.is_(None)))
    return TemplateNameTaken(f"{name} is the name of another template", existing_id=str(owner))


def _tell(session: AsyncSession, who: Principal, template: Template, what: str, **told: Any) -> None:
    """Make it the next version of the template, and tell."""
    template.version += 1
    template.updated_at = now()
    told = {"version": template.version, **told}
    record(session, who.client_id, f"template.{what}", ("template", template.id), changes=told)
    emit(session, f"template.{what}", {"id": str(template.id), "name": template.name, **told})
