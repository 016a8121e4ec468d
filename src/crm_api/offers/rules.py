"""How an offer is chosen, and why: the ranking and the reasons, without a database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from operator import attrgetter
from typing import Final, Literal, NamedTuple

from ..core.clock import written
from ..core.money import decimal_text

LONGEST_VALIDITY: Final = timedelta(hours=24)
"""A decision is good for so long at most; what it rests on may be another by then."""

Code = Literal[
    "eligible",
    "open-to-all",
    "highest-priority",
    "higher-margin",
    "margins-not-comparable",
    "first-by-code",
    "no-other",
    "outranked",
    "not-eligible",
    "no-content-for-channel",
    "not-yet-valid",
    "expired",
    "not-live",
]
Rank = tuple[int, int, str, int, str]


class Reason(NamedTuple):
    """Why: a code to branch on, a sentence for people."""

    code: Code
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What a decision has to know of an offer."""

    offer_id: str
    code: str
    status: Literal["draft", "live", "retired"]
    valid_from: datetime | None
    valid_until: datetime | None
    priority: int
    margin_minor: int | None
    margin_currency: str | None
    channels: tuple[str, ...]
    eligibility: str | None
    """Names the audience that may get it; offers with the same audience have the same name. None is everybody."""
    rank: Rank = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rank", rank_of(self))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of every candidate: the best first, then the others by how near they came."""

    chosen: list[tuple[Candidate, list[Reason]]]
    rejected: list[tuple[Candidate, list[Reason]]]
    rejected_count: int
    """Of all that were rejected; `rejected` may hold fewer."""


def rank_of(offer: Candidate) -> Rank:
    """Answer the place of an offer among others, smaller is better: priority, then margin, then code.

    An unknown margin is below any known one. Margins in different currencies cannot be compared; the currencies stand
    in order of their codes then, so that the place of two offers never depends on a third.
    """
    known = offer.margin_minor is not None
    return (-offer.priority, not known, offer.margin_currency or "", -(offer.margin_minor or 0), offer.code)


def hindrances(offer: Candidate, channel: str, at: datetime) -> list[Reason]:
    """Answer what is against an offer before any customer is looked at, everything that is, the plainest first."""
    found = []
    if offer.status != "live":
        found.append(Reason("not-live", f"The offer is {'a draft' if offer.status == 'draft' else 'retired'}."))
    if offer.valid_from is not None and at < offer.valid_from:
        found.append(Reason("not-yet-valid", f"It is valid from {written(offer.valid_from)}."))
    if offer.valid_until is not None and at >= offer.valid_until:
        found.append(Reason("expired", f"It was valid until {written(offer.valid_until)}."))
    if channel not in offer.channels:
        others = f"only for {', '.join(offer.channels)}" if offer.channels else "nor for any other channel"
        found.append(Reason("no-content-for-channel", f"It has no content for {channel}, {others}."))
    return found


