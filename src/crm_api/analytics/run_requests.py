"""What callers send who want a run: a model, what it is asked for, and whom it is about."""

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union

from pydantic import BeforeValidator, Discriminator, Field, Tag, create_model
from pydantic_core import PydanticCustomError

from ..audience.tree import Tree
from ..core.schemas import Input
from .outputs import OUTPUTS, Output
from .parameters import EXAMPLES, PARAMETERS, RunParameters
from .score_schemas import class_name


class RunWish(Input):
    """A computation that is wanted, of any model."""

    model: str
    parameters: RunParameters
    audience: Annotated[
        Tree | None,
        Field(description="About which customers; null: everybody. The others have no score while the run is current"),
    ] = None


def _existing_model(model: object) -> object:
    """Refuse what is no model at all."""
    if model not in tuple(OUTPUTS):
        raise PydanticCustomError("unknown-model", "models are {models}", {"models": ", ".join(OUTPUTS)})
    return model


def _wish(output: Output) -> type[RunWish]:
    example: dict[str, Any] = {"model": output.model, "parameters": EXAMPLES[output.model]}
    fields: dict[str, Any] = {
        "model": (Annotated[Literal[output.model], BeforeValidator(_existing_model)], ...),
        "parameters": (PARAMETERS[output.model], ...),
    }
    made: type[RunWish] = create_model(
        f"{class_name(output.model)}Run",
        __base__=RunWish,
        __doc__=f"A run of `{output.model}`: {output.about}.",
        __module__=__name__,
        __cls_kwargs__={"json_schema_extra": {"examples": [example]}},
        **fields,
    )
    return made


WISHES: Final = {output.model: _wish(output) for output in OUTPUTS.values()}
"""A run of each model as it is asked for."""


def _model_of(asked: Any) -> str:
    """Say which model is asked for; what names none is looked at as a run of `rfm`, which says so."""
    model = asked.get("model") if isinstance(asked, dict) else getattr(asked, "model", None)
    return str(model) if model in tuple(OUTPUTS) else "rfm"


if TYPE_CHECKING:
    RunRequest = RunWish
else:
    RunRequest = Annotated[
        Union[tuple(Annotated[wish, Tag(model)] for model, wish in WISHES.items())],  # noqa: UP007  # made of a list
        Discriminator(_model_of),
        Field(examples=[{"model": "rfm", "parameters": EXAMPLES["rfm"]}]),
    ]
"""A computation that is wanted."""
