"""`/metrics`: who may read it, what it says, that it names nobody, and that the documentation tells all of it."""

import re
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from crm_api.app import create_app
from crm_api.core.db import Database
from crm_api.core.limits import RateLimit
from crm_api.core.metrics import Counter, count
from crm_api.core.traffic import Traffic
from crm_api.core.trail import savepoint
from crm_api.jobs.metrics import ENDED
from crm_api.jobs.operations import enqueue
from crm_api.settings import Settings

from .calling import Api, problem

DOCS = Path(__file__).parents[1] / "docs" / "operations.md"
Labels = frozenset[tuple[str, str]]


class Scrape:
    """One answer of `/metrics`, taken apart."""

    def __init__(self, page: str) -> None:
        self.page = page
        self.families = {family.name: family for family in text_string_to_metric_families(page)}
        self._values: dict[str, dict[Labels, float]] = defaultdict(dict)
        for family in self.families.values():
            for sample in family.samples:
                self._values[sample.name][frozenset(sample.labels.items())] = sample.value

    def __call__(self, name: str, **labels: str) -> float:
        """The value of one sample; 0 when there is none yet."""
        return self._values[name].get(frozenset(labels.items()), 0)

    def has(self, name: str) -> bool:
        """Say whether a metric has any sample."""
        return bool(self._values[name])


async def scraped(app: FastAPI) -> Scrape:
    """Scrape from this machine, past the cache."""
    app.state.metrics._fresh_until = 0.0
    async with AsyncClient(transport=ASGITransport(app), base_url="http://127.0.0.1:8000") as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    return Scrape(answer.text)


async def test_this_machine_needs_no_token_and_all_others_need_the_scope(
    app: FastAPI, anonymous: Api, credentials: tuple[str, str]
) -> None:
    for host in ("127.0.0.1:8000", "localhost", "LOCALHOST:9", "[::1]:8000"):
        await anonymous.get("/metrics", headers={"Host": host}, expect=200)
    await anonymous.get("/metrics", expect=problem("unauthenticated", 401))
    for host in ("crm.example", "127.0.0.1.example", "localhost.example:8000", "0.0.0.0"):
        await anonymous.get("/metrics", headers={"Host": host}, expect=problem("unauthenticated", 401))
    for trace in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        passed_on = {"Host": "127.0.0.1:8000", trace: "127.0.0.1"}
        await anonymous.get("/metrics", headers=passed_on, expect=problem("unauthenticated", 401))
    may = anonymous.bearing(await anonymous.token(*credentials, "metrics:read"))
    assert "crm_requests_total" in await may.get("/metrics", expect=200)
    may_not = anonymous.bearing(await anonymous.token(*credentials, "jobs:read"))
    await may_not.get("/metrics", expect=problem("insufficient-scope", 403))
    local = {"Host": "127.0.0.1:8000"}
    await may_not.get("/metrics", headers=local, expect=problem("insufficient-scope", 403))


@pytest.mark.parametrize("peer", [("203.0.113.9", 80), ("::ffff:203.0.113.9", 80), ("testclient", 80), None])
async def test_no_other_machine_passes_for_this_one(app: FastAPI, clean: None, peer: Any) -> None:
    transport = ASGITransport(app, client=peer)
    async with AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        assert (await client.get("/metrics")).status_code == 401


