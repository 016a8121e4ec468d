"""What is true of customers, without a database: what a wish makes of the customer there is.

A customer is handled as its document, the JSON object callers see, so that what is compared is what they see.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from pydantic import MISSING

from ..core.problems import InvalidRequest
from ..core.text import normalized
from .contact_points import Unreachable, normalized_contact
from .custom_values import Declaration, WrongValue, judged
from .schemas import ContactPointInput, CustomerFields, ExternalIdInput, listed

Document = dict[str, Any]

_PLAIN: Final = (
    "kind",
    "display_name",
    "given_name",
    "family_name",
    "organization_name",
    "birth_date",
    "language",
    "time_zone",
)
_OF_PERSONS: Final = ("given_name", "family_name", "birth_date")
CHANGEABLE: Final = (*_PLAIN, "contact_points", "external_ids", "addresses", "tags", "custom_fields")
MOST: Final = {"contact_points": 50, "external_ids": 50, "tags": 100, "custom_fields": 200}


@dataclass(frozen=True, slots=True)
class Ground:
    """What wishes are judged by: the country of bare telephone numbers, the declared fields, today's local date."""

    phone_region: str
    declared: Mapping[str, Declaration]
    today: date


@dataclass(slots=True)
class _Judgment:
    """Findings of one wish, gathered so that a caller hears of all at once."""

    ground: Ground
    findings: list[dict[str, str]] = field(default_factory=list)

    def refuse(self, pointer: str, code: str, detail: str) -> None:
        self.findings.append({"in": "body", "pointer": pointer, "code": code, "detail": detail})


def nobody() -> Document:
    """Answer the document of a customer of whom nothing is known."""
    return {
        **dict.fromkeys(_PLAIN, None),
        "kind": "person",
        "contact_points": [],
        "external_ids": [],
        "addresses": [],
        "tags": [],
        "custom_fields": {},
    }


def merged(current: Document, wish: CustomerFields, ground: Ground, *, adding: bool = False) -> Document:
    """Answer what a wish makes of a customer; new contact points have no id yet.

    What is left out stays, null clears, custom fields merge by key. Arrays replace; when adding, contact points,
    external ids and tags are added to those there are, since several systems may know the same customer.
    Errors: InvalidRequest with all findings.
    """
    judgment = _Judgment(ground)
    new: Document = dict(current)
    new.update((name, getattr(wish, name)) for name in _PLAIN if name in wish.model_fields_set)
    if wish.contact_points is not MISSING:
        points = listed(wish.contact_points)
        new["contact_points"] = _contact_points(current["contact_points"], points, judgment, adding=adding)
    if wish.external_ids is not MISSING:
        new["external_ids"] = _external_ids(current["external_ids"], listed(wish.external_ids), judgment, adding=adding)
    if wish.addresses is not MISSING:
        new["addresses"] = [address.model_dump() for address in listed(wish.addresses)]
    if wish.tags is not MISSING:
        new["tags"] = distinct_tags([*(current["tags"] if adding else ()), *listed(wish.tags)])
    if wish.custom_fields is not MISSING:
        new["custom_fields"] = _custom_fields(current["custom_fields"], wish.custom_fields, judgment)
    if not wish.display_name or wish.display_name is MISSING:
        _follow_names(current, new)
    _judge_whole(new, judgment)
    if judgment.findings:
        raise InvalidRequest(judgment.findings[0]["detail"], errors=judgment.findings)
    return new


def changed(current: Document, new: Document) -> list[str]:
    """Name the fields that differ."""
    return [name for name in CHANGEABLE if current[name] != new[name]]


def derived_name(document: Document) -> str | None:
    """Make a display name of the names, else of the first contact point or external id."""
    if document["kind"] == "organization":
        named = document["organization_name"]
    else:
        named = " ".join(filter(None, (document["given_name"], document["family_name"])))
    reached = (each["value"] for each in document["contact_points"])
    known = (each["external_id"] for each in document["external_ids"])
    return named or document["organization_name"] or next(reached, None) or next(known, None)


def distinct_tags(tags: Iterable[str]) -> list[str]:
    """Leave out tags that are there already in another spelling, and put them in order."""
    first: dict[str, str] = {}
    for tag in tags:
        first.setdefault(normalized(tag), tag)
    return [first[key] for key in sorted(first)]


def retagged(current: Document, add: Iterable[str], remove: Iterable[str]) -> Document:
    """Answer a customer with tags taken away and others added; letter case tells no tags apart."""
    gone = {normalized(tag) for tag in remove}
    kept = (tag for tag in current["tags"] if normalized(tag) not in gone)
    return {**current, "tags": distinct_tags([*kept, *add])}


def contact_key(contact_point: Mapping[str, Any]) -> str:
    """Answer the key by which a contact point is unique among all customers."""
    return f"{contact_point['kind']}:{contact_point['normalized']}"


