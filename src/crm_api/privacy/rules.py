"""What is true of consents, without a database: what may be reported, which report counts, who may be contacted."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from ..audience.names import nearest
from ..core.ids import source_id_uuid
from ..core.problems import InvalidRequest, finding
from ..touchpoints.schemas import EARLIEST, TouchpointCreate
from .problems import PurposeUnknown
from .schemas import CHANNELS, Channel, ConsentCreate, State

SOURCE: Final = "consents"
"""The source of the touchpoints that consents are told as."""
_AHEAD: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ConsentChange:
    """A report of what a customer said, `occurred_at` in any zone."""

    customer_id: UUID
    channel: Channel
    purpose: str
    state: State
    occurred_at: datetime
    source: str
    wording: str | None = None

    @property
    def id(self) -> UUID:
        """The id of its line in the ledger: the same report again has the same, whatever its wording."""
        at = self.occurred_at.astimezone(UTC).isoformat()
        return source_id_uuid(SOURCE, "\x00".join((self.channel, self.purpose, self.state, at, self.source)))

    @property
    def place(self) -> tuple[int, str, str]:
        """What it is an answer to: customer, channel, purpose."""
        return self.customer_id.int, self.channel, self.purpose


@dataclass(frozen=True, slots=True)
class Report:
    """A line of a batch that was looked at, but for its customer and purpose."""

    wish: ConsentCreate
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class DeclaredPurpose:
    """A purpose that was declared."""

    name: str
    label: str
    needs_consent: bool


def report_of(wish: ConsentCreate, at: datetime) -> Report:
    """Look at what was sent. Errors: InvalidRequest with all findings."""
    if findings := list(_findings(wish, at)):
        raise InvalidRequest(findings[0]["detail"], errors=findings)
    return Report(wish, (wish.occurred_at or at).astimezone(UTC))


def _findings(wish: ConsentCreate, at: datetime) -> Iterator[dict[str, str]]:
    if (wish.customer_id is None) == (wish.customer is None):
        how = "both are there" if wish.customer else "neither is there"
        yield finding("/customer_id", "one-customer", f"name the customer by customer_id or by customer; {how}")
    if wish.occurred_at is not None and not EARLIEST <= wish.occurred_at <= at + _AHEAD:
        yield finding("/occurred_at", "out-of-range", "from 1900-01-01 to one day ahead")


def purpose_unknown(name: str, declared: Collection[str]) -> PurposeUnknown:
    """Say that nobody declared a purpose, and which one is most like it."""
    near = nearest(name, declared)
    detail = f"no purpose is called {name}" + (f"; did you mean {near}?" if near else "")
    found = finding("/purpose", PurposeUnknown.code, detail)
    return PurposeUnknown(detail[0].upper() + detail[1:], errors=[found], nearest=near)


def newest(changes: Iterable[tuple[UUID, ConsentChange]]) -> list[tuple[UUID, ConsentChange]]:
    """Answer, of reports with their ids, the one that counts for each customer, channel and purpose.

    That is the newest one, whatever the order in which they came. Of two of the same instant the withdrawal counts,
    since to leave somebody alone does no harm. They are in order, so that writers lock rows in one order.
    """
    found: dict[tuple[int, str, str], tuple[UUID, ConsentChange]] = {}
    for id, change in changes:
        held = found.get(change.place)
        if held is None or _rank(id, change) > _rank(*held):
            found[change.place] = (id, change)
    return [found[place] for place in sorted(found)]


def _rank(id: UUID, change: ConsentChange) -> tuple[datetime, State, int]:
    return change.occurred_at, change.state, id.int  # "withdrawn" comes after "granted"


def is_allowed(state: State | None, *, needs_consent: bool) -> bool:
    """Say whether a customer may be contacted, by their answer and what silence means."""
    return not needs_consent if state is None else state == "granted"


def standings(purposes: Iterable[DeclaredPurpose], held: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Answer what counts now for one customer: every purpose on every channel, answered or not."""
    answers = {(row["purpose"], row["channel"]): row for row in held}
    found = []
    for purpose in purposes:
        for channel in CHANNELS:
            answer = answers.get((purpose.name, channel)) or {"state": None, "since": None, "event_id": None}
            found.append(
                {
                    "channel": channel,
                    "purpose": purpose.name,
                    "purpose_label": purpose.label,
                    "needs_consent": purpose.needs_consent,
                    "state": answer["state"],
                    "since": answer["since"],
                    "event_id": answer["event_id"],
                    "is_allowed": is_allowed(answer["state"], needs_consent=purpose.needs_consent),
                }
            )
    return found


def touchpoint_of(id: UUID, change: ConsentChange) -> TouchpointCreate:
    """Answer a line of the ledger as it stands in the customer's timeline; the wording stays in the ledger."""
    return TouchpointCreate(
        customer_id=change.customer_id,
        kind=f"consent.{change.state}",
        channel=change.channel,
        direction="inbound",
        occurred_at=change.occurred_at,
        source=SOURCE,
        source_id=str(id),
        subject=f"{change.purpose} by {change.channel}: {change.state}",
        properties={"purpose": change.purpose, "source": change.source},
        items=[],
    )
