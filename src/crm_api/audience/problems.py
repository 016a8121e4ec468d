"""Problem
└── InvalidAudience   422  the tree is well-formed, and does not fit the field catalog
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..core.problems import Problem, finding
from .check import AudienceRefused, Finding
from .tree import Audience


class InvalidAudience(
    Problem, status=422, code="invalid-audience", title="The audience does not fit the field catalog"
):
    """The tree is well-formed, but a field, an operator or a value in it is none that is offered.

    Each entry of `errors` has a JSON pointer into the request body, a code, what would be right, and `nearest`, the
    nearest valid name, where one is near. In an audience written as text, the pointer leads to the text, `line` and
    `column` to the place in it. `GET /v1/fields` lists the fields, their types and operators. Nothing was
    stored.
    """


@contextmanager
def audience_at(pointer: str, *, part: str = "body") -> Iterator[None]:
    """Answer a refused audience as the problem it is; `pointer` is where in that part of the request the tree stands:
    "/definition".

    Errors: InvalidAudience.
    """
    try:
        yield
    except AudienceRefused as refused:
        problem = invalid_audience(refused, pointer)
        problem.errors = [{**found, "in": part} for found in problem.errors]
        raise problem from None


def findings_in(tree: Audience, found: list[Finding], pointer: str) -> list[dict[str, Any]]:
    """Write findings in a tree that stands at a place of the body as the entries of a problem's `errors`."""
    return [_error(each, pointer) for each in AudienceRefused(found, tree).findings]


def invalid_audience(refused: AudienceRefused, pointer: str) -> InvalidAudience:
    """Make the problem of a refusal."""
    errors = [_error(found, pointer) for found in refused.findings]
    return InvalidAudience(errors[0]["detail"], errors=errors)


def _error(found: Finding, pointer: str) -> dict[str, Any]:
    near = {"nearest": found.nearest} if found.nearest else {}
    if found.place is None:
        return {**finding(pointer + found.pointer, found.code, found.detail), **near}
    return {**finding(pointer, found.code, found.detail), **found.place._asdict(), **near}
