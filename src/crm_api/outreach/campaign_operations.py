"""Use cases of campaigns: made and edited as drafts, planned, launched, paused, stopped."""

from datetime import UTC
from typing import Any, Final
from uuid import UUID

from pydantic import MISSING, ValidationError
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ..access import Principal
from ..audience import LANGUAGE_VERSION, Catalog, Moment, write_tree
from ..core.clock import now
from ..core.etags import check_version
from ..core.failures import request_findings
from ..core.ids import new_id
from ..core.money import Money
from ..core.problems import InvalidRequest, finding
from ..core.read import dump
from ..core.trail import emit, record
from ..privacy.models import Purpose
from ..segments.models import Segment
from ..segments.operations import approve
from ..settings import Settings
from . import recipients, schedule
from .campaign_models import Campaign
from .campaign_problems import (
    CampaignCodeTaken,
    CampaignNotDraft,
    CampaignNotFound,
    CampaignStatusWrong,
    EmptyAudience,
    LaunchInThePast,
)
from .campaign_queries import written_campaign
from .campaign_schemas import CampaignPatch, CampaignWish, LaunchWish
from .models import Template

SAMPLE_SIZE: Final = 20
_PATCHED: Final = (
    "name", "purpose", "audience", "segment_id", "template_id", "with_offer", "sender", "unit_cost", "launch_zone",
)  # fmt: skip


async def make(session: AsyncSession, who: Principal, wish: CampaignWish, catalog: Catalog) -> UUID:
    """Make a draft. Errors: CampaignCodeTaken, InvalidRequest, InvalidAudience."""
    at = now()
    row = insert(Campaign).values(
        id=new_id(), code=wish.code, channel="email", status="draft", version=1, created_at=at, updated_at=at,
        **await _values(session, wish, catalog),
    )  # fmt: skip
    made: UUID | None = await session.scalar(row.on_conflict_do_nothing(index_elements=["code"]).returning(Campaign.id))
    if made is None:
        existing = await session.scalar(select(Campaign.id).where(Campaign.code == wish.code))
        raise CampaignCodeTaken(f"{wish.code} is taken", existing_id=existing)
    _tell(session, who.client_id, made, "made")
    return made


async def change(
    session: AsyncSession,
    who: Principal,
    campaign_id: UUID,
    patch: CampaignPatch,
    catalog: Catalog,
    if_match: str | None,
) -> None:
    """Change a draft. Errors: CampaignNotFound, CampaignNotDraft, VersionMismatch, InvalidRequest, InvalidAudience."""
    campaign = await locked(session, campaign_id, if_match)
    if campaign.status != "draft":
        raise CampaignNotDraft(f"{campaign.code} is {campaign.status}")
    wanted = await _values(session, _merged(campaign, patch), catalog)
    changed = sorted(name for name, value in wanted.items() if getattr(campaign, name) != value)
    for name in changed:
        setattr(campaign, name, wanted[name])
    if changed:
        _touch(campaign)
        _tell(session, who.client_id, campaign_id, "changed", changed=changed)


async def plan(session: AsyncSession, campaign_id: UUID, catalog: Catalog, settings: Settings) -> dict[str, Any]:
    """Count who would get it and who is left out, as things are now. Errors: CampaignNotFound, InvalidAudience."""
    campaign = await session.get(Campaign, campaign_id)
    if campaign is None:
        raise CampaignNotFound(f"No campaign has the id {campaign_id}")
    moment = Moment(now(), settings.zone)
    terms = await recipients.terms_of(session, campaign)
    judged = recipients.judged(terms, recipients.meant(campaign, catalog, moment)).subquery()
    grouped = await session.execute(select(judged.c.reason, func.count()).group_by(judged.c.reason))
    by_reason: dict[str | None, int] = {row[0]: row[1] for row in grouped}
    count = by_reason.pop(None, 0)
    sample = select(judged.c.customer_id, judged.c.display_name, judged.c.address).where(judged.c.reason.is_(None))
    rows = await session.execute(sample.order_by(judged.c.customer_id).limit(SAMPLE_SIZE))
    return {
        "audience": count + sum(by_reason.values()),
        "recipients": count,
        "exclusions": by_reason,
        "sample": [dict(row) for row in rows.mappings()],
        "cost": _cost(campaign, count),
        "as_of": moment.now,
    }


