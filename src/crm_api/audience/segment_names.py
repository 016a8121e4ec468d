"""Puts ids in place of the names of segments, in audiences that people wrote."""

from collections.abc import Iterator, Mapping
from uuid import UUID

from ..core.read import Reader
from ..core.text import normalized
from .catalog import Catalog
from .check import AudienceRefused, Finding
from .household_nodes import HouseholdAll, HouseholdAny
from .names import nearest
from .tree import AllOf, AnyOf, Audience, InNamedSegment, InSegment, Not


async def with_segment_ids(tree: Audience, catalog: Catalog, reader: Reader) -> Audience:
    """Answer the tree with the ids of segments instead of their names; letter case does not matter.

    Errors: AudienceRefused for names that no segment has, with the nearest that one has.
    """
    asked = list(_names(tree, ""))
    if not asked or catalog.segment is None or catalog.segment.names is None:
        return tree
    rows = await reader.rows(catalog.segment.names)
    ids: dict[str, UUID] = {row["name_normalized"]: UUID(str(row["id"])) for row in rows}
    unknown = [(pointer, name) for pointer, name in asked if normalized(name) not in ids]
    if unknown:
        names = [row["name"] for row in rows]
        raise AudienceRefused([_unknown(pointer, name, nearest(name, names)) for pointer, name in unknown[:20]], tree)
    replaced = _replaced(tree, ids)
    replaced.__dict__["written"] = tree.written
    return replaced


def _unknown(pointer: str, name: str, near: str | None) -> Finding:
    hint = f"; did you mean {near}?" if near else ""
    return Finding(f"{pointer}/segment_name", "unknown-segment", f"No segment is called {name}{hint}", near)


def _names(node: Audience, pointer: str) -> Iterator[tuple[str, str]]:
    match node:
        case InNamedSegment(segment_name=name):
            yield pointer, name
        case Not(not_=inner):
            yield from _names(inner, f"{pointer}/not")
        case HouseholdAny(household_any=inner):
            yield from _names(inner, f"{pointer}/household_any")
        case HouseholdAll(household_all=inner):
            yield from _names(inner, f"{pointer}/household_all")
        case AllOf(all=branches):
            for position, branch in enumerate(branches):
                yield from _names(branch, f"{pointer}/all/{position}")
        case AnyOf(any=branches):
            for position, branch in enumerate(branches):
                yield from _names(branch, f"{pointer}/any/{position}")
        case _:
            pass  # a field, or touchpoints, which know no segments


def _replaced(node: Audience, ids: Mapping[str, UUID]) -> Audience:
    match node:
        case InNamedSegment(segment_name=name):
            return InSegment(segment=ids[normalized(name)])
        case Not(not_=inner):
            return Not.model_validate({"not": _replaced(inner, ids)})
        case HouseholdAny(household_any=inner):
            return HouseholdAny(household_any=_replaced(inner, ids))
        case HouseholdAll(household_all=inner):
            return HouseholdAll(household_all=_replaced(inner, ids))
        case AllOf(all=branches):
            return AllOf(all=[_replaced(branch, ids) for branch in branches])
        case AnyOf(any=branches):
            return AnyOf(any=[_replaced(branch, ids) for branch in branches])
        case _:
            return node
