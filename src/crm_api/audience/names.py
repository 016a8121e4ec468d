"""Names that people get almost right."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Answer the name most like another in any letter case, if one is."""
    spelled = {each.lower(): each for each in names}
    return next((spelled[each] for each in get_close_matches(name.lower(), spelled, n=1)), None)
