"""What could have been said where a JSON object or a query has a name that is not known there."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Final, get_args, get_origin

from pydantic import BaseModel, Tag
from typing_extensions import TypeAliasType

_LONGEST_NAME: Final = 100
_MOST_NAMES: Final = 20
Models = list[tuple[str, type[BaseModel]]]
"""Those a value may be, each under the name that pydantic gives its branch of a union."""


def nearest_hint(name: str, names: Iterable[str]) -> str:
    """Suggest the name most like one that is not known."""
    near = get_close_matches(name[:_LONGEST_NAME], list(names), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def explained(error: Mapping[str, Any], kind: Any) -> str:
    """Say what is wrong, in pydantic's words; of a name too many say which there are.

    kind: the type that was validated; None when no name is taken at all.
    """
    if error["type"] != "extra_forbidden":
        return str(error["msg"])
    *steps, name = error["loc"]
    known = known_names(kind, steps)
    told = f"{str(name)[:_LONGEST_NAME]} is not known here"
    return told + (nearest_hint(str(name), known) or f"; known are {_listed(known)}")


def _listed(names: Sequence[str]) -> str:
    more = [f"{len(names) - _MOST_NAMES} more"] if len(names) > _MOST_NAMES else []
    return ", ".join([*names[:_MOST_NAMES], *more]) or "none"


def known_names(kind: Any, steps: Sequence[str | int]) -> list[str]:
    """List the names of the fields at pydantic's location `steps` of a value of some type."""
    models = _models(kind)
    for step in steps:
        models = _inside(models, step)
    return list(dict.fromkeys(_name(name, field) for _, model in models for name, field in model.model_fields.items()))


def _inside(models: Models, step: str | int) -> Models:
    """Follow one step: into an array, into a branch of a union, into a field, or past the name of a validator."""
    if isinstance(step, int):
        return models
    if branch := [(tag, model) for tag, model in models if tag == step]:
        return branch
    fields = [
        found
        for _, model in models
        for name, field in model.model_fields.items()
        if _name(name, field) == step
        for found in _models(field.annotation)
    ]
    return fields or models


def _name(name: str, field: Any) -> str:
    return field.alias or name


def _models(kind: Any) -> Models:
    if isinstance(kind, TypeAliasType):
        return _models(kind.__value__)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [(kind.__name__, kind)]
    if get_origin(kind) is Annotated:
        inner, *marks = get_args(kind)
        tag = next((mark.tag for mark in marks if isinstance(mark, Tag)), None)
        return [(tag or name, model) for name, model in _models(inner)]
    return [found for part in get_args(kind) for found in _models(part)]
