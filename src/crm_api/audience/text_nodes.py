"""Builds the nodes that a text means, as the parser recognizes them; each method is named as a rule of the grammar."""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from .distance import SPELLED, UNIT_MISSING, UNITS
from .names import nearest
from .written import Place, TextRefused, Written

if TYPE_CHECKING:
    from lark import Token

_SIGNS: Final = {
    "=": "eq", "==": "eq", "!=": "ne", "<>": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte",
}  # fmt: skip
_UNITS: Final = {"day": "P{}D", "week": "P{}W", "month": "P{}M", "hour": "PT{}H", "minute": "PT{}M"}
_LARGEST: Final = 2**63 - 1
_UNQUOTED: Final = re.compile(r'\\.|"')


class Part(NamedTuple):
    """A member of a node, and where it stands."""

    value: Any
    place: Place


def place_of(token: "Token") -> Place:
    """Answer where a token begins."""
    return Place(token.line or 1, token.column or 1)


class Nodes:
    """What the parser calls for each rule, with what stands in it: tokens, parts and nodes."""

    def any_of(self, branches: list[Written]) -> Written:
        return Written(branches[0].place, {"any": branches})

    def all_of(self, branches: list[Written]) -> Written:
        return Written(branches[0].place, {"all": branches})

    def some(self, found: list[Any]) -> Written:
        return Written(place_of(found[0]), {"any": found[1:]})

    def every(self, found: list[Any]) -> Written:
        return Written(place_of(found[0]), {"all": found[1:]})

    def negated(self, found: list[Any]) -> Written:
        return Written(place_of(found[0]), {"not": found[1]})

    def household_any(self, found: list[Any]) -> Written:
        return Written(place_of(found[0]), {"household_any": found[2]})

    def household_all(self, found: list[Any]) -> Written:
        return Written(place_of(found[0]), {"household_all": found[2]})

    def field_test(self, found: list[Any]) -> Written:
        name, *comparison = found
        return _node(name.place, {"field": name}, _compared(comparison))

    def negated_field_test(self, found: list[Any]) -> Written:
        name, _, *comparison = found
        return Written(name.place, {"not": self.field_test([name, *comparison])})

    def birthday(self, found: list[Any]) -> Written:
        word, within, leap = found
        return self.field_test([Part("birth_date", place_of(word)), self.anniversary([word, within, leap])])

    def count(self, found: list[Any]) -> Written:
        word, touchpoints, window, *comparison = found
        return _node(place_of(word), {"count": touchpoints}, window, _compared(comparison))

    def total(self, found: list[Any]) -> Written:
        return _over_amounts("sum", *found)

    def average(self, found: list[Any]) -> Written:
        return _over_amounts("average", *found)

    def share(self, found: list[Any]) -> Written:
        return _over_amounts("share", *found)

    def never(self, found: list[Any]) -> Written:
        word, touchpoints, window = found
        return _node(place_of(word), {"never": touchpoints}, window)

    def first(self, found: list[Any]) -> Written:
        word, touchpoints, window, *comparison = found
        return _node(place_of(word), {"first": touchpoints}, window, _compared(comparison))

    def latest(self, found: list[Any]) -> Written:
        word, touchpoints, window, *comparison = found
        return _node(place_of(word), {"latest": touchpoints}, window, _compared(comparison))

    def bucket(self, found: list[Any]) -> Written:
        word, name, buckets, *comparison = found
        return _node(place_of(word), {"bucket": name, "of": self.number([buckets])}, _compared(comparison))

    def distance(self, found: list[Any]) -> Written:
        word, place, latitude, longitude, *comparison = found
        point = {"latitude": self.number([latitude]), "longitude": self.number([longitude])}
        compared = _compared(comparison)
        if "eq" in compared or "ne" in compared:
            detail = "a distance is compared by <, <=, >, >= or between: nobody is exactly so far"
            raise TextRefused(place_of(comparison[0]), "unexpected", detail)
        return _node(place_of(word), {"distance": place}, point, compared)

    def length(self, found: list[Any]) -> Part:
        number, unit = found
        if unit is None:
            raise TextRefused(_after(number), "unit-missing", UNIT_MISSING, "km")
        if unit.lower() not in UNITS:
            near = nearest(unit, (*UNITS, *SPELLED))
            detail = "a length is given in m, km or mi"
            raise TextRefused(place_of(unit), "unknown-unit", detail, SPELLED.get(near, near) if near else None)
        return Part({"length": self.number([number]).value, "unit": unit.lower()}, place_of(number))

    def within_last(self, found: list[Any]) -> "Relative":
        return Relative({"within_last": _duration_part(found[2], found[3])})

    def within_next(self, found: list[Any]) -> "Relative":
        return Relative({"within_next": _duration_part(found[2], found[3])})

    def anniversary(self, found: list[Any]) -> "Relative":
        _, within, leap = found
        return Relative({"anniversary_within_next": within["within_next"], **({} if leap is None else {"leap": leap})})

    def leap(self, found: list[Any]) -> Part:
        day: Part = found[1]
        return day

    def segment(self, found: list[Any]) -> Written:
        word, named = found
        try:
            return _node(place_of(word), {"segment": Part(str(UUID(named.value)), named.place)})
        except ValueError:
            return _node(place_of(word), {"segment_name": named})

    def consent(self, found: list[Any]) -> Written:
        word, channel, purpose = found
        name = Part(f"consent.{channel.value}.{purpose.value}", place_of(word))
        return _node(name.place, {"field": name}, {"eq": Part("granted", name.place)})

    def touchpoints(self, found: list[Any]) -> Written:
        kind, where, items = found
        inside = {"where": where, "items": items}
        return _node(
            kind.place, {"touchpoint": kind}, {name: tree for name, tree in inside.items() if tree is not None}
        )

    def last(self, found: list[Any]) -> dict[str, Part]:
        _, number, unit = found
        return {"last": _duration_part(number, unit)}

    def since(self, found: list[Any]) -> dict[str, Part]:
        return {"from": self.day(found[1:])}

    def before(self, found: list[Any]) -> dict[str, Part]:
        return {"until": self.day(found[1:])}

    def dates(self, found: list[Any]) -> dict[str, Part]:
        return {"from": self.day(found[1:2]), "until": self.day(found[3:])}

    def number(self, found: list["Token"]) -> Part:
        (token,) = found
        try:
            value = int(token) if token.lstrip("-").isdecimal() else float(token)
        except ValueError:  # more digits than Python reads at all
            value = float("inf")
        if abs(value) > _LARGEST and (isinstance(value, int) or value == float("inf")):
            raise TextRefused(place_of(token), "number-too-large", "the number is larger than 64 bits hold")
        return Part(value, place_of(token))

    def percent(self, found: list["Token"]) -> Part:
        part = self.number(found)
        return Part(float(Decimal(str(part.value)) / 100), part.place)

    def money(self, found: list["Token"]) -> Part:
        amount, currency = found
        return Part({"amount": str(amount), "currency": str(currency).upper()}, place_of(amount))

    def day(self, found: list["Token"]) -> Part:
        return Part(str(found[0]), place_of(found[0]))

    def true(self, found: list["Token"]) -> Part:
        return Part(True, place_of(found[0]))

    def false(self, found: list["Token"]) -> Part:
        return Part(False, place_of(found[0]))

    def text(self, found: list["Token"]) -> Part:
        return Part(_unquoted(found[0], found[0][1:-1]), place_of(found[0]))

    def name(self, found: list["Token"]) -> Part:
        (token,) = found
        plain = not token.startswith("`")
        return Part(str(token) if plain else _unquoted(token, token[1:-1]), place_of(token))


