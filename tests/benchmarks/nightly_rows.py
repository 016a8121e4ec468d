"""The rows of the nightly models: six of them through the API, by a real worker, beside the same methods from Parquet to
Parquet; what goes out and comes back also beside COPY; and how long somebody waits who reads a customer meanwhile.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import polars as pl
import psutil

from .bulk_rows import ended, worker_of
from .nightly_floor import ASKED, OF_LINES
from .processes import family_cpu_seconds, forget_peak, peak_bytes
from .report import Line, Round
from .stage import Stage
from .steady_load import latencies_during

ROW: Final = "nightly models"
READ_SECONDS: Final = 60
"""Reading is measured for so long at least, alone and meanwhile: 3,000 requests, of which 30 lie above the p99."""
_FACTS: Final = """
SELECT customer_id, kind, (date_part('epoch', occurred_at) * 1000000)::bigint AS occurred_at, amount_minor AS amount, currency
FROM touchpoint WHERE kind IN ('order.placed', 'order.refunded')
"""
_LINES: Final = """
SELECT t.customer_id, t.kind, (date_part('epoch', t.occurred_at) * 1000000)::bigint AS occurred_at, t.currency, i.sku,
  (i.quantity * 1000)::bigint AS quantity, i.paid_minor, i.list_minor, p.department, p.category, p.product_type
FROM touchpoint t
JOIN order_item i ON i.customer_id = t.customer_id AND i.touchpoint_id = t.id
LEFT JOIN product p ON p.sku = i.sku
WHERE t.kind IN ('order.placed', 'order.refunded')
"""
_PHASES: Final = ("feed", "compute", "write", "draw")
_FEEDS: Final = {"facts": _FACTS, "lines": _LINES}


async def measure_models(stage: Stage, rounds: int) -> list[Line]:
    """Measure a night's runs, one after another. Their order is that of the floor."""
    size = f"{stage.customers:,}"
    whole = Line(f"{ROW} (time)", size, "≤ 4, goal 2", note="beside: the same methods on Parquet")
    feed = Line(f"{ROW}: feed (time)", size, "", note="beside: COPY of the same rows to a file")
    back = Line(f"{ROW}: write-back (time)", size, "", note="beside: COPY of the same rows, ready as text")
    memory = Line(f"{ROW}: worker at its peak (MB)", size, "≤ 2,000, goal 1,000", note="absolute, not a ratio")
    reading = Line(
        f"{ROW}: reading one customer meanwhile (p99)", size, "≤ 2", note="beside: reading while nothing runs"
    )
    connection: asyncpg.Connection = await stage.connect()
    with worker_of(stage) as worker:
        for _ in range(rounds):
            fed = {name: await _copied_out(connection, stage.folder / name, sql) for name, sql in _FEEDS.items()}
            if not whole.rounds:
                _prepare(stage.folder)
            beside = await asyncio.to_thread(_by_hand, stage.folder)
            used = _cpu_seconds(stage, worker)
            night = await _night(stage, worker)
            used = _cpu_seconds(stage, worker) - used
            written = {
                model: await _copied_in(connection, stage.folder, model, one["id"]) for model, one in night.items()
            }
            whole.rounds.append(_round({**_told(night, stage), "CPU seconds": used}, beside))
            feed.rounds.append(_round(_phase(night, "feed_seconds"), _of_each(fed)))
            back.rounds.append(_round(_phase(night, "write_seconds"), _summed(written)))
            peaks = {f"{model} MB": one["peak MB"] for model, one in night.items()}
            memory.rounds.append(Round(max(peaks.values()), peaks, {}))
        reading.rounds.append(await _read_meanwhile(stage, worker))
    await connection.close()
    return [whole, feed, back, memory, reading]


def _cpu_seconds(stage: Stage, worker: psutil.Process) -> float:
    assert stage.postgres.pid is not None
    return sum(family_cpu_seconds(pid) for pid in (stage.ours.process.pid, stage.postgres.pid, worker.pid))


def _round(ours: dict[str, float], beside: dict[str, float]) -> Round:
    return Round(ours["seconds"] / beside["seconds"], ours, beside)


def _summed(seconds: Mapping[str, float]) -> dict[str, float]:
    return {"seconds": sum(seconds.values()), **{f"{name} s": each for name, each in seconds.items()}}


def _of_each(fed: Mapping[str, float]) -> dict[str, float]:
    """Each model reads its own."""
    return _summed({model: fed["lines" if model in OF_LINES else "facts"] for model in ASKED})


def _phase(night: Mapping[str, Any], name: str) -> dict[str, float]:
    return _summed({model: one["timing"][name] for model, one in night.items()})


