"""The rows of bulk work: ingest and export beside COPY, an RFM run beside the same Polars code on Parquet."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import polars as pl
import psutil

from crm_api.core.ids import source_id_uuid

from .processes import peak_bytes
from .report import Line, Round
from .seed import CLIENT, SECRET
from .stage import Stage

COLUMNS = (
    "customer_id", "id", "kind", "channel", "direction", "occurred_at", "recorded_at", "source", "source_id", "recorded_by",
    "properties", "content_hash",
)  # fmt: skip


def _customer_id(turn: int, stage: Stage) -> UUID:
    return UUID(f"018f0000-0000-7000-8000-{turn * 7919 % stage.customers + 1:012x}")


async def measure_ingest(stage: Stage, rounds: int, lines: int) -> Line:
    """Measure `POST /v1/touchpoints/batch` beside COPY of the same rows into the same table with the same indexes."""
    line = Line("batch ingest", f"{lines:,}", "≥ .30, goal .45")
    for number in range(rounds):
        beside = await _copy(stage, f"copy-{number}", lines)
        mine = await _batch(stage, f"batch-{number}", lines)
        line.rounds.append(Round(mine["rows/s"] / beside["rows/s"], mine, beside))
    return line


async def _copy(stage: Stage, mark: str, lines: int) -> dict[str, float]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    digest = hashlib.sha256(b"x").digest()
    rows = [
        (
            _customer_id(turn, stage), source_id_uuid(mark, str(turn)), "page.viewed", "web", "inbound",
            at + timedelta(seconds=turn), at, mark, str(turn), "bench", '{"path":"/bikes"}', digest,
        )
        for turn in range(lines)
    ]  # fmt: skip
    connection: asyncpg.Connection = await stage.connect()
    began = time.perf_counter()
    await connection.copy_records_to_table("touchpoint", records=rows, columns=COLUMNS, timeout=3600)
    took = time.perf_counter() - began
    await connection.close()
    return {"rows/s": lines / took, "seconds": took}


async def _batch(stage: Stage, mark: str, lines: int) -> dict[str, float]:
    body = stage.folder / "batch.ndjson"
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with body.open("w") as file:
        for turn in range(lines):
            row = {
                "customer_id": str(_customer_id(turn, stage)), "kind": "page.viewed", "channel": "web", "direction": "inbound",
                "occurred_at": (at + timedelta(seconds=turn)).isoformat(), "source": mark, "source_id": str(turn),
                "properties": {"path": "/bikes"},
            }  # fmt: skip
            file.write(json.dumps(row, separators=(",", ":")) + "\n")
    headers = {"Authorization": f"Bearer {stage.fresh_token()}", "Content-Type": "application/x-ndjson"}
    async with httpx.AsyncClient(timeout=3600) as client:
        began = time.perf_counter()
        answer = await client.post(f"{stage.base_url}/v1/touchpoints/batch", content=_parts(body), headers=headers)
        took = time.perf_counter() - began
    summary = json.loads(answer.raise_for_status().text.splitlines()[-1])["summary"]
    if summary["created"] != lines:
        raise RuntimeError(f"the batch did not create every line: {summary}")
    return {"rows/s": lines / took, "seconds": took, "peak MB": stage.ours.peak_bytes() / 1e6}


async def _parts(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(1 << 18):
            yield part


async def measure_export(stage: Stage, rounds: int) -> Line:
    """Measure the stream of all customers as CSV beside COPY of the same query to a file."""
    line = Line("export customers, CSV", f"{stage.customers:,}", "≥ .50, goal .85")
    for _ in range(rounds):
        beside = await _copy_out(stage)
        mine = await _export(stage)
        line.rounds.append(Round(mine["rows/s"] / beside["rows/s"], mine, beside))
    return line


FLOOR_EXPORT = """
SELECT c.customer_id, c.kind, c.display_name, c.given_name, c.family_name, c.organization_name, c.birth_date, c.language, c.time_zone,
  (SELECT string_agg(p.normalized, ';') FROM contact_point p WHERE p.customer_id = c.customer_id AND p.kind = 'email') AS email,
  (SELECT string_agg(p.normalized, ';') FROM contact_point p WHERE p.customer_id = c.customer_id AND p.kind = 'phone') AS phone,
  (SELECT string_agg(e.system || '/' || e.external_id, ';') FROM external_id e WHERE e.customer_id = c.customer_id) AS external_ids,
  a.postal_code, a.city, a.country, array_to_string(c.tags, ';') AS tags, c.custom_fields, c.version, c.created_at, c.updated_at, c.archived_at
