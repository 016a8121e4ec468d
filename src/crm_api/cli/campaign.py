"""`crm load campaign`: the demo's campaign, from scores to mails in a folder; every step is a call anybody can make."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import typer

from ..client import ApiClient, ApiProblem, jobs
from ..settings import read_settings
from .completejourney import HOUSEHOLD_SYSTEM, SOURCE
from .home import DEMO_CLIENT, Home
from .output import CommandFailed, Format, Output, OutputOption
from .reporting import reported

CODE: Final = "demo-thanks"
DemoClientOption = Annotated[
    str | None, typer.Option("--client", "-c", help="A client saved here; the demo's own, or the only one.")
]
AS_OF: Final = "2018-01-01"
SENDER: Final = {"name": "Demo Grocer", "address": "thanks@demo-grocer.example.com"}
_JOB_SECONDS: Final = 600.0
_SILENT: Final = 10
"""Every tenth household never agreed, so that the plan has somebody to leave out."""
_OFFER: Final = {
    "name": "Thank you: 10 % off your next basket",
    "status": "live",
    "priority": 100,
    "eligibility": {"field": "rfm.monetary", "gte": 5},
    "channels": {
        "email": {
            "title": "10 % off your next basket",
            "body": "Because you are with us so often.",
            "url": "https://demo-grocer.example.com/thanks",
        }
    },
    "campaign": CODE,
}
_WORDS: Final = {
    "name": "Demo thanks",
    "channel": "email",
    "subject": "{{ offer.title }}, {{ customer.display_name }}",
    "text": "{{ offer.body }}\n{{ offer.url }}\n\nNo more of this: {{ unsubscribe_url }}\n",
    "html": '<p>{{ offer.body }} <a href="{{ offer.url }}">{{ offer.title }}</a></p>'
    '<p><a href="{{ unsubscribe_url }}">No more of this</a></p>',
}


@reported
def send_campaign(
    url: Annotated[str | None, typer.Option(help="Where the API is; else the one that runs here.")] = None,
    client: DemoClientOption = None,
    output: OutputOption = Format.text,
) -> None:
    """Send the high spenders of the demo an offer each: scores, a segment, a plan, a launch. It is sent once."""
    home, out = Home(read_settings().home), Output(output)
    login = home.chosen_client(client, "load campaign --client", DEMO_CLIENT)

    async def run() -> dict[str, Any]:
        async with ApiClient(url or home.api_url(), login.client_id, login.secret, scope=login.scope) as api:
            return await play(api, out)

    counts = asyncio.run(run())
    told = (
        f"{counts['sent']:,} sent, {counts['skipped']:,} left out: {counts['reasons']}. `crm outbox list` shows them."
    )
    out.result(counts, told)


async def play(api: ApiClient, out: Output) -> dict[str, Any]:
    """Do all of it; what is there already is used as it is. Errors: ApiFailure, CommandFailed."""
    await _agree(api, out)
    await _score(api, out)
    segment = await _segment(api, out)
    await api.put("/v1/offers/by-code/DEMO-THANKS", _OFFER)
    campaign, is_new = await _campaign(api, segment, await _template(api))
    if is_new:
        plan = await api.post(f"/v1/campaigns/{campaign}/plan")
        text = f"Plan: {plan['recipients']:,} of {plan['audience']:,} get it; left out: {plan['exclusions']}."
        out.event("planned", text, recipients=plan["recipients"], exclusions=plan["exclusions"])
        await api.post(f"/v1/campaigns/{campaign}/launch", {})
        out.event("launched", "Launched.", campaign=campaign)
    return await _finished(api, campaign)


async def _agree(api: ApiClient, out: Output) -> None:
    """Report the consents, invented like the addresses: nine of ten agreed."""
    ids: list[str] = []
    async for row in _rows(api, "/v1/customers", {"tag": SOURCE}):
        ids += [each["external_id"] for each in row["external_ids"] if each["system"] == HOUSEHOLD_SYSTEM]

    async def lines() -> AsyncIterator[bytes]:
        for number in ids:
            if int(number) % _SILENT:
                named = {"system": HOUSEHOLD_SYSTEM, "external_id": number}
                wish = {"customer": named, "channel": "email", "purpose": "marketing", "state": "granted"}
                yield json.dumps({**wish, "source": "demo", "occurred_at": "2017-01-01T12:00:00Z"}).encode() + b"\n"

    async for _ in api.stream_batch("/v1/consents/batch", lines):
        pass
    out.event("consents", "Consents: nine households of ten agreed to e-mail.", households=len(ids))


async def _rows(api: ApiClient, path: str, params: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    rest = b""
    async for piece in api.stream_out(path, params, "application/x-ndjson"):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield json.loads(line)


async def _score(api: ApiClient, out: Output) -> None:
    run = await api.post("/v1/analytics/runs", {"model": "rfm", "parameters": {"as_of": AS_OF, "currency": "USD"}})
    await jobs.wait_for_job(api, run["job_id"], seconds=_JOB_SECONDS)
    out.event("scored", f"Scored: RFM at {AS_OF}.", run=run["id"])


async def _segment(api: ApiClient, out: Output) -> str:
    name = "High spenders (demo)"
    try:
        wish = {"name": name, "definition": {"field": "rfm.monetary", "gte": 5}}
        segment: str = (await api.post("/v1/segments", wish))["id"]
    except ApiProblem as problem:
        if problem.status != 409:
            raise
        page = await api.get("/v1/segments", {"limit": 200})
        segment = next(each["id"] for each in page["data"] if each["name"] == name)
    job = await api.post(f"/v1/segments/{segment}/builds")
    await jobs.wait_for_job(api, job["id"], seconds=_JOB_SECONDS)
    members = (await api.get(f"/v1/segments/{segment}"))["member_count"]
    out.event("segmented", f"Segment: {members:,} high spenders.", segment=segment, members=members)
    return segment


async def _template(api: ApiClient) -> str:
    try:
        return str((await api.post("/v1/templates", _WORDS))["id"])
    except ApiProblem as problem:
        if problem.status != 409:
            raise
    page = await api.get("/v1/templates", {"limit": 200})
    return next(str(each["id"]) for each in page["data"] if each["name"] == _WORDS["name"])


async def _campaign(api: ApiClient, segment: str, template: str) -> tuple[str, bool]:
    """Answer the campaign, and whether it was made just now."""
    wish = {
        "code": CODE, "name": "Thank you", "segment_id": segment, "template_id": template, "with_offer": True,
        "sender": SENDER, "unit_cost": {"amount": "0.01", "currency": "USD"},
    }  # fmt: skip
    try:
        return str((await api.post("/v1/campaigns", wish))["id"]), True
    except ApiProblem as problem:
        if problem.code != "campaign-code-taken":
            raise
    page = await api.get("/v1/campaigns", {"limit": 200})
    return next(str(each["id"]) for each in page["data"] if each["code"] == CODE), False


async def _finished(api: ApiClient, campaign: str) -> dict[str, Any]:
    until = time.monotonic() + _JOB_SECONDS
    while (status := (await api.get(f"/v1/campaigns/{campaign}"))["status"]) not in ("finished", "stopped", "draft"):
        if time.monotonic() > until:
            raise CommandFailed(f"The campaign is still {status}.", "Is a worker alive? `crm doctor` says so.")
        await asyncio.sleep(0.5)
    counts: dict[str, Any] = await api.get(f"/v1/campaigns/{campaign}/counts")
    return counts
