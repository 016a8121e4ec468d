"""The last statement of a change: all that it leaves behind, in one round trip."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

_PLACE: Final = re.compile(r"\$(\d+)")


class Part(NamedTuple):
    """`INSERT … SELECT …` without a WHERE, and its arguments."""

    sql: str
    arguments: Sequence[Any]


def composed(made: Part | None, parts: Sequence[Part]) -> tuple[str, list[Any]]:
    """Make one statement of what was made, if that is an insertion of its own, and of what is left behind.

    It answers whether the row was made; when it was not, nothing is left behind either.
    """
    together = parts if made is None else [made, *parts]
    sql = _statement(
        tuple(part.sql for part in together), tuple(len(part.arguments) for part in together), made is None
    )
    return sql, [argument for part in together for argument in part.arguments]


@lru_cache(maxsize=256)
def _statement(sqls: Sequence[str], counts: Sequence[int], are_parts: bool) -> str:
    texts, places = [], 0
    for sql, count in zip(sqls, counts, strict=True):
        texts.append(_PLACE.sub(lambda found, before=places: f"${int(found[1]) + before}", sql))  # type: ignore[misc]
        places += count
    names = [f"part_{number}" for number in range(len(texts))]
    if not are_parts:
        texts = [f"{texts[0]} RETURNING true"] + [f"{text} WHERE EXISTS (SELECT FROM part_0)" for text in texts[1:]]
    written = ", ".join(f"{name} AS ({text})" for name, text in zip(names, texts, strict=True))
    result = "true" if are_parts else "EXISTS (SELECT FROM part_0)"
    return f"WITH {written} SELECT {result}"
