"""What stands after an operator, read as the field's type wants it."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, Protocol, cast

from pydantic import TypeAdapter, ValidationError

from ..core.money import Money
from ..core.schemas import Day, Instant
from ..core.text import folded, normalized
from .anniversaries import LONGEST_DAYS, is_within_a_year
from .bounds import MOST_WILDCARDS
from .catalog import Column, FieldType
from .names import nearest
from .values import Operator

_LARGEST: Final = 2**63 - 1  # bigint
_EXPECTED: Final[dict[FieldType, str]] = {
    "text": "text",
    "choice": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "date": 'a date as text, for example "2026-01-31"',
    "datetime": 'a date or a time with its offset as text: "2026-01-31", "2026-01-31T09:30:00Z"',
    "money": 'money, for example {"amount": "500.00", "currency": "EUR"}',
    "set": "text",
    "json": "text, a number, true or false",
}
_LENGTH_OF_DATE: Final = 10
_EARLIEST, _LATEST = date(1900, 1, 1), date(2200, 12, 31)
"""Local dates beyond begin at no instant that could be written in every time zone."""
_DAY: Final[TypeAdapter[date]] = TypeAdapter(Day)
_INSTANT: Final[TypeAdapter[datetime]] = TypeAdapter(Instant)


class Pattern(NamedTuple):
    """What text looks like: parts in this order, with any characters between them."""

    parts: tuple[str, ...]

    @property
    def like(self) -> str:
        """The same for LIKE of SQL, where every other sign stands for itself."""
        return "%".join(map(_escaped, self.parts))

    def fits(self, text: str) -> bool:
        """Say whether a text looks like that; each part is looked for once, so no text and pattern take long."""
        first, *between = self.parts
        if not between:
            return text == first
        last = between.pop()
        if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
            return False
        place, end = len(first), len(text) - len(last)
        for part in between:
            place = text.find(part, place, end)
            if place < 0:
                return False
            place += len(part)
        return True


def _escaped(part: str) -> str:
    return part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


class Typed(Protocol):
    """What a value is compared with: a field, or a sum of an amount."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> FieldType: ...
    @property
    def unit(self) -> str | None: ...
    @property
    def choices(self) -> tuple[str, ...] | None: ...
    @property
    def currency(self) -> Column | str | None: ...
    @property
    def rolls(self) -> bool: ...


class WrongOperand(Exception):
    """A value that does not fit; `step` points below the operator, to an element of its list."""

    def __init__(self, code: str, detail: str, nearest: str | None = None, step: str = "") -> None:
        super().__init__(detail)
        self.code, self.detail, self.nearest, self.step = code, detail, nearest, step


def operand(target: Typed, operator: Operator, raw: Any) -> Any:
    """Read what stands after an operator.

    Answers one value, a list of values for `in` and `between`, a Pattern for `like`, a bool for `known`.
    Values are str (normalized for text and sets), int, Decimal, bool, date, datetime in UTC, Money. Errors:
    WrongOperand.
    """
    if operator == "known":
        return raw
    if operator in ("within_last", "within_next", "anniversary_within_next"):
        return _days(target, operator, raw)
    if operator == "like":
        return _pattern(target, raw)
    if operator not in ("in", "between"):
        return _fitting(target, operator, value_of(target, raw))
    values: list[Any] = []
    for position, element in enumerate(raw):
        try:
            values.append(value_of(target, element))
        except WrongOperand as wrong:
            raise WrongOperand(wrong.code, wrong.detail, wrong.nearest, f"/{position}") from None
    if operator == "between":
        _check_range(target, *values)
    if target.type == "json":
        _check_one_kind(values)
    return values


def _check_one_kind(values: list[Any]) -> None:
    """Refuse values of several kinds: no element is compared with both."""
    for position, value in enumerate(values):
        if type(value) is not type(values[0]):
            raise WrongOperand("wrong-type", "all are text, all numbers, or all true or false", step=f"/{position}")


def _fitting(target: Typed, operator: Operator, value: Any) -> Any:
    """Let a value through that the operator can be used with."""
    if operator == "eq" and isinstance(value, datetime):
        raise WrongOperand("wrong-type", f"{target.name} is equal to dates only, never to the instant")
    if operator in ("gt", "gte", "lt", "lte") and target.type == "json" and not isinstance(value, Decimal):
        raise WrongOperand("wrong-type", f"{target.name} is in order with numbers only")
    return value


def _days(target: Typed, operator: Operator, text: str) -> str:
    """Let a number of days through, as it is written."""
    rolls = text.startswith("PT")
    if rolls and (operator != "within_last" or not target.rolls):
        raise WrongOperand("wrong-unit", f"{target.name} is near to today by days, weeks or months", "P1D")
    if operator == "anniversary_within_next" and not is_within_a_year(text):
        raise WrongOperand("out-of-range", f"within {LONGEST_DAYS} days everything comes round")
    return text