@dataclass(frozen=True, slots=True)
class Slate:
    """The offers of one channel, before any customer is looked at. It is the same all through its time."""

    candidates: tuple[Candidate, ...]
    """Those that only the customer decides about, the best first."""
    hindered: tuple[Candidate, ...]
    """The others, the nearest first."""
    since: datetime | None
    until: datetime | None
    """From the first instant on, and before the second, no offer begins or ends to be valid; None is open."""

    def holds(self, at: datetime) -> bool:
        """Say whether the slate is that of an instant."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


def slate_of(offers: Iterable[Candidate], channel: str | None, at: datetime) -> Slate:
    """Sort out which offers can be made in a channel, or in any at all, at an instant."""
    parts: list[list[Candidate]] = [[] for _ in range(_FAR + 1)]
    since, until = None, None
    for offer in sorted(offers, key=_RANK):
        parts[_distance(offer, channel, at)].append(offer)
        for bound in (offer.valid_from, offer.valid_until):
            if bound is None:
                continue
            if bound <= at:
                since = bound if since is None else max(since, bound)
            else:
                until = bound if until is None else min(until, bound)
    return Slate(tuple(parts[_NEAR]), tuple(chain.from_iterable(parts[_NEAR + 1 :])), since, until)


def decide(
    slate: Slate,
    eligible: Mapping[str, bool],
    *,
    channel: str,
    at: datetime,
    limit: int,
    most_rejected: int | None = None,
) -> Verdict:
    """Choose the best offers for one customer, at most `limit`, and say why each was chosen or not.

    `eligible` says, by the name of an audience, whether the customer is in it; it must know those of all candidates.
    Of the rejected, the `most_rejected` that came nearest are told.
    """
    good: list[Candidate] = []
    ineligible: list[Candidate] = []
    for offer in slate.candidates:
        entitled = offer.eligibility is None or eligible[offer.eligibility]
        (good if entitled else ineligible).append(offer)
    outranked = good[limit:]
    told = [(offer, [_outranked(offer, good[limit - 1], limit)]) for offer in outranked[:most_rejected]]
    for offer in ineligible if most_rejected is None else ineligible[: most_rejected - len(told)]:
        told.append((offer, [_NOT_ELIGIBLE]))
    for offer in slate.hindered if most_rejected is None else slate.hindered[: most_rejected - len(told)]:
        told.append((offer, hindrances(offer, channel, at)))
    chosen = [(offer, _reasons_for(good, place)) for place, offer in enumerate(good[:limit])]
    return Verdict(chosen, told, len(outranked) + len(ineligible) + len(slate.hindered))


def good_until(chosen: Iterable[Candidate], at: datetime) -> datetime:
    """Answer until when a decision holds: the first end of an offer in it, a day at most."""
    ends = [offer.valid_until for offer in chosen if offer.valid_until is not None]
    return min([*ends, at + LONGEST_VALIDITY])


_NOT_ELIGIBLE: Final = Reason("not-eligible", "The customer is not in the audience of its eligibility.")
_ELIGIBLE: Final = Reason("eligible", "The customer is in the audience of its eligibility.")
_OPEN: Final = Reason("open-to-all", "It has no eligibility and is open to every customer.")
_RANK: Final = attrgetter("rank")
_NEAR: Final = 0
_FAR: Final = 4


def _distance(offer: Candidate, channel: str | None, at: datetime) -> int:
    """Answer how far an offer is from being made, 0 when only the customer is left to ask. Quick, for many offers."""
    if offer.status != "live":
        return _FAR
    if offer.valid_until is not None and at >= offer.valid_until:
        return 3
    if offer.valid_from is not None and at < offer.valid_from:
        return 2
    has_content = channel in offer.channels if channel is not None else bool(offer.channels)
    return _NEAR if has_content else 1


def _reasons_for(good: Sequence[Candidate], place: int) -> list[Reason]:
    offer = good[place]
    entitled = _OPEN if offer.eligibility is None else _ELIGIBLE
    if place + 1 == len(good):
        return [entitled, Reason("no-other", "No other offer was left.")]
    return [entitled, _better(offer, good[place + 1])]


def _better(offer: Candidate, other: Candidate) -> Reason:
    """Say why an offer stands before the next one."""
    if offer.priority != other.priority:
        lower = f"the next, {other.code}, has {other.priority}"
        told = f"Of those left it has the highest priority, {offer.priority}; {lower}."
        return Reason("highest-priority", told)
    same = f"Its priority, {offer.priority}, is that of the next, {other.code}"
    mine, others = _margin(offer), _margin(other)
    if offer.margin_currency == other.margin_currency and offer.margin_minor == other.margin_minor:
        told = "both have the same margin" if mine else "no margin is known of either"
        return Reason("first-by-code", f"{same}, and {told}; the code that comes first in the alphabet goes first.")
    if offer.margin_currency is None or other.margin_currency in (None, offer.margin_currency):
        return Reason("higher-margin", f"{same}; its margin is {mine}, the other's {others or 'not known'}.")
    return Reason(
        "margins-not-comparable",
        f"{same}; its margin is {mine}, the other's {others}: not compared, {offer.margin_currency} goes first.",
    )


def _outranked(offer: Candidate, last: Candidate, limit: int) -> Reason:
    wanted = "1 offer was wanted" if limit == 1 else f"{limit} offers were wanted"
    by = f"priority {offer.priority} against {last.priority}"
    if offer.priority == last.priority:
        by = f"margin {_margin(offer) or 'not known'} against {_margin(last) or 'not known'}"
        if (offer.margin_minor, offer.margin_currency) == (last.margin_minor, last.margin_currency):
            by = "alike but for its code"
    return Reason("outranked", f"Only {wanted}, and {last.code} goes before it: {by}.")


def _margin(offer: Candidate) -> str | None:
    if offer.margin_minor is None or offer.margin_currency is None:
        return None
    return f"{decimal_text(offer.margin_minor, offer.margin_currency)} {offer.margin_currency}"
