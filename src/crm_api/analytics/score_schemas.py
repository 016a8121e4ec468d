"""What callers get when they read scores; the types of each model are made of what it declares."""

from functools import reduce
from operator import or_
from types import GenericAlias
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, create_model

from ..core.money import Money
from ..core.schemas import Day, Instant, ListParams, NextCursor, Output
from . import outputs
from .schemas import Model, ScoreStatus

CUSTOMER = "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a77"
_RUN = "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a11"
_AT = "2026-01-31T09:31:04Z"
_SOURCE: dict[str, Any] = {"id": _RUN, "model": "rfm", "as_of": "2018-01-01", "computed_at": _AT, "stale_since": None}

Score = Annotated[int, Field(ge=1, le=5, description="1 to 5; 5 is best")]
Name = Annotated[str, Field(pattern=outputs.NAME)]


class RowRead(Output):
    """What one run of a model says; what it says it of, and the values of the model, stand beside these."""

    model: str
    run_id: Annotated[UUID | None, Field(description="The run that says so; none was published yet when it is null")]
    as_of: Day | None
    computed_at: Instant | None
    status: Annotated[
        ScoreStatus,
        Field(
            description="`ok`, or why nothing can be said of this customer, which `reason` puts in words. `stale`: "
            "what "
            "is said was `ok`, and was computed longer ago than two days although the model is planned daily; only "
            "scores of the current run are looked at so"
        ),
    ]
    reason: str | None
    observation_count: int

    model_config = ConfigDict(extra="allow")


class ScoreRead(RowRead):
    """What one run of a model says of one customer; the values of the model stand beside these."""

    customer_id: UUID


class ScoredRun(Output):
    """The run that a page is read from."""

    id: UUID
    model: Model
    as_of: Day
    computed_at: Instant
    stale_since: Annotated[
        Instant | None,
        Field(description="Since when it is older than the model's plan promises: two days, of the current run"),
    ]


class ScorePage(Output):
    """Scores in order of whom or what they are about, and of what the model tells apart, all of one run."""

    data: list[RowRead]
    next_cursor: NextCursor
    run: ScoredRun


class RowParams(ListParams):
    """Which rows to read; a run that is not named is the current one."""

    run_id: Annotated[UUID | None, Field(description="An older run, as long as its rows are kept")] = None
    as_of: Annotated[Day | None, Field(description="The newest published run with this reference date")] = None
    status: Annotated[ScoreStatus | None, Field(description="Only rows in this state")] = None

    def filters(self) -> dict[str, Any]:
        """The filters that are given, by name."""
        others = ("run_id", "as_of", "limit", "cursor")
        given = {name: getattr(self, name) for name in type(self).model_fields if name not in others}
        return {name: value for name, value in given.items() if value is not None and value != ()}


class ScoreParams(RowParams):
    """Which scores to read; a run that is not named is the current one."""

    customer_from: Annotated[UUID | None, Field(description="Only customers whose id is not below this one")] = None
    customer_before: Annotated[UUID | None, Field(description="Only customers whose id is below this one")] = None


def class_name(model: str) -> str:
    """Name the types of a model: `LifetimeValue` for lifetime_value."""
    return "".join(word.capitalize() for word in model.split("_"))


def example(output: outputs.Output, currency: str = "USD") -> dict[str, Any]:
    """Answer a score as it is read."""
    told = {
        **({"customer_id": CUSTOMER} if output.subject is None else {}),
        "model": output.model,
        "run_id": _RUN,
        "as_of": "2018-01-01",
        "computed_at": _AT,
        "status": "ok",
        "reason": None,
        **output.example,
    }
    money = {value.name for value in output.values if value.kind == "money"} & set(output.example)
    return {**told, **{name: {"amount": told[name], "currency": currency} for name in money}}


_TYPES: Final[dict[outputs.Kind, Any]] = {
    "score": Score,
    "count": int,
    "days": int,
    "number": float,
    "rate": Annotated[float, Field(ge=0, le=1)],
    "money": Money,
    "name": Name,
    "text": Annotated[str, Field(min_length=1, max_length=200)],
    "texts": list[str],
}


def _type(value: outputs.Value) -> Any:
    kind: Any = Literal[value.choices] if value.kind == "choice" else _TYPES[value.kind]
    # Of a customer without a row neither money nor a name can be told.
    is_always = value.given == "always" and value.kind not in ("money", "name")
    return Annotated[kind if is_always else kind | None, Field(description=value.about or value.label)]


def _read(output: outputs.Output) -> type[RowRead]:
    values: dict[str, Any] = {value.name: (_type(value), ...) for value in output.all_values}
    told: dict[str, Any] = {
        "model": (Literal[output.model], ...),
        "status": (Annotated[Literal[(*output.statuses, "stale")], RowRead.model_fields["status"]], ...),
        "observation_count": (Annotated[int, Field(description=output.observations)], ...),
    }
    base: type[RowRead] = ScoreRead if output.subject is None else RowRead
    made: type[RowRead] = create_model(
        f"{class_name(output.model)}ScoreRead",
        __base__=base,
        __doc__=f"What one run of `{output.model}` says: {output.about}.",
        __module__=__name__,
        **told,
        **values,
    )
    made.model_config = {"from_attributes": True, "frozen": True, "json_schema_extra": {"examples": [example(output)]}}
    made.model_rebuild(force=True)
    return made


def _page(output: outputs.Output) -> type[ScorePage]:
    source = {**_SOURCE, "model": output.model}
    examples: list[Any] = [{"data": [example(output)], "next_cursor": None, "run": source}]
    of_model: Any = GenericAlias(list, READS[output.model])
    made: type[ScorePage] = create_model(
        f"{class_name(output.model)}ScorePage",
        __base__=ScorePage,
        __doc__="Scores in order of customer_id, all of one run.",
        __module__=__name__,
        data=(of_model, ...),
    )
    made.model_config = {"from_attributes": True, "frozen": True, "json_schema_extra": {"examples": examples}}
    made.model_rebuild(force=True)
    return made


def _params(output: outputs.Output) -> type[RowParams]:
    filters: dict[str, Any] = {}
    for value in output.all_values:
        if value.name in output.filters:
            kind: Any = Literal[value.choices] if value.choices else _TYPES[value.kind]
            filters[value.name] = (
                Annotated[tuple[kind, ...], Field(max_length=5, description=f"{value.label}: any of these")],
                (),
            )
    states: Any = Annotated[Literal[output.statuses] | None, Field(description="Only rows in this state")]
    base: type[RowParams] = ScoreParams if output.subject is None else RowParams
    made: type[RowParams] = create_model(
        f"{class_name(output.model)}ScoreParams",
        __base__=base,
        __module__=__name__,
        status=(states, None),
        **filters,
    )
    return made


READS: Final = {output.model: _read(output) for output in outputs.OUTPUTS.values()}
"""A score of each model."""
PAGES: Final = {output.model: _page(output) for output in outputs.OUTPUTS.values()}
PARAMS: Final = {output.model: _params(output) for output in outputs.OUTPUTS.values()}

if TYPE_CHECKING:
    AnyScore = ScoreRead
else:
    AnyScore = reduce(or_, (READS[model] for model in outputs.OF_CUSTOMERS))


class CustomerScores(Output):
    """One entry for each model there is, or one for each of the things that a model tells apart."""

    customer_id: UUID
    data: list[AnyScore]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"customer_id": CUSTOMER, "data": [example(output) for output in outputs.PROFILED.values()]}]
        }
    )
