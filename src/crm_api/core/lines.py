"""Lines of a batch become rows: one validation call each, and the strictness of the JSON door for little.

The door (`json_door.admit`) parses a body a second time to find what the validator lets through: keys given twice, NUL,
numbers that are not exact. For a thousand lines that doubles the work, so here many lines are cleared at once: without
its white space a text holds at least as many `":` as it has keys, and a key given twice shows as a difference to the
keys that arrived. Only lines that cannot be cleared go through the door one by one.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Generic, Literal, TypeVar, Union, get_args, get_origin
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from .failures import pointer
from .json_door import DEEPEST, admit, read_tree
from .known_names import explained
from .problems import InvalidRequest, Problem
from .upload import Record

Row = TypeVar("Row", bound=BaseModel)
_MOST_FINDINGS: Final = 20
_PLAIN: Final = frozenset({str, bool, bytes, UUID, datetime, AwareDatetime, date, Decimal, NoneType})
_EXACT: Final = 10**17  # beyond it the door decides
_WHITE_SPACE: Final = b" \t\r"


class LineReader(Generic[Row]):
    """Reads lines as rows of a model. Its validators may change values, but must not add keys to dictionaries."""

    def __init__(self, model: type[Row]) -> None:
        self._model = model
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
                    found.append(_refusal(record, error, self._model))
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
    if b"\\u0000" in text:
        return False
    try:
        return text.translate(None, _WHITE_SPACE).count(b'":') == sum(map(_key_count, rows))
    except _Doubt:
        return False


def _checked(line: bytes, row: Row) -> Row | Problem:
    try:
        admit(line)
    except Problem as problem:
        return problem
    return row


def _refusal(line: bytes, error: ValidationError, model: type[BaseModel]) -> Problem:
    try:
        tree = read_tree(line)
    except Problem as problem:
        return problem
    errors = [
        {
            "pointer": pointer(found["loc"], tree, found["type"]),
            "code": found["type"].replace("_", "-"),
            "detail": explained(found, model),
        }
        for found in error.errors(include_url=False, include_context=False)[:_MOST_FINDINGS]
    ]
    return InvalidRequest(errors[0]["detail"], errors=errors)


class _Doubt(Exception):
    """Something was parsed that only the door can judge."""


def _key_count(value: Any, depth: int = 0) -> int:
    """Count the keys of the JSON objects that a value was made of. Errors: _Doubt."""
    kind: Any = type(value)
    if kind in _PLAIN:
        return 0
    if kind is int or kind is float:
        if not -_EXACT < value < _EXACT:
            raise _Doubt
        return 0
    if depth > DEEPEST // 2:
        raise _Doubt
    depth += 1
    holders = _holders(kind)
    if holders is not None:
        given = value.__pydantic_fields_set__
        count = len(given)
        for name in holders:
            if name in given:
                count += _key_count(getattr(value, name), depth)
        return count
    if kind is dict:
        return len(value) + sum([_key_count(held, depth) for held in value.values()])
    if len(kinds := set(map(type, value))) == 1 and _holders(kinds.pop()) == ():
        return sum([len(held.__pydantic_fields_set__) for held in value])  # the usual list: flat objects of one model
    return sum([_key_count(held, depth) for held in value])


@cache
def _holders(kind: Any) -> tuple[str, ...] | None:
    """Name the fields of a model that can hold objects, or numbers without a bound; None for what is no model."""
    if not issubclass(kind, BaseModel):
        return None
    return tuple(
        name for name, field in kind.model_fields.items() if not _is_plain(field.annotation, _bounds(field.metadata))
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
    """Say whether there is an upper bound among the annotations of a type, which may stand inside of `Field`."""
    return any(hasattr(each, "le") or hasattr(each, "lt") or _bounds(getattr(each, "metadata", ())) for each in limits)
