"""Messages in a worker: claimed a few at a time, rendered, written down as being handed over, handed over, reported.

What is known is exact at every moment. Before a message reaches the gateway the API has it as `handing_over`; whatever
kills this process afterwards leaves it so until its lease ends, and then a gateway that can be asked is asked. A batch
costs a sixth of an exchange with the API: that reports on six, begins to hand over the next six, and claims six.
"""

import asyncio
import time
from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog

from crm_api.client import ApiClient, ApiFailure, ApiProblem, outreach
from crm_api.outreach import rendering
from crm_api.outreach.links import BatchLinks
from crm_api.outreach.message_schemas import (
    MOST_BATCHES,
    MOST_CLAIMED,
    Claimed,
    ClaimedCampaign,
    ClaimedMessage,
    ClaimedMessages,
    Exchange,
)

from .gateways import Gateway, HandOverUnknown, Outcome, mime

TICK_SECONDS: Final = 2.0
LANES: Final = 3
"""With MOST_BATCHES each between the API's `handing_over` and their report: what nobody can say anything of when this
process dies. Each lane has as many more rendered meanwhile."""
_MOST: Final = MOST_BATCHES * MOST_CLAIMED
_NOTHING: Final = Claimed(campaigns=[], batches=[])
_Campaigns = Mapping[UUID, ClaimedCampaign]
_LONGEST_REPORT: Final = 300
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A message as it goes out."""

    claimed: ClaimedMessage
    sender: str
    """The address."""
    mail: bytes
    subject: str


@dataclass(frozen=True, slots=True)
class _Batch:
    """Messages under one lease, ready to go out."""

    lease_id: UUID
    lease_seconds: int
    messages: Sequence[_Prepared]
    links: Mapping[UUID, Mapping[int, str]]
    """URLs by their numbers, by campaign."""

    def as_wish(self) -> dict[str, Any]:
        """Say what is about to be handed over."""
        return {
            "lease_id": self.lease_id,
            "messages": [each.claimed.id for each in self.messages],
            "links": [
                {"campaign_id": id, "links": [{"number": number, "url": url} for number, url in links.items()]}
                for id, links in self.links.items()
            ],
        }

    def not_taken(self) -> dict[str, Any]:
        """Report that none of it went anywhere."""
        return _report_on(self.lease_id, [_not_taken(each) for each in self.messages])


@dataclass(slots=True)
class _Lane:
    """What a lane has to say to the API, and what it wants to hand over next."""

    reports: Sequence[dict[str, Any]] = ()
    batches: Sequence[_Batch] = ()

    def let_go(self) -> None:
        """Forget both: the API has them."""
        self.reports = self.batches = ()

    def let_refused_go(self, *, for_good: bool) -> None:
        """Forget what the API did not take. The batches go first: their leases give them back, and what was sent must
        be told if it can be. Reports go only if they will never be taken.
        """
        if self.batches:
            self.batches = ()
        elif for_good:
            self.reports = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to say and nothing to hand over."""
        return not (self.batches or self.reports)


