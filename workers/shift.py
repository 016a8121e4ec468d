"""A worker's shift: it asks for work, does it side by side with heartbeats, and goes home in order."""

import asyncio
import os
import socket
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import structlog

from crm_api.client import ApiClient, ApiFailure, ApiProblem, jobs
from crm_api.jobs.schemas import ClaimedJob

from .doing import LeaseGone, do_by_hand, drive_steps
from .work import Handler

TICK_SECONDS: Final = 2.0
GRACE_SECONDS: Final = 4.0
"""What is nearly done when the worker is told to stop may still be finished."""
_RELEASE_SECONDS: Final = 3.0
_CLAIM_SECONDS: Final = 10.0
log = structlog.get_logger()


class Shift:
    """The work of one process. `asking` is the client for claims, which must not wait for long; `working` the patient
    one for the work itself.
    """

    def __init__(self, asking: ApiClient, working: ApiClient, hands: Mapping[str, Handler], most_jobs: int) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._asking, self._working = asking, working
        self._hands, self._most_jobs = hands, most_jobs
        self._doing: dict[UUID, asyncio.Task[None]] = {}
        self._hinted: set[asyncio.Task[None]] = set()
        self._claiming = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._ask_now = asyncio.Event()
        self._api_away = False

    async def run(self) -> None:
        """Ask for work every two seconds until told to stop; then finish or give back what is being done."""
        log.info("shift_begins", worker=self.name, hands=sorted(self._hands))
        while not self._stopping.is_set():
            self._ask_now.clear()
            await self.ask()
            await self._rest()
        await self._go_home()
        log.info("shift_ends", worker=self.name)

    def stop(self) -> None:
        """Take no more work."""
        self._stopping.set()
        self._ask_now.set()

    async def ask(self, job_id: UUID | None = None) -> None:
        """Claim what there is room for, or the one job a hint named, and begin with it."""
        async with self._claiming:
            room = self._most_jobs - len(self._doing)
            if self._stopping.is_set() or (job_id is not None and (room == 0 or job_id in self._doing)):
                return
            try:
                async with asyncio.timeout(_CLAIM_SECONDS):
                    claimed = await jobs.claim_jobs(
                        self._asking, self.name, room, hands=sorted(self._hands), job_id=job_id
                    )
            except (ApiFailure, TimeoutError) as failure:
                self._note_api(failure)
                return
            self._note_api(None)
            for job in claimed:
                self._begin(job)

    def ask_soon(self, job_id: UUID) -> None:
        """Follow a hint; whoever gave it need not wait."""
        task = asyncio.create_task(self.ask(job_id))
        self._hinted.add(task)
        task.add_done_callback(self._hinted.discard)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(TICK_SECONDS):
                await self._ask_now.wait()
        except TimeoutError:
            return

    def _begin(self, job: ClaimedJob) -> None:
        task = asyncio.create_task(self._do(job), name=f"{job.kind} {job.id}")
        self._doing[job.id] = task
        task.add_done_callback(lambda _: self._ended(job.id))

    def _ended(self, job_id: UUID) -> None:
        if len(self._doing) == self._most_jobs:
            self._ask_now.set()  # there was no room, so more may be waiting
        del self._doing[job_id]

    async def _do(self, job: ClaimedJob) -> None:
        """Do a job, with heartbeats beside it; nothing that goes wrong with one job reaches another."""
        told = log.bind(job=str(job.id), kind=job.kind, attempt=job.attempt)
        told.info("job_begins")
        work = asyncio.create_task(self._work(job))
        pulse = asyncio.create_task(self._keep_lease(job, work))
        try:
            await work
            told.info("job_left")
        except LeaseGone:
            told.warning("lease_gone")
        except ApiProblem as problem:
            told.error("job_refused", code=problem.code, status=problem.status)
        except ApiFailure as failure:
            told.error("job_unreported", error=type(failure).__name__)
        except asyncio.CancelledError:
            if self._stopping.is_set():
                work.cancel()
                await asyncio.wait([work])
                await self._give_back(job)
            told.info("job_stopped")
        except Exception as error:
            told.error("job_broke", error=type(error).__name__, exc_info=error)
        finally:
            pulse.cancel()

    async def _work(self, job: ClaimedJob) -> None:
        if job.nature == "set":
            await drive_steps(self._working, job, self._stopping)
        else:
            await do_by_hand(self._working, job, self._hands[job.kind])

    async def _keep_lease(self, job: ClaimedJob, work: asyncio.Task[None]) -> None:
        """Send heartbeats; end the work when the job was cancelled or went to another worker."""
        while not work.done():
            await asyncio.sleep(job.heartbeat_seconds)
            try:
                goes_on = (await jobs.heartbeat(self._working, job)).state == "running"
            except ApiProblem as problem:
                goes_on = problem.code not in ("lease-lost", "job-not-found")
            except ApiFailure:
                goes_on = True  # the API is away; whether the lease held is seen when it is back
            if not goes_on:
                work.cancel()
                return

    async def _go_home(self) -> None:
        async with self._claiming:
            pass  # what a claim under way brings is given back with the rest
        if self._doing:
            await asyncio.wait(self._doing.values(), timeout=GRACE_SECONDS)
        rest = list(self._doing.values())
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest, timeout=_RELEASE_SECONDS)

    async def _give_back(self, job: ClaimedJob) -> None:
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                await jobs.release_job(self._asking, job)
        except (ApiFailure, TimeoutError) as failure:
            log.warning("job_not_given_back", job=str(job.id), error=type(failure).__name__)

    def _note_api(self, failure: Exception | None) -> None:
        """Log once that the API is away, and once that it is back."""
        if isinstance(failure, ApiProblem):
            log.error("claim_refused", status=failure.status, code=failure.code)
        elif (failure is not None) != self._api_away:
            log.warning("api_away" if failure else "api_back")
        self._api_away = failure is not None
