"""The hands of analytics: facts out through the API, scores computed here, rows back through the API, then published.

Nothing of a run is kept outside of it: a worker that takes a run over begins anew, and the API drops what was there.
"""

import asyncio
import hashlib
import resource
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import contextmanager
from importlib import import_module
from itertools import count
from math import isfinite
from typing import Any, Final

import structlog

from crm_api.analytics import pictures
from crm_api.analytics.distributions import described
from crm_api.analytics.methods.backtesting import Backtest
from crm_api.analytics.schemas import CustomerRange, Reference, RunRead, RunWork
from crm_api.client import ApiClient, ApiInterrupted, ApiProblem, analytics
from crm_api.jobs.schemas import ClaimedJob

from .draw import NotDrawn, svg
from .models import Block, Model, Outcome
from .rfm import RfmModel
from .work import CannotBeDone, Report


def _fitted(module: str, maker: str) -> Callable[[Mapping[str, Any]], Model]:
    """Make a model whose libraries are loaded when its first run begins: SciPy takes longer than all else at start."""

    def make(parameters: Mapping[str, Any]) -> Model:
        model: Model = getattr(import_module(module, __package__), maker)(parameters)
        return model

    return make


MODELS: Final[dict[str, Callable[[Mapping[str, Any]], Model]]] = {
    "rfm": RfmModel,
    "lifetime_value": _fitted(".buying", "lifetime_value_model"),
    "churn": _fitted(".buying", "churn_model"),
    "contract_churn": _fitted(".contracts", "contract_model"),
    "price_sensitivity": _fitted(".prices", "PriceModel"),
    "taste": _fitted(".tastes", "taste_model"),
    "sensitive_taste": _fitted(".tastes", "sensitive_taste_model"),
    "affinity": _fitted(".tastes", "AffinityModel"),
    "season": _fitted(".seasons", "SeasonModel"),
    "climate": _fitted(".climates", "ClimateModel"),
    "discover": _fitted(".lists", "discover_model"),
    "buy_again": _fitted(".lists", "buy_again_model"),
    "related_products": _fitted(".lists", "related_model"),
    "association": _fitted(".lists", "AssociationModel"),
    "growth": _fitted(".growing", "growth_model"),
    "divisions": _fitted(".growing", "divisions_model"),
}
"""How each model is made of a run's parameters."""
CUSTOMERS_IN_A_RANGE: Final = 100_000
ROWS_IN_A_PART: Final = 50_000
_BLOCK_BYTES: Final = 2 * 1024 * 1024
_TRIES: Final = 3
_SETTLE_SECONDS: Final = 1.0
_READ, _COMPUTED, _WRITTEN = 0.8, 0.85, 0.98
"""How far the work has come when everything was read, computed, written."""
log = structlog.get_logger()
_FINAL: Final = frozenset({"run-not-open", "run-superseded", "invalid-audience", "sensitive-taste"})
"""Refusals that no further attempt would change; the last two of what was right when the run was asked for."""


async def compute_run(
    api: ApiClient, job: ClaimedJob, report: Report, *, customers: int = CUSTOMERS_IN_A_RANGE
) -> dict[str, Any]:
    """Compute the run a job is for, in ranges of so many customers. Errors: CannotBeDone, ApiFailure."""
    try:
        return await _Computation(api, job, report).run(customers)
    except ApiProblem as problem:
        if problem.code in _FINAL:
            raise CannotBeDone(f"{problem.code}: {problem.detail}") from None
        raise