def _cost(campaign: Campaign, count: int) -> dict[str, Any] | None:
    if campaign.unit_cost_minor is None or campaign.unit_cost_currency is None:
        return None
    return Money.from_minor(campaign.unit_cost_minor * count, campaign.unit_cost_currency).model_dump()


async def launch(
    session: AsyncSession, who: Principal, campaign_id: UUID, wish: LaunchWish, catalog: Catalog, settings: Settings
) -> None:
    """Schedule a draft, with a copy of its template's words as they are now.

    Errors: CampaignNotFound, CampaignStatusWrong, LaunchInThePast, EmptyAudience, InvalidAudience.
    """
    campaign = await locked(session, campaign_id)
    if campaign.status != "draft":
        raise CampaignStatusWrong(f"{campaign.code} is {campaign.status}; only a draft is launched")
    zone: schedule.LaunchZone = "customer" if campaign.launch_zone == "customer" else "business"
    local = wish.launch_at or now().astimezone(settings.zone).replace(tzinfo=None)
    if wish.launch_at is not None and schedule.is_past(local, zone, settings.zone, now()):
        raise LaunchInThePast(f"{local.isoformat()} has gone by in {settings.zone.key}")
    planned = await plan(session, campaign_id, catalog, settings)
    if not planned["recipients"]:
        raise EmptyAudience("No customer would get it", exclusions=planned["exclusions"])
    template = await _usable(session, campaign)
    campaign.content = {
        "subject": template.subject, "text": template.text, "html": template.html,
        "template_id": str(template.id), "template_version": template.version,
    }  # fmt: skip
    campaign.launch_at = local.replace(tzinfo=UTC)
    campaign.starts_at = now() if wish.launch_at is None else schedule.starts_at(local, zone, settings.zone)
    campaign.status = "scheduled"
    _touch(campaign)
    _tell(
        session, who.client_id, campaign_id, "launched", starts_at=campaign.starts_at, recipients=planned["recipients"]
    )


async def _usable(session: AsyncSession, campaign: Campaign) -> Template:
    """Answer the template of a campaign whose parts are all in use still. Errors: InvalidRequest."""
    template = await session.get_one(Template, campaign.template_id)
    segment = None if campaign.segment_id is None else await session.get_one(Segment, campaign.segment_id)
    faults = [
        finding(f"/{kind}_id", f"{kind}-archived", f"{part.name} was archived")
        for kind, part in (("template", template), ("segment", segment))
        if part is not None and part.archived_at is not None
    ]
    if faults:
        raise InvalidRequest(faults[0]["detail"], errors=faults)
    return template


_MOVES: Final[dict[str, tuple[frozenset[str], str]]] = {
    "pause": (frozenset({"running"}), "paused"),
    "resume": (frozenset({"paused"}), "running"),
}
_UNPLANNED: Final = frozenset({"draft", "scheduled"})
_STOPPED: Final = frozenset({"stopping", "stopped", "finished"})


async def move(session: AsyncSession, who: Principal, campaign_id: UUID, command: str) -> None:
    """Pause or resume: in effect for the next hand-over. Errors: CampaignNotFound, CampaignStatusWrong."""
    campaign = await locked(session, campaign_id)
    allowed, status = _MOVES[command]
    if campaign.status == status:
        return
    if campaign.status not in allowed:
        raise CampaignStatusWrong(f"{campaign.code} is {campaign.status}")
    campaign.status = status
    _touch(campaign)
    _tell(session, who.client_id, campaign_id, f"{command}d")


async def stop(session: AsyncSession, who: Principal, campaign_id: UUID) -> None:
    """Hand nothing more over; what waits is cancelled later. Errors: CampaignNotFound, CampaignStatusWrong."""
    campaign = await locked(session, campaign_id)
    if campaign.status in _STOPPED:
        if campaign.status == "finished":
            raise CampaignStatusWrong(f"{campaign.code} has finished")
        return
    campaign.starts_at = campaign.starts_at or now()
    campaign.status = "stopping"
    if campaign.planned_at is None and campaign.job_id is None:
        campaign.status, campaign.ended_at = "stopped", now()
    _touch(campaign)
    _tell(session, who.client_id, campaign_id, "stopped")


