"""Problem
├── CampaignNotFound     404  no such campaign
├── MessageNotFound      404  no such message
├── CampaignCodeTaken    409  the code belongs to another campaign
├── CampaignNotDraft     409  what is launched is not edited
├── CampaignStatusWrong  409  the campaign is not where this can be done
├── EmptyAudience        422  nobody would get it
├── LaunchInThePast      422  the time has gone by
└── LeaseOver            409  the messages are somebody else's by now
"""

from ..core.problems import Problem


class CampaignNotFound(Problem, status=404, code="campaign-not-found", title="No such campaign"):
    """No campaign has this id. `GET /v1/campaigns` lists those there are."""


class MessageNotFound(Problem, status=404, code="message-not-found", title="No such message"):
    """This campaign has no message for this customer. `GET /v1/campaigns/{id}/explain/{customer_id}` says why."""


class CampaignCodeTaken(Problem, status=409, code="campaign-code-taken", title="Another campaign has this code"):
    """Codes are unique, since touchpoints name their campaign by it. Choose another."""


class CampaignNotDraft(Problem, status=409, code="campaign-not-draft", title="The campaign was launched"):
    """A campaign is edited as a draft only: what people got, or are getting, must stay what the record says. Withdraw a
    scheduled one with `POST /v1/campaigns/{id}/stop` and make a new one.
    """


class CampaignStatusWrong(Problem, status=409, code="campaign-status-wrong", title="Not possible in this status"):
    """A draft is launched; a running campaign is paused; a paused one is resumed; whatever has not ended is stopped.
    The detail names the status the campaign has.
    """


class EmptyAudience(Problem, status=422, code="empty-audience", title="Nobody would get it"):
    """The plan has no recipient. `exclusions` counts the customers of the audience by the reason for which they are
    left out; with no exclusions nobody is in the audience.
    """


class LaunchInThePast(Problem, status=422, code="launch-in-the-past", title="The time of the launch has gone by"):
    """`launch_at` is a local time without offset, in the zone that `launch_zone` names. Leave it out to launch now."""


class LeaseOver(Problem, status=409, code="lease-over", title="The lease on these messages is over"):
    """The worker was silent for too long, and the messages were given to another one or are shown as `unknown`. Hand
    nothing over; claim again.
    """
