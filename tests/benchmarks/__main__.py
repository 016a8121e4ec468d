"""`python -m tests.benchmarks`: measures, prints the table, writes `bench.json` into the bench's folder."""

import argparse
import asyncio
from pathlib import Path

from .audience_rows import ROW as AUDIENCES
from .audience_rows import measure_evaluation
from .bulk_rows import measure_export, measure_ingest, measure_rfm
from .estimator_rows import ROW as FIT
from .estimator_rows import measure_fit
from .outreach_rows import measure_due, measure_plan, measure_send
from .profile_rows import ROW, measure_profile
from .report import Line, Round, write_report
from .request_rows import measure_requests
from .segment_rows import measure_build, measure_live
from .stage import Stage, stage

BULK_ROWS = (
    "batch ingest",
    "export",
    "rfm",
    "segment build",
    "members follow",
    "plan a send",
    "e-mail",
    "due campaign",
    AUDIENCES,
    FIT,
)
MOST_FOR_MAIL = 10_000
"""Sending does not depend on how many customers there are, so it and its beginning are measured at the first size."""
REQUEST_ROWS = ("read one", "list 100", "create touchpoint", "upsert customer")


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--sizes", help="customers, separated by commas; ten touchpoints each (10000,100000)")
    parser.add_argument("--large", action="store_true", help="1,000,000 customers and a batch of as many lines")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one visit")
    parser.add_argument("--lines", type=int, help="lines of the batch (100,000)")
    parser.add_argument(
        "--rows", default="", help=f"only these, separated by commas: {', '.join((*REQUEST_ROWS, ROW, *BULK_ROWS))}"
    )
    parser.add_argument("--home", type=Path, default=Path(".crm/bench"))
    asked = parser.parse_args()
    asked.sizes = asked.sizes or ("1000000" if asked.large else "10000,100000")
    asked.lines = asked.lines or (1_000_000 if asked.large else 100_000)
    wanted = {row.strip() for row in asked.rows.split(",") if row.strip()}
    home = asked.home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    lines: list[Line] = []
    for size in (int(part) for part in asked.sizes.split(",")):
        with stage(home, size) as set_up:
            lines += asyncio.run(_measure(set_up, asked, wanted))
        write_report(lines, home / "bench.json")


async def _measure(set_up: Stage, asked: argparse.Namespace, wanted: set[str]) -> list[Line]:
    rest = set_up.ours.resident_bytes() / 1e6
    memory = Line("API process at rest (MB)", f"{set_up.customers:,}", "≤ 150, goal 100", note="absolute, not a ratio")
    memory.rounds.append(Round(rest, {"MB": rest}, {"MB": set_up.floor.resident_bytes() / 1e6}))
    lines = [memory]
    if not wanted or wanted & set(REQUEST_ROWS):
        lines += await measure_requests(set_up, asked.rounds, asked.seconds, wanted)
    few = max(2, asked.rounds - 2)
    if not wanted or ROW in wanted:
        lines.append(await measure_profile(set_up, asked.rounds, asked.seconds))
    if not wanted or "export" in wanted:
        lines.append(await measure_export(set_up, few))
    if not wanted or "rfm" in wanted:
        lines.append(await measure_rfm(set_up, few))
    if not wanted or "segment build" in wanted:
        lines.append(await measure_build(set_up, few))
    if not wanted or "members follow" in wanted:
        lines += await measure_live(set_up, few)
    if not wanted or AUDIENCES in wanted:
        lines.append(await measure_evaluation(set_up, few))
    if not wanted or FIT in wanted:
        lines.append(measure_fit(set_up.customers, few))
    if not wanted or "plan a send" in wanted:
        lines.append(await measure_plan(set_up, few))
    if set_up.customers <= MOST_FOR_MAIL and (not wanted or "e-mail" in wanted):
        lines.append(await measure_send(set_up, few))
    if set_up.customers <= MOST_FOR_MAIL and (not wanted or "due campaign" in wanted):
        lines.append(await measure_due(set_up, few))
    if not wanted or "batch ingest" in wanted:
        lines.append(await measure_ingest(set_up, few, asked.lines))
    return lines


if __name__ == "__main__":
    main()
