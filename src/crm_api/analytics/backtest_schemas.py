"""What callers get when they read a backtest, and say to a run that waits for them."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from ..core.schemas import Day, Input, Output
from .schemas import Model, ScoreStatus

_BACKTEST: dict[str, Any] = {
    "run_id": "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a11",
    "model": "lifetime_value",
    "cut_on": "2017-10-03",
    "until": "2018-01-01",
    "status": "ok",
    "reason": None,
    "title": "2% too few purchases foretold: 81 instead of 82",
    "loss": 0.54,
    "loss_name": "mean absolute error beside that of each customer's past rate",
    "figures": {"customer_count": 300, "predicted_purchases": 80.6, "observed_purchases": 82},
    "calibration": [{"bin": 1, "count": 30, "predicted": 0.02, "observed": 0}],
}


class BacktestRead(Output):
    """How the method of a run did on what had been held back from it."""

    run_id: UUID
    model: Model
    cut_on: Annotated[Day | None, Field(description="It was fitted on what happened before")]
    until: Annotated[Day | None, Field(description="It was judged by what happened before this date")]
    status: Annotated[ScoreStatus, Field(description="`ok`, or why there is nothing to judge, which `reason` says")]
    reason: str | None
    title: Annotated[str | None, Field(description="The finding")]
    loss: Annotated[
        float | None, Field(description="The figure by which runs are compared: `loss_name` says which; less is better")
    ]
    loss_name: str | None
    figures: Annotated[dict[str, float], Field(description="By name; the model's page says what each is")]
    calibration: Annotated[
        list[dict[str, float]],
        Field(
            description="Means of what was predicted and observed, by tenths of the customers in order of prediction"
        ),
    ]

    model_config = ConfigDict(json_schema_extra={"examples": [_BACKTEST]})


class ApprovalWish(Input):
    """What somebody says to a run that waits."""

    note: Annotated[
        str | None, StringConstraints(min_length=1, max_length=500), Field(description="Why; kept with the run")
    ] = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "The sale of last week explains it."}]})