def external_key(system: str, external_id: str) -> str:
    """Answer the key by which an external id is unique among all customers; no system has a slash in its name."""
    return f"{system}/{external_id}"


def _contact_points(
    current: list[Document], given: Sequence[ContactPointInput], judgment: _Judgment, *, adding: bool
) -> list[Document]:
    there = {contact_key(each): each for each in current}
    wished: dict[str, Document] = {}
    for position, point in enumerate(given):
        try:
            form = normalized_contact(point.kind, point.value, judgment.ground.phone_region)
        except Unreachable as error:
            judgment.refuse(f"/contact_points/{position}/value", error.code, str(error))
            continue
        made: Document = {"id": None, "kind": point.kind, "value": point.value.strip(), "normalized": form}
        key = contact_key(made)
        if key in wished:
            judgment.refuse(f"/contact_points/{position}", "duplicate", f"{form} is given twice")
        known = there.get(key)
        if known is not None and adding:
            made = {**known, "label": point.label if "label" in point.model_fields_set else known["label"]}
        else:
            made = {**made, "id": known and known["id"], "label": point.label}
        wished[key] = {**made, "is_primary": point.is_primary}
    kept = there if adding else {}
    return _with_primaries(kept, wished, judgment)


def _with_primaries(
    kept: Mapping[str, Document], wished: Mapping[str, Document], judgment: _Judgment
) -> list[Document]:
    """Join what is kept and what is wished, and see to it that of each kind exactly one is the primary."""
    points = list({**kept, **wished}.items())
    if len(points) > MOST["contact_points"]:
        judgment.refuse("/contact_points", "too-many", f"at most {MOST['contact_points']} contact points")
    for kind in ("email", "phone"):
        of_kind = [key for key, point in points if point["kind"] == kind]
        marked = [key for key in of_kind if key in wished and wished[key]["is_primary"]]
        if len(marked) > 1:
            judgment.refuse("/contact_points", "two-primaries", f"only one {kind} is the primary")
        was = [key for key in of_kind if key in kept and kept[key]["is_primary"]]
        primary = next(iter((*marked, *was, *of_kind)), None)
        points = [
            (key, {**point, "is_primary": key == primary} if point["kind"] == kind else point) for key, point in points
        ]
    return [point for _, point in points]


def _external_ids(
    current: list[Document], given: Sequence[ExternalIdInput], judgment: _Judgment, *, adding: bool
) -> list[Document]:
    pairs = [(each.system, each.external_id) for each in given]
    for position, pair in enumerate(pairs):
        if pair in pairs[:position]:
            judgment.refuse(f"/external_ids/{position}", "duplicate", f"{pair[1]} of {pair[0]} is given twice")
    kept = [(each["system"], each["external_id"]) for each in current] if adding else []
    joined = sorted({*kept, *pairs})
    if len(joined) > MOST["external_ids"]:
        judgment.refuse("/external_ids", "too-many", f"at most {MOST['external_ids']} external ids")
    return [{"system": system, "external_id": external_id} for system, external_id in joined]


def _custom_fields(current: Document, given: Mapping[str, Any] | None, judgment: _Judgment) -> Document:
    if given is None:
        return {}
    merged_fields = dict(current)
    for key, value in given.items():
        if value is None:
            merged_fields.pop(key, None)
            continue
        try:
            merged_fields[key] = judged(key, value, judgment.ground.declared)
        except WrongValue as error:
            judgment.refuse(f"/custom_fields/{key}", error.code, str(error))
    if len(merged_fields) > MOST["custom_fields"]:
        judgment.refuse("/custom_fields", "too-many", f"at most {MOST['custom_fields']} custom fields")
    return dict(sorted(merged_fields.items(), key=lambda item: (len(item[0]), item[0])))  # as jsonb keeps them


def _follow_names(current: Document, new: Document) -> None:
    """Let a display name that nobody chose, or that is to be cleared, follow the names."""
    if new["display_name"] is None or new["display_name"] == derived_name(current):
        new["display_name"] = derived_name(new)


def _judge_whole(new: Document, judgment: _Judgment) -> None:
    """Judge what takes more than one field."""
    if new["kind"] == "organization":
        for name in _OF_PERSONS:
            if new[name] is not None:
                judgment.refuse(f"/{name}", "not-of-organizations", f"an organization has no {name}; clear it")
    if new["birth_date"] is not None and new["birth_date"] > judgment.ground.today:
        judgment.refuse("/birth_date", "in-the-future", "nobody is born in the future")
    if len(new["tags"]) > MOST["tags"]:
        judgment.refuse("/tags", "too-many", f"at most {MOST['tags']} tags")
    if new["display_name"] is None and not judgment.findings:
        detail = "something must name the customer: a name, a contact point or an external id"
        judgment.refuse("/display_name", "missing", detail)
