"""What callers get when they ask how customers moved between two runs."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from ..core.schemas import Day, Output, Params
from .schemas import Model

_RUN, _BEFORE = "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a11", "0198bd0e-1a2b-7c3a-9f0e-2b7d4c1e8a05"
_MIGRATION: dict[str, Any] = {
    "run_id": _RUN,
    "against_run_id": _BEFORE,
    "model": "rfm",
    "as_of": "2018-01-01",
    "against_as_of": "2017-12-01",
    "data": [
        {
            "value": "recency_score",
            "moved_count": 12,
            "moves": [
                {"before": 5, "after": 5, "customer_count": 401},
                {"before": 5, "after": 4, "customer_count": 9},
                {"before": None, "after": 5, "customer_count": 3},
            ],
        }
    ],
}


class MigrationParams(Params):
    """Which two runs to compare; a run that is not named is the current one, and the one published before it."""

    run_id: Annotated[UUID | None, Field(description="The later run, as long as its rows are kept")] = None
    against_run_id: Annotated[UUID | None, Field(description="The earlier run, as long as its rows are kept")] = None


class Move(Output):
    """How many customers went from one score, or class, to another, or stayed."""

    before: Annotated[int | str | None, Field(description="In the earlier run; null: it told none of them")]
    after: Annotated[int | str | None, Field(description="In the later run; null: it tells none of them")]
    customer_count: int


class ValueMigration(Output):
    """How customers moved in one value of a model."""

    value: Annotated[str, Field(description="Its name in the model's scores")]
    moved_count: Annotated[int, Field(description="Customers whom both runs tell it of, and who changed")]
    moves: Annotated[list[Move], Field(description="Whoever has it in either run is in one of these")]


class MigrationRead(Output):
    """How customers moved between two runs of a model."""

    run_id: UUID
    against_run_id: UUID
    model: Model
    as_of: Day
    against_as_of: Day
    data: Annotated[list[ValueMigration], Field(description="Of each score and class of the model")]

    model_config = ConfigDict(json_schema_extra={"examples": [_MIGRATION]})
