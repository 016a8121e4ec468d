"""What callers send and get about the plans of models; each model's parameters are its own."""

from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import ConfigDict, Field, create_model

from ..audience.tree import Tree
from ..core.schemas import Input, Instant, Output, Params
from . import outputs
from .parameters import EXAMPLES, PARAMETERS, RunParameters
from .schemas import Model
from .score_schemas import class_name


class PlanWish(Input):
    """When a model is run by itself, and what it is asked for."""

    parameters: Annotated[
        RunParameters, Field(description="As of a run, without `as_of`, which is the day of each run")
    ]
    audience: Annotated[
        Tree | None,
        Field(description="About which customers its runs are; null: everybody. Each run looks anew who is meant"),
    ] = None
    at: Annotated[
        str,
        Field(
            pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$",
            description="Every day at this time of the business's zone; one that the clock skips comes an hour later",
        ),
    ] = "02:00"
    enabled: Annotated[bool, Field(description="Whether it is run at all")] = True


class PlanRead(Output):
    """When a model is run by itself, and what it is asked for."""

    model: Model
    parameters: dict[str, Any]
    audience: Annotated[dict[str, Any] | None, Field(description="About which customers; null: everybody")]
    audience_text: Annotated[str | None, Field(description="The same, for people to read")]
    at: Annotated[str, Field(description="Time of day in the business's zone")]
    time_zone: str
    enabled: bool
    next_at: Annotated[Instant | None, Field(description="When it is due next; null when it is not enabled")]
    last_run_id: Annotated[UUID | None, Field(description="The run it started last")]
    updated_by: str
    updated_at: Instant

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "rfm",
                    "parameters": {"currency": "EUR", "kinds": ["order.placed", "order.refunded"]},
                    "audience": {"field": "tags", "has": "club"},
                    "audience_text": 'tags has "club"',
                    "at": "02:00",
                    "time_zone": "Europe/Berlin",
                    "enabled": True,
                    "next_at": "2026-02-01T01:00:00Z",
                    "last_run_id": None,
                    "updated_by": "demo",
                    "updated_at": "2026-01-31T09:30:00Z",
                }
            ]
        }
    )


class PlanListParams(Params):
    """Nothing: all plans are listed."""


class PlanList(Output):
    """All plans."""

    data: list[PlanRead]

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": PlanRead.model_json_schema()["examples"]}]})


def _wish(output: outputs.Output) -> type[PlanWish]:
    about = PlanWish.model_fields["parameters"]
    of_model: Any = Annotated[PARAMETERS[output.model], about]
    parameters = {name: value for name, value in EXAMPLES[output.model].items() if name != "as_of"}
    example: dict[str, Any] = {"parameters": parameters, "at": "02:00", "enabled": True}
    made: type[PlanWish] = create_model(
        f"{class_name(output.model)}PlanWish",
        __base__=PlanWish,
        __doc__=f"When `{output.model}` is run by itself, and what it is asked for.",
        __module__=__name__,
        __cls_kwargs__={"json_schema_extra": {"examples": [example]}},
        parameters=(of_model, ...),
    )
    return made


WISHES: Final = {output.model: _wish(output) for output in outputs.OUTPUTS.values()}
"""What the plan of each model takes."""