FROM customer c LEFT JOIN address a ON a.customer_id = c.customer_id AND a.position = 0 ORDER BY c.customer_id
"""


async def _copy_out(stage: Stage) -> dict[str, float]:
    connection: asyncpg.Connection = await stage.connect()
    began = time.perf_counter()
    await connection.copy_from_query(
        FLOOR_EXPORT, output=str(stage.folder / "floor.csv"), format="csv", header=True, timeout=3600
    )
    took = time.perf_counter() - began
    await connection.close()
    return {"rows/s": stage.customers / took, "seconds": took}


async def _export(stage: Stage) -> dict[str, float]:
    headers = {"Authorization": f"Bearer {stage.fresh_token()}", "Accept": "text/csv"}
    began = time.perf_counter()
    count = -1
    with (stage.folder / "ours.csv").open("wb") as file:
        async with (
            httpx.AsyncClient(timeout=3600) as client,
            client.stream("GET", f"{stage.base_url}/v1/customers", headers=headers) as answer,
        ):
            answer.raise_for_status()
            async for part in answer.aiter_bytes():
                file.write(part)
                count += part.count(b"\n")
    took = time.perf_counter() - began
    if count != stage.customers:
        raise RuntimeError(f"the export has {count} rows, not {stage.customers}")
    return {"rows/s": stage.customers / took, "seconds": took, "peak MB": stage.ours.peak_bytes() / 1e6}


async def measure_rfm(stage: Stage, rounds: int) -> Line:
    """Measure an RFM run, feed and write-back through the API included, beside the same Polars code on Parquet files."""
    line = Line("RFM run (time)", f"{stage.customers:,}", "≤ 4, goal 2")
    connection: asyncpg.Connection = await stage.connect()
    rows = await connection.fetch(PURCHASES)
    await connection.close()
    purchases = pl.DataFrame([tuple(row) for row in rows], schema=PURCHASE_COLUMNS, orient="row")
    purchases.write_parquet(stage.folder / "purchases.parquet")
    with worker_of(stage) as worker:
        for _ in range(rounds):
            beside = await asyncio.to_thread(_score_parquet, stage.folder)
            mine = await _run_rfm(stage, worker)
            line.rounds.append(Round(mine["seconds"] / beside["seconds"], mine, beside))
    return line


PURCHASES = "SELECT customer_id::text, occurred_at, amount_minor FROM touchpoint WHERE kind = 'order.placed'"
PURCHASE_COLUMNS = {"customer_id": pl.String(), "occurred_at": pl.Datetime("us", "UTC"), "amount": pl.Int64()}
AS_OF = "2026-01-01"
ALONE = """
import sys
from datetime import date
import polars as pl
from crm_api.analytics import rfm
parameters = rfm.Parameters(date.fromisoformat(sys.argv[3]), "UTC", "EUR")
rfm.score(pl.scan_parquet(sys.argv[1]), parameters).write_parquet(sys.argv[2])
"""


def _score_parquet(folder: Path) -> dict[str, float]:
    files = [str(folder / "purchases.parquet"), str(folder / "scores.parquet")]
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", ALONE, *files, AS_OF], check=True)
    return {"seconds": time.perf_counter() - began}


@contextmanager
def worker_of(stage: Stage, settings: Mapping[str, str] | None = None) -> Iterator[psutil.Process]:
    """Run a worker beside the service, in a session of its own, as `crm up` does."""
    environment = {
        **os.environ,
        "CRM_API_URL": stage.base_url,
        "CRM_REDIS_URL": stage.valkey.url,
        "CRM_WORKER_CLIENT_ID": CLIENT,
        "CRM_WORKER_CLIENT_SECRET": SECRET,
        "CRM_LOG_LEVEL": "warning",
        **(settings or {}),
    }
    process = subprocess.Popen([sys.executable, "-m", "workers.main"], env=environment, start_new_session=True)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


async def ended(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """Wait for a job. It tells itself when it ended; to ask fifty times a second slowed what is measured down."""
    while (job := (await client.get(path)).raise_for_status().json())["state"] in ("queued", "running"):
        await asyncio.sleep(0.25)
    found: dict[str, Any] = job
    return found


async def _run_rfm(stage: Stage, worker: psutil.Process) -> dict[str, float]:
    wish = {"model": "rfm", "parameters": {"as_of": AS_OF, "currency": "EUR"}}
    headers = {"Authorization": f"Bearer {stage.fresh_token()}"}
    async with httpx.AsyncClient(base_url=stage.base_url, headers=headers, timeout=60) as client:
        began = datetime.now(UTC)
        started = (await client.post("/v1/analytics/runs", json=wish)).raise_for_status()
        job = await ended(client, started.headers["location"])
        took = (datetime.fromisoformat(job["finished_at"]) - began).total_seconds()
        if job["state"] != "succeeded":
            raise RuntimeError(f"the run ended as {job}")
        run = (await client.get(f"/v1/analytics/runs/{job['result']['run_id']}")).raise_for_status().json()
    apart = {name.replace("_", " "): seconds for name, seconds in run["timing"].items()}
    return {
        "seconds": took,
        **apart,
        "worker peak MB": peak_bytes(worker.pid) / 1e6,
        "API peak MB": stage.ours.peak_bytes() / 1e6,
    }
