"""What callers and workers send and get about runs."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from ..core.schemas import Day, Input, Instant, ListParams, NextCursor, Output, Params
from .outputs import Status
from .parameters import EXAMPLES

Model = Literal[
    "rfm",
    "lifetime_value",
    "churn",
    "contract_churn",
    "price_sensitivity",
    "taste",
    "sensitive_taste",
    "affinity",
    "season",
    "climate",
    "growth",
    "divisions",
    "discover",
    "buy_again",
    "related_products",
    "association",
]
RunState = Literal[
    "queued",
    "running",
    "awaiting_approval",
    "published",
    "rejected",
    "insufficient_data",
    "not_converged",
    "not_identified",
    "failed",
    "cancelled",
]
ScoreStatus = Status
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256, hexadecimal")]
LeaseId = Annotated[UUID, Field(description="From the claim of the run's job; proves that the run is this worker's")]

_ID = "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a11"
_JOB = "0198c5a0-5d40-7d22-8d5b-6f1c2a3b4c5d"
_LEASE = "0198c5a0-5d41-7a10-9c1e-0d2f3a4b5c6d"
_HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


_RUN: dict[str, Any] = {
    "id": _ID,
    "model": "rfm",
    "state": "published",
    "is_current": True,
    "parameters": {**EXAMPLES["rfm"], "time_zone": "America/New_York"},
    "audience": None,
    "audience_text": None,
    "as_of": "2018-01-01",
    "watermark": "2026-01-31T09:30:00Z",
    "code_version": "0.1.0+rfm.1",
    "input_hash": _HASH,
    "output_hash": _HASH,
    "row_count": 2469,
    "timing": {"feed_seconds": 2.1, "compute_seconds": 0.1, "write_seconds": 0.4},
    "peak_memory_bytes": 182_000_000,
    "quality": {"scored_count": 2469, "insufficient_data_count": 0, "fact_count": 155_848},
    "job_id": _JOB,
    "job": f"/v1/jobs/{_JOB}",
    "created_by": "demo",
    "created_at": "2026-01-31T09:31:00Z",
    "started_at": "2026-01-31T09:31:01Z",
    "finished_at": "2026-01-31T09:31:04Z",
    "rows_dropped_at": None,
    "problem": None,
    "approval": None,
}


class RunRead(Output):
    """A computation: what it was asked, what it read, what came out."""

    id: UUID
    model: Model
    state: Annotated[
        RunState,
        Field(
            description="`insufficient_data`, `not_converged`, `not_identified`: it ended well and nobody could be "
            "scored, so that nothing was published; `problem` says why. `awaiting_approval`: its backtest is worse "
            "than that of the current run, and `approval` says by how much"
        ),
    ]
    is_current: Annotated[bool, Field(description="Whether scores are read from this run when no other is named")]
    parameters: Annotated[dict[str, Any], Field(description="As asked, with what was left out filled in")]
    audience: Annotated[dict[str, Any] | None, Field(description="About which customers it is; null: everybody")]
    audience_text: Annotated[str | None, Field(description="The same, for people to read")]
    as_of: Day
    watermark: Annotated[Instant, Field(description="What was recorded later is not in the run")]
    code_version: Annotated[str | None, Field(description="Of the program that computed it, and of the method")]
    input_hash: Annotated[
        Digest | None, Field(description="SHA-256 of the totals per customer that the scores rest on")
    ]
    output_hash: Annotated[
        Digest | None,
        Field(
            description="SHA-256 of the rows as CSV, by customer_id, with their header and without the columns `as_of` "
            "and `run_id`: `GET /v1/scores/{model}` as CSV `| cut -d, -f3- | sha256sum`. The same inputs give the same"
        ),
    ]
    row_count: int | None
    timing: Annotated[dict[str, float] | None, Field(description="Seconds per phase")]
    peak_memory_bytes: Annotated[int | None, Field(description="Of the worker's process")]
    quality: Annotated[dict[str, Any] | None, Field(description="Counts of what was scored, left out, read")]
    job_id: UUID
    job: Annotated[str, Field(description="Where its progress is, and where it can be cancelled")]
    created_by: str
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    rows_dropped_at: Annotated[Instant | None, Field(description="Since when its rows are gone; they were too old")]
    problem: Annotated[dict[str, Any] | None, Field(description="Why nothing was published (RFC 9457)")]
    approval: Annotated[
        dict[str, Any] | None, Field(description="Why somebody has to agree to its publication, and who did or did not")
    ]

    model_config = ConfigDict(json_schema_extra={"examples": [_RUN]})


class RunPage(Output):
    """Runs, the newest first."""

    data: list[RunRead]
    next_cursor: NextCursor

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_RUN], "next_cursor": None}]})


class RunListParams(ListParams):
    """Which runs to list."""

    model: Annotated[Model | None, Field(description="Only runs of this model")] = None
    state: Annotated[RunState | None, Field(description="Only runs in this state")] = None


class BeginWish(Input):
    """A worker that begins, or begins anew, to work on a run."""

    lease_id: LeaseId
    customers: Annotated[
        int,
        Field(ge=1, le=1_000_000, description="How many customers a range should hold; it bounds the worker's memory"),
    ] = 50_000

    model_config = ConfigDict(json_schema_extra={"examples": [{"lease_id": _LEASE, "customers": 50000}]})


class CustomerRange(Output):
    """Customers whose id is not below `first` and below `before`; null is open."""

    first: UUID | None
    before: UUID | None


class Reference(Output):
    """The current run of the same model, with which the one that is worked on is compared."""

    run_id: UUID
    edges: Annotated[dict[str, list[float]], Field(description="Between which values each column was counted")]


class RunWork(Output):
    """What a worker needs to know."""

    run: RunRead
    reference: Annotated[Reference | None, Field(description="Null when there is none, or when it told nothing")]
    ranges: Annotated[
        list[CustomerRange], Field(description="Together they hold every customer; none when there is none")
    ]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"run": _RUN, "reference": None, "ranges": [{"first": None, "before": None}]}]}
    )


class FeedParams(Params):
    """Of which customers, by their ids."""

    customer_from: Annotated[UUID | None, Field(description="Not below this id")] = None
    customer_before: Annotated[UUID | None, Field(description="Below this id")] = None


class RowsParams(Params):
    """Which upload it is."""

    lease_id: LeaseId
    part: Annotated[int, Field(ge=0, lt=1_000_000, description="Number of the part; sent again it replaces itself")]


class PartStored(Output):
    """A part of the rows that passed every check."""

    run_id: UUID
    part: int
    row_count: int

    model_config = ConfigDict(json_schema_extra={"examples": [{"run_id": _ID, "part": 0, "row_count": 2469}]})


Seconds = Annotated[float, Field(ge=0, le=10_000_000)]
Figure = Annotated[int, Field(ge=0, le=2**53)]
Word = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]{0,49}$")]


Finite = Annotated[float, Field(ge=-1e300, le=1e300)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class ToldBacktest(Input):
    """How the method did on what had been held back from it, as the worker that computed it says."""

    cut_on: Annotated[Day | None, Field(description="It was fitted on what happened before")] = None
    until: Annotated[Day | None, Field(description="It was judged by what happened before this date")] = None
    status: ScoreStatus
    reason: Text | None = None
    title: Annotated[Text | None, Field(description="The finding")] = None
    loss: Annotated[Finite | None, Field(description="The figure by which runs are compared; less is better")] = None
    loss_name: Text | None = None
    figures: Annotated[dict[Word, Finite], Field(max_length=50)]
    calibration: Annotated[list[dict[Word, Finite]], Field(max_length=200, description="Both, by bin")]
    vega_lite: dict[str, Any] | None = None
    svg: Annotated[str | None, Field(min_length=10, max_length=400_000)] = None


Counts = Annotated[list[Figure], Field(max_length=30)]


class Distribution(Input):
    """How the values of a column lie."""

    edges: Annotated[list[Finite], Field(max_length=20, description="Its tenths, without repeats")]
    counts: Annotated[Counts, Field(description="Up to each edge, above the last one, and of nulls")]
    counts_before: Annotated[Counts | None, Field(description="Between the edges of the reference")] = None


class PublishWish(Input):
    """What the worker says it computed and sent."""

    lease_id: LeaseId
    row_count: Annotated[int, Field(ge=0, le=2**31 - 1)]
    output_hash: Annotated[Digest, Field(description="SHA-256 of all rows as CSV with one header, by customer_id")]
    input_hash: Annotated[Digest, Field(description="SHA-256 of the totals per customer")]
    code_version: Annotated[str, Field(pattern=r"^[A-Za-z0-9.+_-]{1,100}$")]
    timing: Annotated[dict[Word, Seconds], Field(max_length=20, description="Seconds per phase")]
    peak_memory_bytes: Figure
    quality: Annotated[dict[Word, Figure], Field(max_length=50, description="What was counted on the way, by name")]
    backtest: ToldBacktest | None = None
    reference_run_id: Annotated[UUID | None, Field(description="As the work told it")] = None
    distributions: Annotated[dict[Word, Distribution], Field(max_length=50, default_factory=dict)]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "lease_id": _LEASE,
                    **{
                        name: _RUN[name]
                        for name in ("row_count", "output_hash", "input_hash", "code_version", "timing")
                    },
                    "peak_memory_bytes": 182_000_000,
                    "quality": {"fact_count": 155_848},
                }
            ]
        }
    )
