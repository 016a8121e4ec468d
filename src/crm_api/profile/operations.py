"""Read a profile: one statement for what is kept, one for the offers."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ..analytics.outputs import PROFILED
from ..analytics.score_queries import of_one
from ..analytics.sensitive import BOUND
from ..audience import Moment
from ..core.clock import now
from ..core.read import Reader
from ..customers import queries as customers
from ..customers.problems import CustomerNotFound
from ..offers.operations import Desk, present_offers
from ..privacy.queries import read_purposes
from ..privacy.rules import standings
from ..touchpoints import summary
from . import queries
from .rules import PARTS, SCOPES, Part, Share

Document = dict[str, Any]
Rows = dict[str, list[dict[str, Any]]]


async def read_profile(
    session: AsyncSession, reader: Reader, customer_id: UUID, share: Share, desk: Desk, purpose: str | None
) -> Document:
    """Answer a customer's profile, as far as it is shown; `purpose` is the one that sensitive tastes are told for.

    Errors: CustomerNotFound.
    """
    moment = Moment(now(), desk.zone)
    id = str(customer_id)
    rows = await reader.together(queries.of_one(share.shown), **{"customer_id": id, BOUND: purpose})
    if not rows["customer"]:
        raise CustomerNotFound(f"No customer has the id {customer_id}")
    found: dict[Part, Document] = {}
    for part in share.shown:
        match part:
            case "customer":
                found[part] = {"as_of": moment.now, "data": customers.document(rows["customer"][0])}
            case "consents":
                answered = standings(read_purposes(rows["purposes"]), rows["answers"])
                found[part] = {"as_of": moment.now, "data": answered}
            case "scores":
                found[part] = _scores(id, rows)
            case "segments":
                found[part] = _segments(rows, moment.now)
            case "last_touches":
                found[part] = {"as_of": moment.now, **summary.last_touches(rows["touches"])}
            case "totals":
                sums = await summary.totals(reader, id, rows["totals"], rows["pending_days"], moment)
                found[part] = {"as_of": moment.now, "data": sums}
            case "offers":
                found[part] = await _offers(session, reader, id, moment.now, desk)
    withheld = [{"part": part, "scope": SCOPES[part]} for part in share.withheld]
    return {"customer_id": id, **{part: found.get(part) for part in PARTS}, "withheld": withheld}


def _scores(customer_id: str, rows: Rows) -> Document:
    """Answer what the current runs say; what they rest on is as old as the oldest of them."""
    id = UUID(customer_id)
    scores = [each for model, output in PROFILED.items() for each in of_one(output, id, rows[f"score_{model}"])]
    computed = [score["computed_at"] for score in scores if score["computed_at"] is not None]
    return {"as_of": min(computed, default=None), "data": scores}


def _segments(rows: Rows, at: datetime) -> Document:
    found = rows["segments"]
    most = queries.MOST_SEGMENTS
    return {"as_of": at, "data": found[:most], "is_complete": len(found) <= most}


async def _offers(session: AsyncSession, reader: Reader, customer_id: str, at: datetime, desk: Desk) -> Document:
    present = await present_offers(session, reader, customer_id, at, desk)
    return {"as_of": at, "data": present["offers"], "count": present["count"], "is_complete": present["is_complete"]}