async def test_requests_are_counted_by_template_method_and_class(app: FastAPI, api: Api) -> None:
    before = await scraped(app)
    wanted = "0198c0de-0000-7000-8000-00000000beef"
    await api.get(f"/v1/customers/{wanted}", expect=404)
    await api.get("/v1/customers", expect=200)
    await api.send("DELETE", "/v1/customers", expect=405)
    await api.get("/v1/secret-name-of-somebody", expect=404)
    await api.send("BREW", "/v1/somewhere", expect=404)
    after = await scraped(app)

    def more(**labels: str) -> float:
        return after("crm_requests_total", **labels) - before("crm_requests_total", **labels)

    assert more(route="/v1/customers/{customer_id}", method="GET", status="4xx") == 1
    assert more(route="/v1/customers", method="GET", status="2xx") == 1
    assert more(route="/v1/customers", method="DELETE", status="4xx") == 1
    assert more(route="none", method="GET", status="4xx") == 1
    assert more(route="none", method="other", status="4xx") == 1
    labels = {"route": "/v1/customers", "method": "GET"}
    assert after("crm_request_seconds_count", **labels) - before("crm_request_seconds_count", **labels) == 1
    assert after("crm_request_seconds_sum", **labels) > before("crm_request_seconds_sum", **labels)
    assert after("crm_request_seconds_bucket", **labels, le="+Inf") == after("crm_request_seconds_count", **labels)
    assert after("crm_requests_in_flight") == 1  # the scrape itself
    for name in (wanted, "secret", "somewhere", "BREW", "tests"):
        assert name not in after.page


async def test_problems_are_counted_by_code(app: FastAPI, api: Api, anonymous: Api) -> None:
    before = await scraped(app)
    await anonymous.get("/v1/jobs", expect=401)
    await api.post("/v1/customers", {"kind": "nobody"}, expect=422)
    await api.get("/v1/nothing", expect=404)
    await api.get("/healthz", headers={"Host": " "}, expect=400)
    usual = app.state.rate_limit
    app.state.rate_limit = RateLimit(1, 1)
    try:
        await api.get("/v1/jobs", expect=200)
        await api.get("/v1/jobs", expect=429)
        limited = await scraped(app)
    finally:
        app.state.rate_limit = usual
    for code in ("unauthenticated", "invalid-request", "not-found", "bad-host", "too-many-requests"):
        assert limited("crm_problems_total", code=code) - before("crm_problems_total", code=code) == 1, code
    assert limited("crm_rate_limit_refusals_total", kind="read") == 1
    assert limited("crm_rate_limit_refusals_total", kind="write") == 0


async def test_jobs_and_workers_are_told(app: FastAPI, api: Api, database: Database) -> None:
    empty = await scraped(app)
    kind = app.state.job_kinds["daily-facts"]
    labels = {"kind": kind.name}
    assert empty("crm_workers_alive") == 0
    assert not empty.has("crm_worker_last_sign_seconds")
    assert empty.has("crm_jobs")
    async with database.session() as session:
        job = await enqueue(session, kind, {}, by="tests")
        await session.execute(text("UPDATE job SET run_after = run_after - interval '90 seconds'"))
    waiting = await scraped(app)
    assert waiting("crm_jobs", **labels, state="queued") == 1
    assert 90 <= waiting("crm_job_oldest_waiting_seconds", **labels) < 100
    [claimed] = (await api.post("/v1/jobs/claim", {"worker": "w", "limit": 1}))["data"]
    running = await scraped(app)
    assert running("crm_jobs", **labels, state="running") == 1
    assert running("crm_jobs", **labels, state="queued") == 0
    assert running("crm_job_oldest_waiting_seconds", **labels) == 0
    assert running("crm_workers_alive") == 1
    assert running.has("crm_worker_last_sign_seconds")
    failed = {"lease_id": claimed["lease_id"], "reason": "it broke", "retry": False}
    await api.put(f"/v1/jobs/{job.id}/failure", failed)
    ended = await scraped(app)
    assert ended("crm_jobs", **labels, state="running") == 0
    for name, told in (
        ("crm_jobs_ended_total", {"state": "failed"}),
        ("crm_job_attempts_failed_total", {"outcome": "failed"}),
    ):
        assert ended(name, **labels, **told) - empty(name, **labels, **told) == 1


async def test_backlogs_are_told(app: FastAPI, api: Api, database: Database) -> None:
    assert (await scraped(app))("crm_outbox_backlog") == 0
    await api.post("/v1/customers", {"kind": "person", "given_name": "Ann"}, expect=201)
    async with database.session() as session:
        await session.execute(text("UPDATE outbox_event SET occurred_at = occurred_at - interval '1 hour'"))
        await session.execute(
            text("INSERT INTO customer_day_dirty SELECT gen_random_uuid(), '2024-05-01' FROM generate_series(1, 3)")
        )
    told = await scraped(app)
    assert told("crm_outbox_backlog") == 1
    assert 3600 <= told("crm_outbox_oldest_seconds") < 3700
    assert told("crm_daily_facts_backlog") == 3


