"""Real processes: whoever dies during a run, the old one stays current until the new one is whole."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
import pytest
from sqlalchemy import func, select, text

from crm_api.analytics.models import AnalyticsModel
from crm_api.analytics.schemas import RunRead
from crm_api.client import ApiClient, analytics, jobs
from crm_api.jobs.schemas import JobRead

from ..live import Service
from .test_lifetime_value import trade
from .test_lists import PRODUCTS, orders
from .working import AS_OF

pytestmark = pytest.mark.xdist_group("live")
CUSTOMERS = 300
PARAMETERS: Final = {"as_of": AS_OF, "currency": "USD"}
_BASKETS: Final = {"as_of": AS_OF, "kinds": ["basket.paid"]}
SHAPES: Final[dict[str, dict[str, Any]]] = {
    "affinity": {**_BASKETS, "subjects": [{"subject": "drug", "departments": ["DRUG"]}]},
    "discover": {**_BASKETS, "currency": "USD", "min_customers": 2, "min_products": 1},
    "related_products": {**_BASKETS, "currency": "USD", "min_customers": 2},
}
"""One model of each shape besides a row a customer: rows by subject, lists, and rows about products; all read lines."""


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """One service with some trade and a published run for all tests of this file; each leaves it whole."""
    folder = tmp_path_factory.mktemp("service")
    async with Service(folder, worker="tests.analytics.live_worker") as started:
        async with started.client() as api:
            await _trade(api)
            for model, asked in {"rfm": PARAMETERS, "lifetime_value": PARAMETERS, **SHAPES}.items():
                run, _ = await _ended(api, await analytics.start_run(api, model, asked))
                assert run.state == "published", run
        yield started


@pytest.fixture(autouse=True)
async def whole_again(service: Service) -> AsyncIterator[None]:
    """Start what a test that failed left killed, so that it is the only one that fails."""
    yield
    if service.api.pid is None:
        await service.start_api()
    if service.worker.pid is None:
        await service.start_worker()


async def _trade(api: ApiClient) -> None:
    """Register customers and record their purchases, and of the first ones baskets, apart by their kind."""
    shops = [{"kind": "organization", "organization_name": f"Shop {number}"} for number in range(CUSTOMERS)]
    ids = sorted([line["id"] async for line in _load(api, "customers", shops) if "id" in line])
    told = [
        {"customer_id": ids[number], "kind": kind, "occurred_at": at, "amount": {"amount": amount, "currency": "USD"}}
        for number, kind, at, amount in trade(CUSTOMERS)
    ]
    told += [{**orjson.loads(line), "kind": "basket.paid"} for line in orders(ids[:120])]
    *_, last = [line async for line in _load(api, "touchpoints", told)]
    assert last["summary"]["created"] == len(told)
    for sku, (department, _) in PRODUCTS.items():
        await api.put(f"/v1/products/by-sku/{sku}", {"name": sku, "department": department})


def _load(api: ApiClient, what: str, lines: list[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"".join(orjson.dumps(line) + b"\n" for line in lines)

    return api.stream_batch(f"/v1/{what}/batch", chunks, params={"results": "all"})


async def _ended(api: ApiClient, run: RunRead) -> tuple[RunRead, JobRead]:
    job = await jobs.wait_for_job(api, run.job_id, seconds=60, pause_seconds=0.1)
    return await analytics.get_run(api, run.id), job


async def _past(api: ApiClient, run: RunRead, progress: float) -> None:
    """Wait until a run has come that far."""
    async with asyncio.timeout(60):
        while ((await jobs.get_job(api, run.job_id)).progress or 0) < progress:
            await asyncio.sleep(0.02)


async def _current(api: ApiClient, model: str = "rfm") -> RunRead:
    """The run that scores are read from."""
    return await analytics.get_run(api, (await analytics.list_scores(api, model, limit=1)).run.id)


async def test_a_run_is_done_by_a_worker_and_its_stream_has_its_hash(service: Service) -> None:
    async with service.client() as api:
        run = await _current(api)
        assert (run.state, run.is_current, run.row_count) == ("published", True, CUSTOMERS), run
        job = await jobs.get_job(api, run.job_id)
        assert job.result is not None
        assert job.result["output_hash"] == run.output_hash
        text = b"".join([piece async for piece in analytics.stream_scores(api, "rfm", run_id=str(run.id))])
        cut = b"".join(line.split(b",", 2)[2] + b"\n" for line in text.splitlines())
        assert hashlib.sha256(cut).hexdigest() == run.output_hash


@pytest.mark.parametrize(
    ("model", "progress"),
    [("rfm", 0.2), ("rfm", 0.81), ("lifetime_value", 0.4), ("lifetime_value", 0.97)],
    ids=["reading", "written", "reading for a fit", "publishing with a picture"],
)
async def test_a_killed_worker_leaves_the_old_run_current_and_another_finishes(
    service: Service, model: str, progress: float
) -> None:
    async with service.client() as api:
        before = await _current(api, model)
        run = await analytics.start_run(api, model, PARAMETERS)
        async with _publishing_waits(service, model):
            await _past(api, run, progress)
            service.kill_worker()
            assert (await analytics.get_run(api, run.id)).state == "running"
            assert await _current(api, model) == before
        await service.start_worker()
        run, job = await _ended(api, run)
        assert (run.state, run.is_current, run.output_hash) == ("published", True, before.output_hash), run
        assert [attempt.outcome for attempt in job.attempts] == ["lease-expired", "succeeded"]


@pytest.mark.parametrize(("model", "progress"), [("rfm", 0.3), ("lifetime_value", 0.97)], ids=["reading", "publishing"])
async def test_a_killed_api_interrupts_a_run_and_does_not_end_it(service: Service, model: str, progress: float) -> None:
    async with service.client() as api:
        before = await _current(api, model)
        run = await analytics.start_run(api, model, PARAMETERS)
        async with _publishing_waits(service, model):
            await _past(api, run, progress)
            service.kill_api()
            await service.start_api()
            assert await _current(api, model) == before
        run, _ = await _ended(api, run)
        assert (run.state, run.output_hash) == ("published", before.output_hash), run


@pytest.mark.parametrize("model", SHAPES)
async def test_rows_of_every_shape_become_current_whole_or_not_at_all(service: Service, model: str) -> None:
    """The worker is killed as it reads, and the API in the transaction that publishes."""
    async with service.client() as api:
        before = await _current(api, model)
        run = await analytics.start_run(api, model, SHAPES[model])
        async with _publishing_waits(service, model) as waits:
            await _past(api, run, 0.2)
            service.kill_worker()
            assert (await analytics.get_run(api, run.id)).state == "running"
            assert await _current(api, model) == before
            await service.start_worker()
            await waits()
            service.kill_api()
            await service.start_api()
            assert await _current(api, model) == before
        run, _ = await _ended(api, run)
        assert (run.state, run.is_current) == ("published", True), run
        assert (run.row_count, run.output_hash) == (before.row_count, before.output_hash)


@asynccontextmanager
async def _publishing_waits(service: Service, model: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Hold what publishing changes last; answers how to wait until somebody has come there."""
    held = select(AnalyticsModel.model).where(AnalyticsModel.model == model).with_for_update()
    blocked = select(func.count()).select_from(text("pg_stat_activity")).where(text("wait_event_type = 'Lock'"))
    async with service.database() as database, database.session() as holding:
        await holding.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        await holding.execute(held)

        async def somebody_waits() -> None:
            async with asyncio.timeout(60):
                while True:
                    async with database.session() as looking:
                        if await looking.scalar(blocked):
                            return
                    await asyncio.sleep(0.05)

        yield somebody_waits


async def test_a_run_is_cancelled_while_it_reads(service: Service) -> None:
    async with service.client() as api:
        before = await _current(api)
        run = await analytics.start_run(api, "rfm", PARAMETERS)
        await _past(api, run, 0.2)
        await jobs.cancel_job(api, run.job_id)
        run, job = await _ended(api, run)
        assert (run.state, job.state) == ("cancelled", "cancelled")
        assert await _current(api) == before
