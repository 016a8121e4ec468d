"""Does one claimed job to its end: drives the steps of a set job, or runs the handler of a hands job."""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from crm_api.client import ApiClient, ApiFailure, ApiProblem, jobs
from crm_api.jobs.schemas import ClaimedJob

from .work import CannotBeDone, Handler

_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 5.0
log = structlog.get_logger()


class LeaseGone(Exception):
    """The job is no longer ours, or has ended: there is nothing left to do or to report."""


async def drive_steps(api: ApiClient, job: ClaimedJob, stopping: asyncio.Event) -> None:
    """Ask for step after step until the job has ended; between two steps it can be given back.

    While the API is away the same step is asked for again and again: if it was done meanwhile, this asks for the next.
    Errors: LeaseGone, ApiProblem when the API will never do it.
    """
    pause = _FIRST_PAUSE_SECONDS
    while not stopping.is_set():
        try:
            if (await jobs.run_step(api, job)).done:
                return
            pause = _FIRST_PAUSE_SECONDS
        except ApiFailure as failure:
            _go_on_after(failure)
            log.warning("step_unanswered", job=str(job.id), error=type(failure).__name__)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
    await jobs.release_job(api, job)


async def do_by_hand(api: ApiClient, job: ClaimedJob, handler: Handler) -> None:
    """Run a handler and report its result, or why there is none. Errors: LeaseGone, ApiFailure when the report does
    not get through.
    """
    counted: dict[str, int] = {}

    async def report(progress: float | None, counts: Mapping[str, int] | None = None) -> None:
        counted.update(counts or {})
        if (await jobs.report_progress(api, job, progress, counted)).state != "running":
            raise LeaseGone

    try:
        result = await handler(api, job, report)
    except (LeaseGone, asyncio.CancelledError):
        raise
    except Exception as error:
        if isinstance(error, ApiProblem) and error.code == "lease-lost":
            raise LeaseGone from error
        log.error("hands_failed", job=str(job.id), kind=job.kind, error=_reason(error), exc_info=_traceable(error))
        await jobs.report_failure(api, job, _reason(error), retry=not isinstance(error, CannotBeDone))
        return
    await jobs.report_result(api, job, result, counted)


def _go_on_after(failure: ApiFailure) -> None:
    """Let pass what time may mend."""
    if not isinstance(failure, ApiProblem):
        return
    if failure.code in ("lease-lost", "job-not-found"):
        raise LeaseGone from failure
    if not failure.may_pass:
        raise failure


def _reason(error: Exception) -> str:
    """Say why the work failed, without the values that an error may quote."""
    if isinstance(error, CannotBeDone):
        return str(error)
    if isinstance(error, ApiProblem):
        return f"the API refused: {error.status} {error.code}"
    return type(error).__name__


def _traceable(error: Exception) -> Exception | None:
    return None if isinstance(error, ApiFailure | CannotBeDone) else error
