"""What is told of templates, campaigns and messages."""

from typing import Annotated, Final
from uuid import UUID

from pydantic import Field

from ..core.event_types import EventData, EventType
from ..core.schemas import Instant


class TemplateMade(EventData):
    """A new template."""

    id: UUID
    name: str


class TemplateArchived(TemplateMade):
    """A template that was put away."""

    version: int


class TemplateChanged(TemplateArchived):
    """A template as it is now."""

    changed: Annotated[list[str], Field(description="Names of the fields that changed")]


class CampaignTold(EventData):
    """A campaign."""

    id: UUID


class CampaignLaunched(CampaignTold):
    """A campaign that has a time."""

    starts_at: Instant
    recipients: Annotated[int, Field(description="Who would get it now; it is counted anew when it starts")]


class CampaignPlanned(CampaignTold):
    """A campaign whose messages were written down."""

    planned: Annotated[int, Field(description="Customers whom it means")]
    queued: Annotated[int, Field(description="Messages that will leave")]


class CampaignEnded(CampaignTold):
    """A campaign that is over."""

    code: str | None = None


class Reported(EventData):
    """What workers said of some messages."""

    count: Annotated[int, Field(description="Touchpoints that were recorded for it")]


EVENT_TYPES: Final = (
    EventType("template.made", "A template was made.", TemplateMade),
    EventType("template.changed", "A template was changed.", TemplateChanged),
    EventType("template.archived", "A template was archived.", TemplateArchived),
    EventType("campaign.made", "A draft of a campaign was made.", CampaignTold),
    EventType("campaign.changed", "A draft of a campaign was changed.", CampaignTold),
    EventType("campaign.launched", "A campaign was launched.", CampaignLaunched),
    EventType("campaign.planned", "The messages of a campaign were written down; it begins.", CampaignPlanned),
    EventType("campaign.paused", "A campaign was paused.", CampaignTold),
    EventType("campaign.resumed", "A campaign goes on.", CampaignTold),
    EventType(
        "campaign.stopped",
        "Somebody stopped a campaign; told again, with its code, when its last message has ended.",
        CampaignEnded,
    ),
    EventType("campaign.finished", "The last message of a campaign has ended.", CampaignEnded),
    EventType("messages.reported", "Messages reached people, or did not.", Reported),
)