class _Computation:
    """One attempt at one run."""

    def __init__(self, api: ApiClient, job: ClaimedJob, report: Report) -> None:
        self._api, self._job, self._report = api, job, report
        self._run_id: str = job.arguments["run_id"]
        self._seconds: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    async def run(self, customers: int) -> dict[str, Any]:
        """Do all of it, or only say what came out when an attempt before this one was killed after publishing."""
        work = await self._begin(customers)
        run = work.run
        if run.state == "running":
            model = await asyncio.to_thread(MODELS[run.model], run.parameters)
            with self._timed("feed_seconds"):
                await self._read(model, work)
            with self._timed("compute_seconds"):
                outcome, _ = await asyncio.gather(asyncio.to_thread(model.finish), self._report(_READ, self._counts))
            self._counts |= outcome.counts
            # A picture is drawn by a process of its own, the first of all after seconds: none waits for the rows.
            output_hash, backtest = await _side_by_side([self._write(outcome), self._draw(outcome.backtest)])
            run = await self._publish(model, outcome, output_hash, backtest, work.reference)
        return {"run_id": self._run_id, "state": run.state, "row_count": run.row_count, "output_hash": run.output_hash}

    async def _begin(self, customers: int) -> RunWork:
        """Begin as soon as everything from before the watermark has arrived."""
        while True:
            try:
                return await analytics.begin_run(self._api, self._run_id, self._job.lease_id, customers=customers)
            except ApiProblem as problem:
                if problem.code != "watermark-open":
                    raise
            await self._report(0)
            await asyncio.sleep(_SETTLE_SECONDS)

    async def _read(self, model: Model, work: RunWork) -> None:
        """Read one range after the other: one stream keeps the database, the API and this process at work at once."""
        for done, customers in enumerate(work.ranges, 1):
            condensed, count = await self._read_range(model, customers)
            await asyncio.to_thread(model.keep, condensed)
            self._counts["facts_read"] = self._counts.get("facts_read", 0) + count
            if done < len(work.ranges):  # that all was read is told while it is computed
                await self._report(_READ * done / len(work.ranges), self._counts)

    async def _read_range(self, model: Model, customers: CustomerRange) -> tuple[list[Any], int]:
        """Read one range, from its start again when the stream breaks off."""
        for tries_left in reversed(range(_TRIES)):
            try:
                return await _condensed(model, analytics.stream_feed(self._api, self._run_id, model.reads, customers))
            except ApiInterrupted:
                if not tries_left:
                    raise
        raise AssertionError("the last try either returns or raises")

    async def _write(self, outcome: Outcome) -> str:
        """Send all rows, one part after the other; answers their hash, taken of one header and all lines."""
        header = outcome.rows.header
        digest = hashlib.sha256(header)

        async def send_parts() -> None:
            sent = 0
            parts = outcome.rows.parts(ROWS_IN_A_PART)
            for part in count():
                lines = await asyncio.to_thread(next, parts, b"")
                if not lines:
                    break
                digest.update(lines)
                stored = await analytics.send_rows(self._api, self._run_id, self._job.lease_id, part, header + lines)
                sent += stored.row_count
                if sent < outcome.rows.count:  # that all was written is told while the end is prepared
                    share = sent / outcome.rows.count
                    await self._report(_COMPUTED + share * (_WRITTEN - _COMPUTED), {"rows_written": sent})

        with self._timed("write_seconds"):
            await _side_by_side([self._report(_COMPUTED, self._counts), send_parts()])
        return digest.hexdigest()

    async def _draw(self, backtest: Backtest | None) -> dict[str, Any] | None:
        if backtest is None:
            return None
        with self._timed("draw_seconds"):
            return await _told(backtest)

    async def _publish(
        self,
        model: Model,
        outcome: Outcome,
        output_hash: str,
        backtest: dict[str, Any] | None,
        reference: Reference | None,
    ) -> RunRead:
        before = {} if reference is None else reference.edges
        distributions, _ = await asyncio.gather(
            asyncio.to_thread(described, outcome.watched, before),
            self._report(_WRITTEN, {"rows_written": outcome.rows.count}),
        )
        told = {
            "backtest": backtest,
            "distributions": distributions,
            "reference_run_id": None if reference is None else str(reference.run_id),
            "row_count": outcome.rows.count,
            "output_hash": output_hash,
            "input_hash": outcome.input_hash,
            "code_version": model.code_version,
            "timing": self._seconds,
            "peak_memory_bytes": _peak_memory_bytes(),
            "quality": self._counts,
        }
        return await analytics.publish_run(self._api, self._run_id, self._job.lease_id, told)

    @contextmanager
    def _timed(self, name: str) -> Any:
        began = time.monotonic()
        yield
        self._seconds[name] = round(time.monotonic() - began, 3)


async def _told(backtest: Backtest) -> dict[str, Any]:
    """Put a backtest as the API takes it, with its picture when there is something to draw."""
    told: dict[str, Any] = {
        "cut_on": None if backtest.cut_on is None else backtest.cut_on.isoformat(),
        "until": None if backtest.until is None else backtest.until.isoformat(),
        "status": backtest.status,
        "reason": backtest.reason,
        "figures": pictures.finite(dict(backtest.figures)),
        "calibration": [pictures.finite(row) for row in backtest.table.to_dicts()],
    }
    if backtest.status == "ok":
        words = pictures.TELLING[backtest.model](backtest)
        told |= {"title": words.title, "vega_lite": pictures.picture(backtest, words)}
        if isfinite(words.loss):
            told |= {"loss": words.loss, "loss_name": words.loss_name}
        try:
            told["svg"] = await svg(told["vega_lite"])
        except NotDrawn as why:
            log.warning("picture_not_drawn", model=backtest.model, reason=str(why))
    return {name: value for name, value in told.items() if value is not None}


async def _condensed(model: Model, feed: AsyncIterator[bytes]) -> tuple[list[Any], int]:
    """Reduce a feed block by block, each while the next one is read; answers also how many facts it held."""
    reducing: list[asyncio.Task[Any]] = []
    count = 0
    try:
        async for columns, lines in _blocks(feed):
            count += lines.count(b"\n")
            await asyncio.gather(*reducing[-1:])  # one at a time, so that no more than two blocks are in memory
            reducing.append(asyncio.create_task(asyncio.to_thread(model.condense, Block(lines, columns))))
        return list(await asyncio.gather(*reducing)), count
    finally:
        await asyncio.gather(*reducing, return_exceptions=True)


async def _side_by_side(works: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Do several things at once, and answer what each came to; the first failure ends all and is raised as it is."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _blocks(feed: AsyncIterator[bytes]) -> AsyncIterator[tuple[list[str], bytes]]:
    """Gather a stream of CSV into blocks of whole lines, each with the columns that the stream's header names.

    The bytes are put together once, into the block; whatever else is cut is no longer than a piece.
    """
    columns: list[str] = []
    gathered, size = [], 0
    async for piece in feed:
        gathered.append(piece)
        size += len(piece)
        if not columns and b"\n" in piece:
            header, _, rest = b"".join(gathered).partition(b"\n")
            columns, gathered, size = header.decode().split(","), [rest], len(rest)
        if size < _BLOCK_BYTES:
            continue
        whole, end, rest = gathered[-1].rpartition(b"\n")
        if end:
            gathered[-1] = whole + end
            yield columns, b"".join(gathered)
            gathered, size = [rest], len(rest)
    if columns and size:
        yield columns, b"".join(gathered)


def _peak_memory_bytes() -> int:
    """Most memory this process ever held; the system counts in KiB, but for macOS, which counts bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
