"""`crm events`: what happened, read from the change feed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Literal

import orjson
import typer

from ..client import ApiClient
from ..client.events import After, follow_events, list_events
from ..events.schemas import EventRead
from ..settings import read_settings
from .home import Home
from .output import CommandFailed, Format, Output, OutputOption
from .reporting import reported

_SCOPE = "events:read"
_LATEST: Literal["latest"] = "latest"


@reported
def events(
    after: Annotated[
        str | None, typer.Option(help="Only what comes behind this position; `latest`: what is still to come.")
    ] = None,
    event_type: Annotated[
        list[str] | None, typer.Option("--type", help="Only these types, or `segment.*`; repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many, unless it follows.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    client: Annotated[
        str | None, typer.Option("--client", "-c", help="A client saved here; not needed when only one is.")
    ] = None,
    output: OutputOption = Format.text,
) -> None:
    """Show the events of the change feed, the oldest first; JSON has one a line."""
    home, out = Home(read_settings().home), Output(output)
    login = home.chosen_client(client, "events --client")
    start = _after(after)

    async def run() -> None:
        async with ApiClient(home.api_url(), login.client_id, login.secret, scope=_SCOPE) as api:
            found = (
                follow_events(api, after=start, types=event_type) if follow else _page(api, start, event_type, limit)
            )
            async for event in found:
                out.result(event.model_dump(mode="json"), _line(event))

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        return


async def _page(api: ApiClient, after: After | None, types: list[str] | None, limit: int) -> AsyncIterator[EventRead]:
    for event in (await list_events(api, after=after, types=types, limit=limit)).data:
        yield event


def _after(word: str | None) -> After | None:
    if word is None or word == _LATEST:
        return _LATEST if word else None
    if not (word.isascii() and word.isdigit()):
        raise CommandFailed(f"{word!r} is no position.", "Give a number from 0 on, or `latest`.")
    return int(word)


def _line(event: EventRead) -> str:
    return (
        f"{event.position}  {event.occurred_at:%Y-%m-%d %H:%M:%S}Z  {event.type}  {orjson.dumps(event.data).decode()}"
    )
