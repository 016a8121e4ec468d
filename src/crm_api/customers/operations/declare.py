"""Declaring custom fields. A key and its type stay for good, and choices are only added, since values rest on them."""

from pydantic import MISSING
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ...access import Principal
from ...core.clock import now
from ...core.etags import check_version
from ...core.problems import InvalidRequest
from ...core.trail import emit, record
from ..field_schemas import FieldDeclare, FieldPatch
from ..models import CustomFieldDeclaration
from ..problems import ChoiceInUse, FieldKeyTaken, FieldNotDeclared


async def declare(session: AsyncSession, who: Principal, wish: FieldDeclare) -> CustomFieldDeclaration:
    """Declare a custom field. Errors: FieldKeyTaken, with the field there is."""
    at = now()
    row = insert(CustomFieldDeclaration).values(
        key=wish.key,
        type=wish.type,
        label=wish.label or _label(wish.key),
        choices=wish.choices,
        version=1,
        created_at=at,
        updated_at=at,
    )
    field: CustomFieldDeclaration | None = await session.scalar(
        row.on_conflict_do_nothing().returning(CustomFieldDeclaration)
    )
    if field is None:
        raise FieldKeyTaken(f"{wish.key} is declared already")
    record(session, who.client_id, "field.declared", ("field", field.key), changes={"type": field.type})
    emit(session, "field.declared", {"name": f"custom.{field.key}", "type": field.type, "version": 1})
    return field


async def change_field(
    session: AsyncSession, who: Principal, key: str, wish: FieldPatch, if_match: str | None
) -> CustomFieldDeclaration:
    """Change the label of a custom field, or add choices.

    Errors: FieldNotDeclared, VersionMismatch, InvalidRequest (no field of choices), ChoiceInUse.
    """
    found = select(CustomFieldDeclaration).where(CustomFieldDeclaration.key == key).with_for_update()
    field = await session.scalar(found)
    if field is None:
        raise FieldNotDeclared(f"No custom field is called {key}")
    check_version(if_match, field.version, {"key": field.key, "label": field.label, "choices": field.choices})
    label = field.label if wish.label is MISSING else wish.label or _label(key)
    choices = field.choices if wish.choices is MISSING else _extended(field, wish.choices)
    if (label, choices) == (field.label, field.choices):
        return field
    field.label, field.choices = label, choices
    field.version, field.updated_at = field.version + 1, now()
    told = {"version": field.version}
    record(session, who.client_id, "field.changed", ("field", key), changes=told)
    emit(session, "field.changed", {"name": f"custom.{key}", **told})
    await session.flush()
    return field


def _label(key: str) -> str:
    return key.replace("_", " ").capitalize()


def _extended(field: CustomFieldDeclaration, wished: list[str]) -> list[str]:
    if field.choices is None:
        detail = f"{field.key} is of type {field.type}; only fields of type choice have choices"
        finding = {"in": "body", "pointer": "/choices", "code": "no-choices", "detail": detail}
        raise InvalidRequest(detail, errors=[finding])
    if gone := [choice for choice in field.choices if choice not in wished]:
        raise ChoiceInUse(f"{', '.join(gone[:5])} would be taken away")
    return wished