class Mailer:
    """Hands over what is due, until told to stop; what has begun is then finished and reported."""

    def __init__(self, api: ApiClient, gateway: Gateway) -> None:
        self._api, self._gateway = api, gateway
        self._stopping = asyncio.Event()
        self._more = asyncio.Event()
        """There is more to hand over than the lanes that are at work can take: those at rest are wanted."""
        self._api_away = False

    async def run(self) -> None:
        """Work in lanes; a failure of the API is waited out."""
        began = time.monotonic()
        await asyncio.gather(*(self._work(began + TICK_SECONDS * number / LANES) for number in range(LANES)))
        await self._gateway.close()

    def stop(self) -> None:
        """Claim no more, and begin no more: what waits for its turn at the gateway goes back."""
        self._stopping.set()
        self._gateway.begin_no_more()
        self._more.set()

    async def _work(self, phase: float) -> None:
        """Work in one lane; with nothing to do ask every tick, after each of the other lanes has asked in its turn, and
        at once when one of them found more than it can take.
        """
        lane = _Lane()
        while not (self._stopping.is_set() and lane.is_empty):
            try:
                did_something = await self._round(lane)
                self._note_api(None)
            except (ApiFailure, TimeoutError) as failure:
                if isinstance(failure, ApiProblem):  # an answer, so nothing of the exchange was done
                    log.error("exchange_refused", status=failure.status, code=failure.code)
                    lane.let_refused_go(for_good=not failure.may_pass)
                self._note_api(failure)
                did_something = False
            except Exception as error:
                log.error("mailing_broke", error=type(error).__name__, exc_info=error)
                lane.let_refused_go(for_good=True)
                did_something = False
            if not did_something:
                self._more.clear()
                await self._rest(TICK_SECONDS - (time.monotonic() - phase) % TICK_SECONDS)

    async def _rest(self, seconds: float) -> None:
        """Wait, but no longer than until another lane found more than it can take, or the worker stops."""
        try:
            await asyncio.wait_for(self._more.wait(), seconds)
        except TimeoutError:
            return

    async def _round(self, lane: _Lane) -> bool:
        """Exchange with the API, then hand over what may go while the next batches are rendered; answers whether there
        was anything to do. What the API was not told yet stays in the lane when this fails.
        """
        if self._stopping.is_set() and lane.batches:
            await self._give_back(lane)
        batches, began = lane.batches, time.monotonic()
        answer = await self._exchange(
            report=lane.reports,
            hand_over=[batch.as_wish() for batch in batches],
            claim=0 if self._stopping.is_set() else _MOST,
        )
        lane.let_go()
        claimed, allowed = answer.claimed or _NOTHING, set(answer.allowed or ())
        if sum(len(batch.data) for batch in claimed.batches) == _MOST:
            self._more.set()
        else:
            self._more.clear()
        preparing = asyncio.create_task(self._next_batches(claimed))
        ends = (self._handed_over(batch, allowed, began + batch.lease_seconds) for batch in batches)
        lane.reports = [report for report in await asyncio.gather(*ends) if report is not None]
        lane.batches = await preparing
        return bool(batches or lane.batches)

    async def _give_back(self, lane: _Lane) -> None:
        """Begin nothing more: what is rendered goes back to the queue, for others."""
        await self._exchange(report=[batch.not_taken() for batch in lane.batches])
        lane.batches = ()

    async def _exchange(self, **parts: Any) -> Exchange:
        gateway = self._gateway
        answer = await outreach.exchange_messages(self._api, gateway.name, can_look_up=gateway.can_look_up, **parts)
        if answer.reported is not None and answer.reported.late:
            log.warning("reports_late", count=len(answer.reported.late))
        return answer

    async def _next_batches(self, claimed: Claimed) -> list[_Batch]:
        campaigns = {campaign.id: campaign for campaign in claimed.campaigns}
        return [batch for each in claimed.batches if (batch := await self._next_batch(each, campaigns)) is not None]

    async def _next_batch(self, claimed: ClaimedMessages, campaigns: _Campaigns) -> _Batch | None:
        """Make the next batch; one that fails is left to its lease, and hinders nothing that is under way beside it."""
        try:
            prepared, links = await self._prepared(claimed, campaigns)
        except Exception as error:
            log.error(
                "batch_left", error=type(error).__name__, exc_info=None if isinstance(error, ApiFailure) else error
            )
            return None
        return _Batch(claimed.lease_id, claimed.lease_seconds, prepared, links) if prepared else None

    async def _prepared(
        self, claimed: ClaimedMessages, campaigns: _Campaigns
    ) -> tuple[list[_Prepared], dict[UUID, dict[int, str]]]:
        """Render what was claimed, and report at once on what needs no hand-over; answers the links in it too."""
        looked_up = [await self._looked_up(message) for message in claimed.data if message.reconcile]
        reports = [report for report in looked_up if report is not None]
        fresh = [message for message in claimed.data if not message.reconcile]
        links = BatchLinks()
        prepared, refused = await asyncio.to_thread(_prepare, fresh, campaigns, links)
        reports += refused
        if reports:
            await self._exchange(report=[_report_on(claimed.lease_id, reports)])
        return prepared, links.by_campaign

    async def _looked_up(self, message: ClaimedMessage) -> dict[str, Any] | None:
        """Report what the gateway knows of a message; what cannot be looked up now is left to its lease."""
        try:
            taken = await self._gateway.look_up(message.message_id)
        except Exception as error:
            log.error("look_up_broke", message=str(message.id), error=type(error).__name__, exc_info=error)
            return None
        return {"id": message.id, "result": "sent" if taken else "not_taken"}

    async def _handed_over(self, batch: _Batch, allowed: Collection[UUID], until: float) -> dict[str, Any] | None:
        """Hand over those messages of a batch that may go; answers the report on them."""
        going = [each for each in batch.messages if each.claimed.id in allowed]
        if time.monotonic() > until:  # a lease may end before the gateway has answered
            reports = [_not_taken(each) for each in going]
        else:
            outcomes = await asyncio.gather(*(self._begun(each, until) for each in going), return_exceptions=True)
            told = [await self._told(each, outcome) for each, outcome in zip(going, outcomes, strict=True)]
            reports = [report for report in told if report is not None]
        return _report_on(batch.lease_id, reports) if reports else None

    def _begun(self, each: _Prepared, until: float) -> Awaitable[Outcome]:
        """Begin to hand over. A gateway that breaks at once breaks as one does later: others have begun already."""
        try:
            return self._gateway.hand_over(each.mail, each.sender, each.claimed.recipient.address, until)
        except Exception as error:
            broken: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            broken.set_exception(error)
            return broken

    async def _told(self, each: _Prepared, outcome: Outcome | BaseException) -> dict[str, Any] | None:
        """Say what became of a hand-over; whatever broke, what became of the others must still be reported."""
        if isinstance(outcome, Outcome):
            return _report(each.claimed.id, outcome, each.subject)
        if isinstance(outcome, HandOverUnknown):
            return await self._unknown(each.claimed, str(outcome), each.subject)
        log.error("hand_over_broke", message=str(each.claimed.id), error=type(outcome).__name__, exc_info=outcome)
        return await self._unknown(each.claimed, f"the gateway broke: {type(outcome).__name__}", each.subject)

    async def _unknown(self, message: ClaimedMessage, why: str, subject: str) -> dict[str, Any] | None:
        if self._gateway.can_look_up:
            found = await self._looked_up(message)
            return None if found is None else {**found, "subject": subject}
        return {"id": message.id, "result": "unknown", "detail": why[:_LONGEST_REPORT]}

    def _note_api(self, failure: Exception | None) -> None:
        if (failure is not None) != self._api_away:
            log.warning("mailing_without_api" if failure else "mailing_with_api", error=type(failure).__name__)
        self._api_away = failure is not None


