"""Lines of a batch become rows: one validation call each, and the strictness of the JSON door for little.

The door (`json_door.admit`) parses a body a second time to find what the validator lets through: keys given twice, NUL,
numbers that are not exact. For a thousand lines that doubles the work, so here many lines are cleared at once: as long
as no white space stands before a colon, a text holds at least as many `":` as it has keys, and a key given twice
shows as a difference to the keys that arrived. Only lines that cannot be cleared go through the door one by one.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Generic, Literal, TypeVar, Union, get_args, get_origin
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from .failures import pointer
from .json_door import DEEPEST, admit, read_tree
from .problems import InvalidRequest, Problem
from .upload import Record

Row = TypeVar("Row", bound=BaseModel)
_MOST_FINDINGS: Final = 20
_PLAIN: Final = frozenset({str, bool, bytes, UUID, datetime, AwareDatetime, date, Decimal, NoneType})
_EXACT: Final = 10**17  # beyond it the door decides
_DOUBTFUL_MARKS: Final = (b"\\u0000", b" :", b"\t:", b"\r:")


class LineReader(Generic[Row]):
    """Reads lines as rows of a model. Its validators may change values, but must not add keys to dictionaries."""

    def __init__(self, model: type[Row]) -> None:
        self._validate = TypeAdapter(model).validator.validate_json

    def read(self, records: Sequence[Record]) -> list[Row | Problem]:
        """Answer a row or a problem for each record, in order. Blocks for about 10 µs a line: give it a few hundred."""
        validate = self._validate
        found: list[Row | Problem] = []
        valid: list[bytes] = []
        for record in records:
            if isinstance(record, bytes):
                try:
                    found.append(validate(record))
                    valid.append(record)
                except ValidationError as error:
                    found.append(_refusal(record, error))
            else:
                found.append(record)
        if _are_clear(valid, [row for row in found if not isinstance(row, Problem)]):
            return found
        return [
            _checked(record, row) if isinstance(record, bytes) and not isinstance(row, Problem) else row
            for record, row in zip(records, found, strict=True)
        ]


def _are_clear(lines: list[bytes], rows: list[Row]) -> bool:
    """Say whether the door would let all of these lines in."""
    text = b"\n".join(lines)
    if any(mark in text for mark in _DOUBTFUL_MARKS):
        return False
    try:
        return text.count(b'":') == sum(map(_key_count, rows))
    except _Doubt:
        return False


def _checked(line: bytes, row: Row) -> Row | Problem:
    try:
        admit(line)
    except Problem as problem:
        return problem
    return row


def _refusal(line: bytes, error: ValidationError) -> Problem:
    try:
        tree = read_tree(line)
    except Problem as problem:
        return problem
    errors = [
        {
            "pointer": pointer(found["loc"], tree, found["type"]),
            "code": found["type"].replace("_", "-"),
            "detail": found["msg"],
        }
        for found in error.errors(include_url=False, include_context=False)[:_MOST_FINDINGS]
    ]
    return InvalidRequest(errors[0]["detail"], errors=errors)


class _Doubt(Exception):
    """Something was parsed that only the door can judge."""


def _key_count(value: Any, depth: int = 0) -> int:
    """Count the keys of the JSON objects that a value was made of. Errors: _Doubt."""
    if isinstance(value, BaseModel):
        given = value.__pydantic_fields_set__
        count = len(given)
        for name in _holders(type(value)):
            if name in given:
                held = getattr(value, name)
                if held:
                    count += _key_count(held, depth + 1)
        return count
    kind = type(value)
    if kind is dict:
        if depth > DEEPEST // 2:
            raise _Doubt
        return len(value) + sum(_key_count(held, depth + 1) for held in value.values() if type(held) not in _PLAIN)
    if kind in (list, tuple, set, frozenset):
        if depth > DEEPEST // 2:
            raise _Doubt
        return sum(_key_count(held, depth + 1) for held in value if type(held) not in _PLAIN)
    if (kind is int and not -_EXACT < value < _EXACT) or (kind is float and not isfinite(value)):
        raise _Doubt
    return 0


@cache
def _holders(model: type[BaseModel]) -> tuple[str, ...]:
    """Name the fields that can hold objects, or numbers without a bound."""
    return tuple(
        name for name, field in model.model_fields.items() if not _is_plain(field.annotation, _bounds(field.metadata))
    )


def _is_plain(annotation: Any, is_bounded: bool) -> bool:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *limits = get_args(annotation)
        return _is_plain(inner, is_bounded or _bounds(limits))
    if origin in (Union, UnionType):
        return all(_is_plain(part, is_bounded) for part in get_args(annotation))
    return origin is Literal or annotation in _PLAIN or (is_bounded and annotation in (int, float))


def _bounds(limits: Sequence[Any]) -> bool:
    return any(hasattr(limit, "le") or hasattr(limit, "lt") for limit in limits)
