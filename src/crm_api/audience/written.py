"""A tree as it was read from text: what its JSON would be, and where in the text each part of it stands."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Place(NamedTuple):
    """Where something stands in a text; both count from 1."""

    line: int
    column: int


class Written(dict[str, Any]):
    """A node as it was read: a JSON object that knows its place, and those of its members: "gte", "in/0"."""

    def __init__(self, place: Place, members: Mapping[str, Any], places: Mapping[str, Place] | None = None) -> None:
        super().__init__(members)
        self.place, self.places = place, places or {}

    def find(self, steps: Iterable[str | int]) -> Place:
        """Answer where the part stands to which steps lead from here; names that are no steps are passed over."""
        node: Any = self
        holder, path, place = self, "", self.place
        for step in steps:
            if isinstance(node, dict) and step in node:
                node = node[step]
            elif isinstance(node, list) and str(step).isdecimal():
                node = node[int(step)]
            else:
                continue
            if isinstance(node, Written):
                holder, path, place = node, "", node.place
            else:
                path = f"{path}/{step}" if path else str(step)
                place = holder.places.get(path, place)
        return place


class TextRefused(Exception):
    """A text is no audience: where, a stable code, a sentence, and the nearest word that would have been right."""

    def __init__(self, place: Place, code: str, detail: str, nearest: str | None = None) -> None:
        super().__init__(f"line {place.line}, column {place.column}: {detail}")
        self.place, self.code, self.detail, self.nearest = place, code, detail, nearest
