"""`python -m tests.benchmarks`: measures, prints the table, writes `bench.json` into the bench's folder after each row."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from .audience_rows import ROW as AUDIENCES
from .audience_rows import measure_evaluation
from .bulk_rows import measure_export, measure_ingest, measure_rfm
from .estimator_rows import LISTS, measure_fit, measure_lists
from .estimator_rows import ROW as FIT
from .nightly_rows import ROW as NIGHT
from .nightly_rows import measure_models
from .outreach_rows import measure_due, measure_plan, measure_send
from .profile_rows import ROW as PROFILE
from .profile_rows import measure_profile
from .report import Line, Round, read_report, show_report, write_report
from .request_rows import measure_requests
from .segment_rows import measure_build, measure_live
from .stage import Stage, stage

MOST_FOR_MAIL: Final = 10_000
"""Sending does not depend on how many customers there are, so it and its beginning are measured at the first size."""
Measure = Callable[[Stage, argparse.Namespace], Awaitable[list[Line]]]


async def _rest(set_up: Stage, _asked: argparse.Namespace) -> list[Line]:
    rest = set_up.ours.resident_bytes() / 1e6
    memory = Line("API process at rest (MB)", f"{set_up.customers:,}", "≤ 150, goal 100", note="absolute, not a ratio")
    memory.rounds.append(Round(rest, {"MB": rest}, {"MB": set_up.floor.resident_bytes() / 1e6}))
    return [memory]


async def _requests(row: str, set_up: Stage, asked: argparse.Namespace) -> list[Line]:
    return await measure_requests(set_up, asked.rounds, asked.seconds, {row})


async def _profile(set_up: Stage, asked: argparse.Namespace) -> list[Line]:
    return [await measure_profile(set_up, asked.rounds, asked.seconds)]


async def _bulk(
    measure: Callable[[Stage, int], Awaitable[Line]], set_up: Stage, asked: argparse.Namespace
) -> list[Line]:
    return [await measure(set_up, _few(asked))]


async def _live(set_up: Stage, asked: argparse.Namespace) -> list[Line]:
    return await measure_live(set_up, _few(asked))


async def _nightly(set_up: Stage, asked: argparse.Namespace) -> list[Line]:
    return await measure_models(set_up, _few(asked))


async def _fit(set_up: Stage, asked: argparse.Namespace) -> list[Line]:
    return [measure_fit(set_up.customers, _few(asked))]


async def _lists(_set_up: Stage, asked: argparse.Namespace) -> list[Line]:
    return [measure_lists(_few(asked))]


async def _mail(
    measure: Callable[[Stage, int], Awaitable[Line]], set_up: Stage, asked: argparse.Namespace
) -> list[Line]:
    return [await measure(set_up, _few(asked))] if set_up.customers <= MOST_FOR_MAIL else []


async def _ingest(set_up: Stage, asked: argparse.Namespace) -> list[Line]:
    return [await measure_ingest(set_up, _few(asked), asked.lines)]


def _few(asked: argparse.Namespace) -> int:
    rounds: int = asked.rounds
    return max(2, rounds - 2)


ROWS: Final[Mapping[str, Measure]] = {
    "at rest": _rest,
    **{row: partial(_requests, row) for row in ("read one", "list 100", "create touchpoint", "upsert customer")},
    PROFILE: _profile,
    "export": partial(_bulk, measure_export),
    "rfm": partial(_bulk, measure_rfm),
    NIGHT: _nightly,
    "segment build": partial(_bulk, measure_build),
    "members follow": _live,
    AUDIENCES: partial(_bulk, measure_evaluation),
    FIT: _fit,
    LISTS: _lists,
    "plan a send": partial(_bulk, measure_plan),
    "e-mail": partial(_mail, measure_send),
    "due campaign": partial(_mail, measure_due),
    "batch ingest": _ingest,
}
"""In this order: what fills the tables comes last."""


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--sizes", help="customers, separated by commas; ten touchpoints each (10000,100000)")
    parser.add_argument("--large", action="store_true", help="1,000,000 customers and a batch of as many lines")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one visit")
    parser.add_argument("--lines", type=int, help="lines of the batch (100,000)")
    parser.add_argument("--rows", default="", help=f"only these, separated by commas: {', '.join(ROWS)}")
    parser.add_argument("--resume", action="store_true", help="leave out what bench.json has already")
    parser.add_argument("--home", type=Path, default=Path(".crm/bench"))
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # with the servers it started
    sizes = [int(part) for part in (asked.sizes or ("1000000" if asked.large else "10000,100000")).split(",")]
    asked.lines = asked.lines or (1_000_000 if asked.large else 100_000)
    wanted = [row.strip() for row in asked.rows.split(",") if row.strip()] or list(ROWS)
    home = asked.home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    lines = read_report(home / "bench.json") if asked.resume else []
    measured = {(line.row, line.customers) for line in lines}
    for size in sizes:
        if left := [row for row in ROWS if row in wanted and (row, size) not in measured]:
            with stage(home, size) as set_up:
                asyncio.run(_measure(set_up, asked, left, lines, home / "bench.json"))
    show_report(lines)


async def _measure(set_up: Stage, asked: argparse.Namespace, rows: list[str], lines: list[Line], report: Path) -> None:
    for row in rows:
        for line in await ROWS[row](set_up, asked):
            line.row, line.customers = row, set_up.customers
            lines.append(line)
        write_report(lines, report)


if __name__ == "__main__":
    main()
