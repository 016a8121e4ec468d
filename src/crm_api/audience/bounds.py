"""How large an audience may be, looked at before anything else is."""

from collections.abc import Iterator
from typing import Any, Final

from pydantic_core import PydanticCustomError

DEEPEST: Final = 16
MOST_NODES: Final = 500
MOST_AGGREGATES: Final = 50
MOST_VALUES: Final = 1_000
MOST_VALUES_IN_ALL: Final = 10_000
LONGEST_TEXT: Final = 1_000
MOST_WILDCARDS: Final = 8
LONGEST_AUDIENCE: Final = 500_000
"""Characters of an audience that is written as text."""
_AGGREGATES: Final = ("count", "sum", "average", "share", "never", "first", "latest")


def bounded(value: Any) -> Any:
    """Let a raw tree through, or refuse it naming the bound it breaks; the walk stops there, and does not recurse.

    Aggregates are what an audience costs: each is one visit of a customer's touchpoints.
    """
    nodes = aggregates = values = 0
    waiting = [(value, 1)]
    while waiting:
        node, depth = waiting.pop()
        if not isinstance(node, dict):
            continue
        nodes += 1
        aggregates += any(name in node for name in _AGGREGATES)
        values += len(node["in"]) if isinstance(node.get("in"), list) else 0
        if depth > DEEPEST:
            raise _refusal("too-deep", "nests at most {most} levels deep", DEEPEST)
        if nodes > MOST_NODES:
            raise _refusal("too-many-nodes", "has at most {most} nodes", MOST_NODES)
        if aggregates > MOST_AGGREGATES:
            raise _refusal("too-many-aggregates", "asks for touchpoints at most {most} times", MOST_AGGREGATES)
        if values > MOST_VALUES_IN_ALL:
            raise _refusal("too-many-values", "lists at most {most} values in all", MOST_VALUES_IN_ALL)
        waiting.extend((child, depth + 1) for child in _children(node))
    return value


def _children(node: dict[str, Any]) -> Iterator[Any]:
    for name in ("all", "any"):
        branches = node.get(name)
        if isinstance(branches, list):
            # One more than allowed is enough to refuse; a hostile list is never walked to its end.
            yield from branches[: MOST_NODES + 1]
    for name in ("not", "household_any", "household_all"):
        yield node.get(name)
    for name in ("count", "of", "never", "first", "latest"):
        chosen = node.get(name)
        if isinstance(chosen, dict):
            yield chosen.get("where")
            yield chosen.get("items")


def _refusal(code: str, rule: str, most: int) -> PydanticCustomError:
    return PydanticCustomError(code, "An audience " + rule, {"most": most})
