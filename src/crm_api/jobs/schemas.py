"""What callers and workers send and get."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue, StringConstraints

from ..core.schemas import Input, Instant, ListParams, NextCursor, Output
from .rules import WaitingReason

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Share = Annotated[float, Field(ge=0, le=1, description="Share of the whole that is done", examples=[0.4])]
Kind = Annotated[str, StringConstraints(min_length=1, max_length=100), Field(examples=["segment-build"])]
Counts = Annotated[
    dict[Annotated[str, StringConstraints(max_length=100)], Annotated[int, Field(ge=0, le=2**53)]],
    Field(max_length=50, description="What was counted on the way, by name", examples=[{"customers": 12000}]),
]
LeaseId = Annotated[UUID, Field(description="From the claim; proves that the job is this worker's")]

_ID = "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a11"
_LEASE = "0198c5a0-5d40-7d22-8d5b-6f1c2a3b4c5d"


_AT = "2026-01-31T09:30:00Z"
_ATTEMPT: dict[str, JsonValue] = {
    "number": 1,
    "worker": "host-1:4711",
    "started_at": _AT,
    "ended_at": None,
    "outcome": None,
    "reason": None,
}
_JOB: dict[str, JsonValue] = {
    "id": _ID,
    "kind": "segment-build",
    "nature": "set",
    "state": "running",
    "waiting_reason": None,
    "arguments": {"segment_id": "0198c5a0-5d3f-7c3a-9f0e-2b7d4c1e8a12"},
    "progress": 0.4,
    "counts": {"customers": 12000},
    "result": None,
    "problem": None,
    "attempts": [_ATTEMPT],
    "created_by": "client_5f2c0e9b71aa",
    "created_at": _AT,
    "run_after": _AT,
    "started_at": _AT,
    "finished_at": None,
    "cancel_requested_at": None,
}
_CLAIMED: dict[str, JsonValue] = {
    "id": _ID,
    "kind": "segment-build",
    "nature": "set",
    "arguments": {},
    "attempt": 1,
    "created_by": "client_5f2c0e9b71aa",
    "lease_id": _LEASE,
    "leased_until": "2026-01-31T09:30:30Z",
    "heartbeat_seconds": 10.0,
}


class AttemptRead(Output):
    """One try at a job, and how it ended."""

    number: int
    worker: str
    started_at: Instant
    ended_at: Instant | None
    outcome: Annotated[
        Literal["succeeded", "failed", "cancelled", "lease-expired", "released"] | None,
        Field(description="None while it lasts; `released` was given back in order and does not count as a failure"),
    ]
    reason: str | None


class JobRead(Output):
    """Long work."""

    id: Annotated[UUID, Field(examples=[_ID])]
    kind: Kind
    nature: Annotated[
        Literal["set", "hands"],
        Field(description="`set`: done by the API, step by step; `hands`: done by a worker, which reports"),
    ]
    state: JobState
    waiting_reason: Annotated[
        WaitingReason | None,
        Field(description="Why it does not start: no worker asked for work within 5 s, or the pause before a retry"),
    ]
    arguments: dict[str, Any]
    progress: Annotated[Share | None, Field(description="Share of the whole that is done; null when it is not known")]
    counts: Counts
    result: dict[str, Any] | None
    problem: Annotated[dict[str, Any] | None, Field(description="Of a failed job: the problem document (RFC 9457)")]
    attempts: list[AttemptRead]
    created_by: Annotated[str, Field(description="Client that wanted it; `crm-api` when it fell due by itself")]
    created_at: Instant
    run_after: Annotated[Instant, Field(description="It does not start before")]
    started_at: Instant | None
    finished_at: Instant | None
    cancel_requested_at: Instant | None

    model_config = ConfigDict(json_schema_extra={"examples": [_JOB]})


class JobPage(Output):
    """Jobs, the newest first."""

    data: list[JobRead]
    next_cursor: NextCursor

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_JOB], "next_cursor": None}]})


class JobListParams(ListParams):
    """Which jobs to list."""

    state: Annotated[JobState | None, Field(description="Only jobs in this state")] = None
    kind: Annotated[
        str | None,
        Field(min_length=1, max_length=100, description="Only jobs of this kind", examples=["segment-build"]),
    ] = None


class ClaimWish(Input):
    """A worker that asks for work."""

    worker: Annotated[str, Field(min_length=1, max_length=200, description="Name of the worker's process, for people")]
    limit: Annotated[int, Field(ge=0, le=50, description="Jobs at most; 0 only says that the worker lives")] = 1
    hands: Annotated[
        list[Kind] | None,
        Field(max_length=200, description="Kinds of hands jobs it can do, null for all; any worker can drive set jobs"),
    ] = None
    job_id: Annotated[UUID | None, Field(description="Only this job, as a hint named it")] = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"worker": "host-1:4711", "limit": 10, "hands": ["rfm"]}]}
    )


class ClaimedJob(Output):
    """A job that is this worker's until its lease ends."""

    id: Annotated[UUID, Field(examples=[_ID])]
    kind: Kind
    nature: Literal["set", "hands"]
    arguments: dict[str, Any]
    attempt: Annotated[int, Field(description="Number of this try, from 1")]
    created_by: str
    lease_id: Annotated[LeaseId, Field(examples=[_LEASE])]
    leased_until: Instant
    heartbeat_seconds: Annotated[float, Field(description="Send a heartbeat at least this often, and the lease holds")]


class Claimed(Output):
    """What a worker got; nothing when nothing is due."""

    data: list[ClaimedJob]

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [_CLAIMED]}]})


class Lease(Input):
    """Proof that the job is the worker's."""

    lease_id: LeaseId

    model_config = ConfigDict(json_schema_extra={"examples": [{"lease_id": _LEASE}]})


class ProgressWish(Lease):
    """How far the work has come; replaces what was reported before."""

    progress: Share | None = None
    counts: Counts = Field(default_factory=dict)

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"lease_id": _LEASE, "progress": 0.4, "counts": {"customers": 12000}}]}
    )


class ResultWish(Lease):
    """What came out; replaces what an earlier report under the same lease said."""

    result: Annotated[dict[str, Any], Field(description="What callers read in the job's `result`")]
    counts: Counts = Field(default_factory=dict)

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"lease_id": _LEASE, "result": {"version": 3}, "counts": {"rows": 12000}}]}
    )


class FailureWish(Lease):
    """Why the attempt failed."""

    reason: Annotated[str, Field(min_length=1, max_length=1000, description="For people; no personal data in it")]
    retry: Annotated[bool, Field(description="Whether trying again can help")]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"lease_id": _LEASE, "reason": "the mail server refused the connection", "retry": True}]
        }
    )


class LeaseState(Output):
    """Whether to go on."""

    state: Annotated[JobState, Field(description="Go on while it is `running`")]
    cancel_requested: Annotated[bool, Field(description="Somebody cancelled the job: stop, report nothing more")]
    leased_until: Instant | None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"state": "running", "cancel_requested": False, "leased_until": "2026-01-31T09:30:30Z"}]
        }
    )


class StepDone(Output):
    """How far the job is after a step."""

    done: Annotated[bool, Field(description="Nothing is left to do for this worker; `state` says why")]
    state: JobState
    progress: Share | None
    counts: Counts

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"done": False, "state": "running", "progress": 0.4, "counts": {"customers": 12000}}]
        }
    )
