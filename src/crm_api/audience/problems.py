"""Problem
└── InvalidAudience   422  the tree is well-formed, and does not fit the field catalog
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ..core.problems import Problem, finding
from .check import AudienceRefused


class InvalidAudience(
    Problem, status=422, code="invalid-audience", title="The audience does not fit the field catalog"
):
    """The tree is well-formed, but a field, an operator or a value in it is none that is offered.

    Each entry of `errors` has a JSON pointer into the request body, a code, what would be right, and `nearest`, the
    nearest valid name, where one is near. `GET /v1/fields` lists the fields, their types and operators. Nothing was
    stored.
    """


@contextmanager
def audience_at(pointer: str) -> Iterator[None]:
    """Answer a refused audience as the problem it is; `pointer` is where in the body the tree stands: "/definition".

    Errors: InvalidAudience.
    """
    try:
        yield
    except AudienceRefused as refused:
        raise invalid_audience(refused, pointer) from None


def invalid_audience(refused: AudienceRefused, pointer: str) -> InvalidAudience:
    """Make the problem of a refusal."""
    errors = [
        {
            **finding(pointer + each.pointer, each.code, each.detail),
            **({"nearest": each.nearest} if each.nearest else {}),
        }
        for each in refused.findings
    ]
    return InvalidAudience(errors[0]["detail"], errors=errors)