def _told(night: Mapping[str, Any], stage: Stage) -> dict[str, float]:
    timings = [one["timing"] for one in night.values()]
    return _summed({model: one["seconds"] for model, one in night.items()}) | {
        **{f"of these {name} s": sum(each.get(f"{name}_seconds", 0) for each in timings) for name in _PHASES},
        "peak MB": max(one["peak MB"] for one in night.values()),
        "API peak MB": stage.ours.peak_bytes() / 1e6,
    }


async def _copied_out(connection: asyncpg.Connection, path: Path, sql: str) -> float:
    began = time.perf_counter()
    await connection.copy_from_query(sql, output=str(path), format="csv", header=True, timeout=3600)
    return time.perf_counter() - began


def _prepare(folder: Path) -> None:
    """Make Parquet of what was copied out, as somebody would have it ready."""
    for name in _FEEDS:
        feed = pl.scan_csv(folder / name)
        feed.with_columns(pl.col("occurred_at").cast(pl.Datetime("us", "UTC"))).sink_parquet(folder / f"{name}.parquet")


def _by_hand(folder: Path) -> dict[str, float]:
    began = time.perf_counter()
    command = [sys.executable, "-m", "tests.benchmarks.nightly_floor", str(folder)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    took, told = time.perf_counter() - began, json.loads(answer)
    return {"seconds": took, **{name if " " in name else f"{name} s": figure for name, figure in told.items()}}


async def _night(stage: Stage, worker: psutil.Process) -> dict[str, Any]:
    """Run all models; answers each run with its seconds, until its job had ended, and the worker's peak."""
    headers = {"Authorization": f"Bearer {stage.fresh_token()}"}
    night = {}
    async with httpx.AsyncClient(base_url=stage.base_url, headers=headers, timeout=3600) as client:
        for model, parameters in ASKED.items():
            forget_peak(worker.pid)
            run = await _ran(client, model, parameters)
            if run["row_count"] != (await asyncio.to_thread(_row_count, stage.folder / f"{model}.parquet")):
                raise RuntimeError(f"{model} has {run['row_count']} rows, which are not those of the floor")
            night[model] = {**run, "peak MB": peak_bytes(worker.pid) / 1e6}
    return night


def _row_count(path: Path) -> int:
    return int(pl.scan_parquet(path).select(pl.len()).collect().item())


async def _ran(client: httpx.AsyncClient, model: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    began = datetime.now(UTC)
    started = await client.post("/v1/analytics/runs", json={"model": model, "parameters": parameters})
    job = await ended(client, started.raise_for_status().headers["location"])
    took = (datetime.fromisoformat(job["finished_at"]) - began).total_seconds()
    if job["state"] != "succeeded" or job["result"]["state"] != "published":
        raise RuntimeError(f"{model} was not published: {job}")
    run: dict[str, Any] = (await client.get(f"/v1/analytics/runs/{job['result']['run_id']}")).raise_for_status().json()
    return {**run, "seconds": took}


async def _copied_in(connection: asyncpg.Connection, folder: Path, model: str, run_id: str) -> float:
    """Copy a run's rows into another table of the same shape and indexes."""
    rows = str(folder / "rows")
    await connection.copy_from_query(
        f"SELECT * FROM {model}_score WHERE run_id = $1",
        run_id,
        output=rows,
        timeout=3600,  # a name of ours
    )
    await connection.execute(f"CREATE TABLE bench_rows (LIKE {model}_score INCLUDING ALL)")
    began = time.perf_counter()
    await connection.copy_to_table("bench_rows", source=rows, timeout=3600)
    took = time.perf_counter() - began
    await connection.execute("DROP TABLE bench_rows")
    return took


async def _read_meanwhile(stage: Stage, worker: psutil.Process) -> Round:
    """Read customers at a steady rate, first while nothing runs, then while nights follow each other."""
    alone = await _reading(stage, asyncio.sleep(READ_SECONDS))
    meanwhile = await _reading(stage, _nights(stage, worker))
    return Round(meanwhile["p99 ms"] / alone["p99 ms"], meanwhile, alone)


async def _nights(stage: Stage, worker: psutil.Process) -> None:
    until = time.perf_counter() + READ_SECONDS
    while time.perf_counter() < until:
        await _night(stage, worker)


async def _reading(stage: Stage, what: Coroutine[Any, Any, None]) -> dict[str, float]:
    latencies = await latencies_during(stage.ours.port, stage.customers, stage.fresh_token(), what)
    return {
        "p50 ms": latencies[len(latencies) // 2],
        "p99 ms": latencies[int(len(latencies) * 0.99)],
        "requests": float(len(latencies)),
    }
