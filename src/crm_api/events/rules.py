"""Which types of events a filter means, without a database."""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches

_ALL = ".*"


def meant(wanted: Iterable[str], known: Collection[str]) -> tuple[list[str], Mapping[str, str | None]]:
    """Answer the types that names and prefixes (`segment.*`) mean, and for each that means none the nearest one."""
    found: set[str] = set()
    strangers: dict[str, str | None] = {}
    for name in wanted:
        prefix = name.removesuffix("*") if name.endswith(_ALL) else None
        types = [each for each in known if (each.startswith(prefix) if prefix else each == name)]
        found.update(types)
        if not types:
            near = get_close_matches(name.removesuffix(_ALL), known, n=1, cutoff=0.5)
            strangers[name] = near[0] if near else None
    return sorted(found), strangers