def _report_on(lease_id: UUID, reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Make the part of an exchange that reports on messages of one lease."""
    return {"lease_id": lease_id, "reports": list(reports)}


def _not_taken(message: _Prepared) -> dict[str, Any]:
    return {"id": message.claimed.id, "result": "not_taken"}


def _report(id: UUID, outcome: Outcome, subject: str) -> dict[str, Any]:
    told: dict[str, Any] = {"id": id, "result": outcome.result, "subject": subject}
    if outcome.code is not None:
        told["code"] = outcome.code
    if outcome.result != "sent":
        told["detail"] = outcome.text[:_LONGEST_REPORT]
    return told


def _prepare(
    messages: Sequence[ClaimedMessage], campaigns: _Campaigns, links: BatchLinks
) -> tuple[list[_Prepared], list[dict[str, Any]]]:
    """Render messages; one that cannot be is reported as failed, with the reason."""
    prepared: list[_Prepared] = []
    refused: list[dict[str, Any]] = []
    for message in messages:
        try:
            prepared.append(_rendered(message, campaigns[message.campaign_id], links))
        except rendering.RenderRefused as why:
            told = {"id": message.id, "result": "failed", "reason": why.code, "detail": str(why)[:_LONGEST_REPORT]}
            refused.append(told)
        except Exception as error:  # one message that breaks must not keep the others from being sent
            log.error("message_broke", message=str(message.id), error=type(error).__name__, exc_info=error)
            told = {"id": message.id, "result": "failed", "reason": "template-invalid"}
            refused.append({**told, "detail": f"it cannot be composed ({type(error).__name__})"})
    return prepared, refused


def _rendered(message: ClaimedMessage, campaign: ClaimedCampaign, links: BatchLinks) -> _Prepared:
    words = {"subject": campaign.content.subject, "text": campaign.content.text, "html": campaign.content.html}
    named = {**campaign.variables, **message.variables, "unsubscribe_url": message.unsubscribe_url}
    found = rendering.render(words, named)
    number_of = links.of_message(campaign.id)

    def follow(url: str) -> str:
        number = number_of(url)
        return url if number is None else f"{message.click_prefix}{number}"

    html = None
    if found.html is not None:
        html = _with_picture(
            rendering.rewrite_links(found.html, follow, keep=(message.unsubscribe_url,)), message.open_url
        )
    mail = mime.compose(
        mime.Envelope(
            message_id=message.message_id,
            sender=(campaign.sender.name, campaign.sender.address),
            recipient=(message.recipient.name, message.recipient.address),
            reply_to=campaign.reply_to,
            unsubscribe_url=message.unsubscribe_url,
        ),
        found._replace(html=html),
    )
    return _Prepared(message, campaign.sender.address, mail, found.subject)


def _with_picture(html: str, url: str) -> str:
    """Add the picture by which an opening is noticed, at the end of the body if there is one."""
    picture = f'<img src="{url}" width="1" height="1" alt="">'
    before, end, after = html.rpartition("</body>")
    return f"{before}{picture}{end}{after}" if end else html + picture
