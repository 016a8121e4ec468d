"""`crm load`: sends whole data sets through the API, as any partner's program would."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Group
from rich.table import Table

from ..client import ApiClient, ApiProblem
from ..settings import read_settings
from . import completejourney
from .campaign import DemoClientOption, send_campaign
from .completejourney import CouponOffer, DataMissing, Feed
from .home import DEMO_CLIENT, Home
from .output import CommandFailed, Format, Output, OutputOption
from .readback import Figure, read_back
from .reporting import reported
from .sending import Tally, send_feed, side_by_side

OFFERS_AT_ONCE = 4
PATIENCE_SECONDS = 60.0

load_app = typer.Typer(help="Load data through the API.", no_args_is_help=True)


@dataclass(slots=True)
class Report:
    """What a load did, part by part, and what was read back, if that was asked for."""

    parts: dict[str, Tally] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Say whether every line was taken and every total met."""
        return not any(tally.rejected for tally in self.parts.values()) and all(each.is_met for each in self.figures)

    def facts(self) -> dict[str, Any]:
        """Give it as JSON."""
        parts = {name: tally.facts() for name, tally in self.parts.items()}
        check = {"check": [figure.facts() for figure in self.figures]} if self.figures else {}
        return {"parts": parts, **check, "seconds": round(self.seconds, 1), "is_complete": self.is_complete}


@load_app.callback()
def load() -> None:
    """Load data through the API."""


load_app.command("campaign")(send_campaign)


@load_app.command("completejourney")
@reported
def load_completejourney(
    url: Annotated[str | None, typer.Option(help="Where the API is; else the one that runs here.")] = None,
    client: DemoClientOption = None,
    check: Annotated[bool, typer.Option("--check", help="Then read everything back and add it up.")] = False,
    only_check: Annotated[bool, typer.Option("--only-check", help="Read back and add up, load nothing.")] = False,
    output: OutputOption = Format.text,
) -> None:
    """Load a year of a real grocer's trade: 2,469 households, 155,848 baskets, 92,331 products, 1,197 offers.

    It may be stopped and started again at any time: what is there already is not loaded twice.
    """
    home, out = Home(read_settings().home), Output(output)
    login = home.chosen_client(client, "load completejourney --client", DEMO_CLIENT)

    async def run() -> Report:
        async with ApiClient(
            url or home.api_url(),
            login.client_id,
            login.secret,
            scope=login.scope,
            patience_seconds=PATIENCE_SECONDS,
        ) as api:
            return await load_year(api, out, loads=not only_check, checks=check or only_check)

    try:
        report = asyncio.run(run())
    except DataMissing as missing:
        raise CommandFailed(str(missing), "Install it: pip install 'crm-api[demo]'") from None
    out.result(report.facts(), _told(report))
    if not report.is_complete:
        raise typer.Exit(1)


async def load_year(
    api: ApiClient, out: Output, *, data: Path | None = None, loads: bool = True, checks: bool = False
) -> Report:
    """Send Complete Journey and, if asked, read it back; `data` is another folder with such files.

    Errors: ApiFailure, DataMissing.
    """
    report, started = Report(), time.monotonic()
    if loads:
        await _send_year(api, out, report, data or completejourney.folder())
    if checks:
        out.event("reading_back", "Reading everything back …")
        report.figures = await read_back(api)
    report.seconds = time.monotonic() - started
    return report


async def _send_year(api: ApiClient, out: Output, report: Report, data: Path) -> None:
    """Send what others refer to first: fields before customers, customers before what they did."""
    report.parts["fields"] = await _declare_fields(api)
    for make in (completejourney.customers, completejourney.products):
        await _send(api, out, report, make(data))
    report.parts["offers"] = await _make_offers(api, out, completejourney.offers(data))
    present = await _recorded(api)
    for make in (completejourney.targeted, completejourney.orders, completejourney.redemptions):
        whole = await asyncio.to_thread(make, data)
        left = whole.without(present)
        await _send(api, out, report, left, present=whole.count - left.count)


async def _recorded(api: ApiClient) -> pl.Series:
    """Ask which touchpoints are there already. A touchpoint is stored whole and never changes, so a killed load goes on
    where it ended, and nothing has to be remembered on this side.
    """
    params = {"source": completejourney.SOURCE, "fields": "source_id"}
    listed = b"".join([chunk async for chunk in api.stream_out("/v1/touchpoints", params, "text/csv")])
    return pl.read_csv(listed, schema={"source_id": pl.String})["source_id"]


async def _send(api: ApiClient, out: Output, report: Report, feed: Feed, present: int = 0) -> None:
    with out.progress(feed.name, present + feed.count) as advance:
        advance(present)
        report.parts[feed.name] = await send_feed(api, feed, advance)
    report.parts[feed.name].present = present


async def _declare_fields(api: ApiClient) -> Tally:
    tally, started = Tally(), time.monotonic()
    for declaration in completejourney.fields():
        tally.received += 1
        try:
            await api.post("/v1/fields", declaration)
            tally.created += 1
        except ApiProblem as problem:
            if problem.code != "field-key-taken":
                raise
            tally.repeated += 1
    tally.seconds = time.monotonic() - started
    return tally


async def _make_offers(api: ApiClient, out: Output, offers: list[CouponOffer]) -> Tally:
    tally, started = Tally(), time.monotonic()
    with out.progress("offers", len(offers)) as advance:

        async def make(offer: CouponOffer) -> None:
            await _make_offer(api, offer, tally)
            advance(1)

        await side_by_side(OFFERS_AT_ONCE, offers, make)
    tally.seconds = time.monotonic() - started
    return tally


async def _make_offer(api: ApiClient, offer: CouponOffer, tally: Tally) -> None:
    made = await api.put(f"/v1/offers/by-code/{offer.code}", offer.body)
    tally.count({"received": 1, made["result"]: 1})

    async def products() -> AsyncIterator[bytes]:
        yield offer.products()

    path = f"/v1/offers/{made['id']}/products"
    async for _ in api.stream_batch(path, products, method="PUT"):
        pass


def _told(report: Report) -> Group:
    """Show the report as tables."""
    counts = ("present", "received", "created", "updated", "repeated", "rejected")
    parts = Table("part", *counts, "seconds", box=None)
    for name, tally in report.parts.items():
        parts.add_row(name, *(f"{getattr(tally, count):,}" for count in counts), f"{tally.seconds:.1f}")
    problems = Table("rejected", "line", "status", "why", box=None)
    for name, tally in report.parts.items():
        for line in tally.problems:
            why = line["problem"].get("detail", line["problem"].get("title", ""))
            problems.add_row(name, str(line["index"]), str(line["status"]), why)
    figures = Table("read back", "published", "found", "", box=None)
    for figure in report.figures:
        met = "equal" if figure.is_met else "DIFFERENT"
        figures.add_row(figure.name, figure.text(figure.expected), figure.text(figure.found), met)
    end = f"{'Complete' if report.is_complete else 'NOT complete'}, in {report.seconds:.1f} seconds."
    return Group(*(table for table in (parts, problems, figures) if table.row_count), end)