def _node(place: Place, *members: Mapping[str, Part | Written] | None) -> Written:
    """Make a node of its members, in order."""
    raw: dict[str, Any] = {}
    places: dict[str, Place] = {}
    for name, member in ((name, member) for group in members if group for name, member in group.items()):
        places[name] = member.place
        raw[name] = member.value if isinstance(member, Part) else member
        if isinstance(raw[name], _Several):
            places |= {f"{name}/{position}": part.place for position, part in enumerate(raw[name])}
            raw[name] = [part.value for part in raw[name]]
    return Written(place, raw, places)


def _over_amounts(
    aggregate: str, word: "Token", amount: Part, touchpoints: Written, window: Mapping[str, Part] | None, *found: Any
) -> Written:
    """Make a node of an amount of touchpoints."""
    return _node(place_of(word), {aggregate: amount, "of": touchpoints}, window, _compared(found))


class Relative(dict[str, Part]):
    """An operator that compares with today, and what stands after it."""


class _Several(list[Part]):
    """Values that stand after one operator."""


def _compared(found: Sequence[Any]) -> Mapping[str, Part]:
    """Read an operator and what stands after it."""
    word, *values = found
    if isinstance(word, Relative):
        return word
    name = str(word).lower()
    if name == "is":
        return {"known": Part(str(values[0]).lower() == "known", place_of(values[0]))}
    if name in ("in", "between"):
        return {name: Part(_Several(values), place_of(word))}
    return {_SIGNS.get(name, name): values[0]}


def _after(token: "Token") -> Place:
    """Answer where something is missing behind a token."""
    return Place(token.end_line or 1, token.end_column or 1)


def _duration_part(number: "Token", unit: "Token") -> Part:
    return Part(_duration(number, unit), place_of(number))


def _duration(number: "Token", unit: "Token") -> str:
    if not number.isdecimal():
        raise TextRefused(place_of(number), "duration", "a duration is a whole number of days, weeks, months, …")
    name = unit.lower().removesuffix("s")
    if name not in _UNITS:
        near = nearest(name, _UNITS)
        raise TextRefused(
            place_of(unit), "unknown-unit", "a duration is given in days, weeks, months, hours or minutes", near
        )
    return _UNITS[name].format(number)


def _unquoted(token: "Token", inner: str) -> str:
    """Read what stands in quotes, as JSON has it."""
    try:
        text: str = json.loads(f'"{_UNQUOTED.sub(_escaped, inner)}"', strict=False)
        text.encode()
    except ValueError:
        detail = 'text is written as in JSON: \\" is a quote, \\\\ a backslash, \\u00e4 the letter ä'
        raise TextRefused(place_of(token), "bad-escape", detail) from None
    return text


def _escaped(found: re.Match[str]) -> str:
    return '\\"' if found[0] == '"' else found[0]