async def test_what_the_process_uses_is_told(app: FastAPI, api: Api) -> None:
    await api.get("/v1/customers")
    told = await scraped(app)
    assert told("process_resident_memory_bytes") > 1_000_000
    assert told("process_cpu_seconds_total") > 0
    assert told("crm_database_up") == 1
    assert told("crm_database_connections_most", pool="read") == 10
    assert told("crm_database_connections", pool="read", state="idle") >= 1
    assert told("crm_database_connections", pool="write", state="in_use") == 0
    assert told.has("crm_hints_lost_total")


async def test_the_metrics_are_there_when_the_database_is_away() -> None:
    away = Settings(database_url="postgresql://nobody@127.0.0.1:1/none", secret_key="x" * 40)  # type: ignore[arg-type]
    app = create_app(away)
    async with app.router.lifespan_context(app):
        told = await scraped(app)
    assert told("crm_database_up") == 0
    assert not told.has("crm_jobs")
    assert told("process_resident_memory_bytes") > 0


async def test_the_database_is_asked_once_in_five_seconds(app: FastAPI, api: Api) -> None:
    first = await scraped(app)
    await api.post("/v1/customers", {"kind": "person", "given_name": "Ann"}, expect=201)
    again = Scrape(await api.get("/metrics"))
    assert again("crm_outbox_backlog") == first("crm_outbox_backlog") == 0
    assert (await scraped(app))("crm_outbox_backlog") == 1


async def test_what_is_undone_is_not_counted(app: FastAPI, api: Api) -> None:
    before = (await scraped(app))("crm_jobs_ended_total", kind="k", state="failed")
    database = app.state.database
    with pytest.raises(RuntimeError):
        async with database.session() as session:
            count(session, ENDED, "k", "failed")
            raise RuntimeError
    async with database.session() as session:
        count(session, ENDED, "k", "failed")
        with pytest.raises(RuntimeError):
            async with savepoint(session):
                count(session, ENDED, "k", "failed")
                raise RuntimeError
    assert (await scraped(app))("crm_jobs_ended_total", kind="k", state="failed") - before == 1
    with pytest.raises(KeyError):
        async with database.session() as session:
            count(session, Counter("crm_unlisted_total", "Nobody lists it."))


def test_counting_a_request_costs_next_to_nothing() -> None:
    traffic, scope = Traffic(), {"method": "GET", "state": {}}
    began = time.perf_counter()
    for _ in range(20_000):
        traffic.note(scope, 200, 0.003)
    assert (time.perf_counter() - began) / 20_000 < 20e-6


async def test_the_documentation_tells_every_metric_with_its_type_and_labels(app: FastAPI, api: Api) -> None:
    """The table of docs/operations.md and the registry agree."""
    table = dict(documented())
    families = {family.name: family for family in app.state.metrics._collectors().collect()}
    exposed = {(name + "_total" if family.type == "counter" else name): family for name, family in families.items()}
    assert set(table) == set(exposed)
    for name, family in exposed.items():
        assert table[name] == (family.type, frozenset(getattr(family, "_labelnames", ()))), name
        assert family.documentation.endswith("."), name
        assert re.fullmatch(r"(crm|process)_[a-z_]+", name), name
        assert name.endswith("_total") == (family.type == "counter"), name


def documented() -> list[tuple[str, tuple[str, frozenset[str]]]]:
    """Name, type and labels of each metric in the table."""
    row = re.compile(r"^\| `((?:crm|process)_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)
    return [
        (name, (kind, frozenset(re.findall(r"`(\w+)`", labels))))
        for name, kind, labels in row.findall(DOCS.read_text())
    ]


async def test_no_two_metrics_share_a_name(app: FastAPI, api: Api) -> None:
    names = [metric.name for metric in app.state.metrics._collectors().collect()]
    assert len(names) == len(set(names))
