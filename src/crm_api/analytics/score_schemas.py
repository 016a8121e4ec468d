"""What callers get when they read scores."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from ..core.money import Money
from ..core.schemas import Day, Instant, ListParams, NextCursor, Output
from .schemas import Model, ScoreStatus

Score = Annotated[int, Field(ge=1, le=5, description="1 to 5; 5 is best: most recent, most often, most money")]
WantedScores = Annotated[tuple[Score, ...], Field(max_length=5)]

_CUSTOMER = "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a77"
_RUN = "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a11"
_RFM: dict[str, Any] = {
    "customer_id": _CUSTOMER,
    "model": "rfm",
    "run_id": _RUN,
    "as_of": "2018-01-01",
    "computed_at": "2026-01-31T09:31:04Z",
    "status": "ok",
    "reason": None,
    "observation_count": 86,
    "recency_score": 5,
    "frequency_score": 4,
    "monetary_score": 5,
    "recency_days": 2,
    "order_count": 86,
    "amount": {"amount": "4330.16", "currency": "USD"},
}


class RfmScoreRead(Output):
    """Recency, frequency and money of one customer, as one run saw them."""

    customer_id: UUID
    model: Literal["rfm"]
    run_id: Annotated[UUID | None, Field(description="The run that says so; none was published yet when it is null")]
    as_of: Day | None
    computed_at: Instant | None
    status: Annotated[
        ScoreStatus,
        Field(description="`insufficient_data`: nothing can be said of this customer, and `reason` says why"),
    ]
    reason: str | None
    observation_count: Annotated[int, Field(description="Purchases and refunds that the scores rest on")]
    recency_score: Score | None
    frequency_score: Score | None
    monetary_score: Score | None
    recency_days: Annotated[int | None, Field(description="Days from the last purchase to `as_of`")]
    order_count: int
    amount: Annotated[Money | None, Field(description="Sum of the purchases less refunds; null when nothing was seen")]

    model_config = ConfigDict(json_schema_extra={"examples": [_RFM]})


class ScoredRun(Output):
    """The run that a page is read from."""

    id: UUID
    model: Model
    as_of: Day
    computed_at: Instant


class RfmScorePage(Output):
    """Scores in order of customer_id, all of one run."""

    data: list[RfmScoreRead]
    next_cursor: NextCursor
    run: ScoredRun

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "data": [_RFM],
                    "next_cursor": None,
                    "run": {"id": _RUN, "model": "rfm", "as_of": "2018-01-01", "computed_at": "2026-01-31T09:31:04Z"},
                }
            ]
        }
    )


class CustomerScores(Output):
    """One entry for each model there is."""

    customer_id: UUID
    data: list[RfmScoreRead]

    model_config = ConfigDict(json_schema_extra={"examples": [{"customer_id": _CUSTOMER, "data": [_RFM]}]})


class RfmScoreParams(ListParams):
    """Which scores to read; a run that is not named is the current one."""

    run_id: Annotated[UUID | None, Field(description="An older run, as long as its rows are kept")] = None
    as_of: Annotated[Day | None, Field(description="The newest published run with this reference date")] = None
    recency_score: Annotated[WantedScores, Field(description="Any of these")] = ()
    frequency_score: Annotated[WantedScores, Field(description="Any of these")] = ()
    monetary_score: Annotated[WantedScores, Field(description="Any of these")] = ()
    status: Annotated[ScoreStatus | None, Field(description="Only rows in this state")] = None
    customer_from: Annotated[UUID | None, Field(description="Only customers whose id is not below this one")] = None
    customer_before: Annotated[UUID | None, Field(description="Only customers whose id is below this one")] = None

    def filters(self) -> dict[str, Any]:
        """The filters that are given, by name."""
        names = ("recency_score", "frequency_score", "monetary_score", "status", "customer_from", "customer_before")
        given = {name: getattr(self, name) for name in names}
        return {name: value for name, value in given.items() if value is not None and value != ()}