async def locked(session: AsyncSession, campaign_id: UUID, if_match: str | None = None) -> Campaign:
    """Lock a campaign for a change. Errors: CampaignNotFound, VersionMismatch."""
    campaign = await session.scalar(select(Campaign).where(Campaign.id == campaign_id).with_for_update())
    if campaign is None:
        raise CampaignNotFound(f"No campaign has the id {campaign_id}")
    if if_match is not None:
        check_version(if_match, campaign.version, await written_campaign(session, campaign_id))
    return campaign


def _touch(campaign: Campaign) -> None:
    campaign.version += 1
    campaign.updated_at = now()


def _tell(session: AsyncSession, by: str, campaign_id: UUID, what: str, **told: Any) -> None:
    record(session, by, f"campaign.{what}", ("campaign", campaign_id), changes=told)
    emit(session, f"campaign.{what}", {"id": str(campaign_id), **told})


async def _values(session: AsyncSession, wish: CampaignWish, catalog: Catalog) -> dict[str, Any]:
    """Answer what a wish puts into the columns. Errors: InvalidRequest, InvalidAudience."""
    await _check_references(session, wish)
    audience = None
    if wish.audience is not None:
        audience = write_tree(await approve(session, wish.audience, catalog, "/audience"))
    cost = wish.unit_cost
    return {
        "name": wish.name,
        "purpose": wish.purpose,
        "audience": audience,
        "language_version": LANGUAGE_VERSION,
        "segment_id": wish.segment_id,
        "template_id": wish.template_id,
        "with_offer": wish.with_offer,
        "sender_name": wish.sender.name,
        "sender_address": wish.sender.address,
        "reply_to": wish.sender.reply_to,
        "unit_cost_minor": None if cost is None else cost.minor,
        "unit_cost_currency": None if cost is None else cost.currency,
        "launch_zone": wish.launch_zone,
    }


async def _check_references(session: AsyncSession, wish: CampaignWish) -> None:
    """Errors: InvalidRequest, pointing at what is not there."""
    faults = []
    if await session.get(Purpose, wish.purpose) is None:
        names = ", ".join((await session.scalars(select(Purpose.name).order_by(Purpose.name).limit(20))).all())
        faults.append(finding("/purpose", "unknown-purpose", f"there is no purpose {wish.purpose}; there are {names}"))
    template = await session.get(Template, wish.template_id)
    if template is None or template.archived_at is not None:
        faults.append(finding("/template_id", "unknown-template", f"no template in use has the id {wish.template_id}"))
    if wish.segment_id is not None:
        segment = await session.get(Segment, wish.segment_id)
        if segment is None or segment.archived_at is not None:
            faults.append(finding("/segment_id", "unknown-segment", f"no segment in use has the id {wish.segment_id}"))
    if faults:
        raise InvalidRequest(faults[0]["detail"], errors=faults)


def _merged(campaign: Campaign, patch: CampaignPatch) -> CampaignWish:
    """Answer the wish that a patch makes of the draft there is. Errors: InvalidRequest."""
    tree = _wish_of(campaign)
    for name in _PATCHED:
        if getattr(patch, name) is not MISSING:
            tree[name] = patch.model_dump(mode="json", include={name}).get(name)
    if tree.get("audience") is not None and patch.audience is not MISSING:
        tree["segment_id"] = None if patch.segment_id is MISSING else tree["segment_id"]
    elif tree.get("segment_id") is not None and patch.segment_id is not MISSING:
        tree["audience"] = None if patch.audience is MISSING else tree["audience"]
    try:
        wish = CampaignWish.model_validate_json(dump(tree))
    except ValidationError as wrong:
        errors: Any = [{**each, "loc": ("body", *each["loc"])} for each in wrong.errors(include_url=False)]
        found = request_findings(errors, tree)
        raise InvalidRequest(found[0]["detail"], errors=found) from None
    # The audience as it was read: written as text, it knows where in the text its parts stand.
    return wish if patch.audience is MISSING else wish.model_copy(update={"audience": patch.audience})


def _wish_of(campaign: Campaign) -> dict[str, Any]:
    cost = None
    if campaign.unit_cost_minor is not None and campaign.unit_cost_currency is not None:
        cost = Money.from_minor(campaign.unit_cost_minor, campaign.unit_cost_currency).model_dump()
    sender = {"name": campaign.sender_name, "address": campaign.sender_address, "reply_to": campaign.reply_to}
    plain = ("code", "name", "purpose", "audience", "segment_id", "template_id", "with_offer", "launch_zone")
    return {**{name: getattr(campaign, name) for name in plain}, "sender": sender, "unit_cost": cost}