def minor_of(value: Money | list[Money]) -> Any:
    """Answer money as minor units."""
    return [each.minor for each in value] if isinstance(value, list) else value.minor


def currency_of(value: Money | list[Money]) -> str:
    """Answer the one currency of what stands after an operator."""
    return value[0].currency if isinstance(value, list) else value.currency


def value_of(target: Typed, raw: Any) -> Any:
    """Read one value as the target's type. Errors: WrongOperand."""
    if isinstance(raw, str):
        _check_storable(raw)
    return _READERS[target.type](target, raw)


def _check_storable(raw: str) -> None:
    if "\x00" in raw:
        raise WrongOperand("unstorable-text", "the character NUL cannot be stored, so nothing can have it")


def _wrong_type(target: Typed) -> WrongOperand:
    unit = f", in {target.unit}" if target.unit else ""
    return WrongOperand("wrong-type", f"{target.name} is compared with {_EXPECTED[target.type]}{unit}")


def _text(target: Typed, raw: Any) -> str:
    if not isinstance(raw, str):
        raise _wrong_type(target)
    return normalized(raw)


def _choice(target: Typed, raw: Any) -> str:
    if not isinstance(raw, str):
        raise _wrong_type(target)
    if target.choices is not None and raw not in target.choices:
        some = ", ".join(target.choices[:20])
        raise WrongOperand("unknown-choice", f"{target.name} is one of {some}", nearest(raw, target.choices))
    return raw


def _integer(target: Typed, raw: Any) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise _wrong_type(target)
    if abs(raw) > _LARGEST:
        raise WrongOperand("out-of-range", f"{target.name} has at most 64 bits")
    return raw


def _number(target: Typed, raw: Any) -> Decimal:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise _wrong_type(target)
    return Decimal(_integer(target, raw)) if isinstance(raw, int) else Decimal(repr(raw))


def _boolean(target: Typed, raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise _wrong_type(target)
    return raw


def _date(target: Typed, raw: Any) -> date:
    if not isinstance(raw, str):
        raise _wrong_type(target)
    try:
        return _DAY.validate_python(raw)
    except ValidationError:
        raise _wrong_type(target) from None


def _datetime(target: Typed, raw: Any) -> datetime | date:
    """Read a time, or a date, which stands for all of that local date."""
    if not isinstance(raw, str):
        raise _wrong_type(target)
    if len(raw) == _LENGTH_OF_DATE:
        day = _date(target, raw)
        if not _EARLIEST <= day <= _LATEST:
            raise WrongOperand("out-of-range", f"{target.name} is compared with dates from {_EARLIEST} to {_LATEST}")
        return day
    try:
        return _INSTANT.validate_python(raw).astimezone(UTC)
    except ValidationError as error:
        if error.errors()[0]["type"] == "out_of_range":
            raise WrongOperand("out-of-range", f"{target.name} lies between the years 1 and 9999 in UTC") from None
        raise _wrong_type(target) from None


def _money(target: Typed, raw: Any) -> Money:
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        raise WrongOperand("currency-missing", f"{target.name} is compared with {_EXPECTED['money']}")
    if not isinstance(raw, Money):
        raise _wrong_type(target)
    if isinstance(target.currency, str) and raw.currency != target.currency:
        raise WrongOperand("wrong-unit", f"{target.name} is in {target.currency}", target.currency)
    return raw


def _json(target: Typed, raw: Any) -> Any:
    if isinstance(raw, str | bool):
        return raw
    return _number(target, raw)


def _check_range(target: Typed, low: Any, high: Any) -> None:
    if type(low) is not type(high) or isinstance(low, str | bool):
        raise WrongOperand("wrong-type", "low and high are of one kind, and in order", step="/1")
    if isinstance(low, Money):
        if low.currency != high.currency:
            raise WrongOperand("wrong-unit", "low and high are in one currency", low.currency, "/1")
        low, high = low.minor, cast(Money, high).minor
    if low > high:
        raise WrongOperand("empty-range", f"nothing is between them: {target.name} is given as [low, high]")


def _pattern(target: Typed, raw: Any) -> Pattern:
    if not isinstance(raw, str):
        raise _wrong_type(target)
    _check_storable(raw)
    parts = raw.split("*")
    if len(parts) - 1 > MOST_WILDCARDS:
        raise WrongOperand("too-many-wildcards", f"a pattern has at most {MOST_WILDCARDS} times *")
    return Pattern(tuple(folded(part) if target.type == "text" else part for part in parts))


_READERS: Final[dict[FieldType, Callable[[Typed, Any], Any]]] = {
    "text": _text,
    "choice": _choice,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "money": _money,
    "set": _text,
    "json": _json,
}
