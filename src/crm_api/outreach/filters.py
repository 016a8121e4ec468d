"""The filters of templates: plain functions from value to value, none of which can grow a value beyond its bound."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import quote_plus

from liquid import Markup, escape

LONGEST_VALUE: Final = 1_000_000
"""Characters of the longest text that a filter may make."""
MOST_ITEMS: Final = 10_000
_LARGEST_EXPONENT: Final = 17
_LONGEST_FORMAT: Final = 100
_MOST_DIGITS: Final = 9
_WHOLE: Final = re.compile(r"[-+]?[0-9]{1,18}")
_FORMAT: Final = re.compile(r"(?:[^%]|%-?[aAbBdeHIjmMpSyY]|%%)*", re.DOTALL)


class Unfit(Exception):
    """A filter cannot do this; the text says what it needs and holds no value."""


class Oversized(Exception):
    """What a filter was asked to make would be longer than a value may be."""


def text_of(value: Any) -> str:
    """Write a value as people read it. Errors: Unfit, when it is a list."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, int | float | date):
        return str(value)
    raise Unfit("a list cannot be written: use join, first or last")


def _numeric(value: Any) -> int | Decimal:
    """Read a number; money, points and ages have at most 18 digits before the point and after it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _bounded(value)
    written = text_of(value).strip()
    if _WHOLE.fullmatch(written):
        return _bounded(int(written))
    try:
        return _bounded(Decimal(written))
    except InvalidOperation:
        raise Unfit("a number is needed") from None


def _bounded(number: int | Decimal) -> int | Decimal:
    if isinstance(number, int):
        if abs(number) > 10**_LARGEST_EXPONENT:
            raise Unfit("the number is too large")
        return number
    if not number.is_finite():
        raise Unfit("a number is needed")
    if not number:
        return Decimal(0)
    if abs(number.adjusted()) > _LARGEST_EXPONENT:
        raise Unfit("the number is too large or too small")
    return +number  # rounded to the 28 digits of the context


def _count(value: Any) -> int:
    number = _numeric(value)
    if number != int(number):
        raise Unfit("a whole number is needed")
    return int(number)


def _sized(length: int) -> None:
    if length > LONGEST_VALUE:
        raise Oversized


def _plus(value: Any, other: Any) -> int | Decimal:
    return _bounded(_numeric(value) + _numeric(other))


def _minus(value: Any, other: Any) -> int | Decimal:
    return _bounded(_numeric(value) - _numeric(other))


def _times(value: Any, other: Any) -> int | Decimal:
    return _bounded(_numeric(value) * _numeric(other))


def _divided_by(value: Any, other: Any) -> int | Decimal:
    number, divisor = _numeric(value), _numeric(other)
    if not divisor:
        raise Unfit("nothing can be divided by zero")
    if isinstance(number, int) and isinstance(divisor, int):
        return number // divisor
    return _bounded(Decimal(number) / Decimal(divisor))


def _modulo(value: Any, other: Any) -> int | Decimal:
    number, divisor = _numeric(value), _numeric(other)
    if not divisor:
        raise Unfit("nothing can be divided by zero")
    if isinstance(number, int) and isinstance(divisor, int):
        return number % divisor
    return _bounded(Decimal(number) - Decimal(divisor) * _whole(Decimal(number) / Decimal(divisor), ROUND_FLOOR))


def _whole(number: int | Decimal, rounding: str) -> int:
    return int(Decimal(number).to_integral_value(rounding))


def _round(value: Any, digits: Any = 0) -> int | Decimal:
    number, places = _numeric(value), _count(digits)
    if places <= 0:
        return _whole(number, ROUND_HALF_UP)
    return Decimal(number).quantize(Decimal(1).scaleb(-min(places, _MOST_DIGITS)), ROUND_HALF_UP)


def _append(value: str, other: Any) -> str:
    _sized(len(value) + len(text_of(other)))
    return value + text_of(other)


def _prepend(value: str, other: Any) -> str:
    _sized(len(value) + len(text_of(other)))
    return text_of(other) + value


def _replace(value: str, wanted: Any, put: Any = "", most: int = -1) -> str:
    old, new = text_of(wanted), text_of(put)
    found = value.count(old) if most < 0 else min(value.count(old), most)
    _sized(len(value) + found * (len(new) - len(old)))
    return value.replace(old, new, most)


def _truncate(value: str, length: Any = 50, end: Any = "...") -> str:
    most, closing = _count(length), text_of(end)
    return value if len(value) <= most else value[: max(most - len(closing), 0)] + closing


def _truncate_words(value: str, most: Any = 15, end: Any = "...") -> str:
    words, wanted = value.split(), max(_count(most), 1)
    return " ".join(words) if len(words) <= wanted else " ".join(words[:wanted]) + text_of(end)


def _slice(value: Any, start: Any, length: Any = 1) -> Any:
    whole = value if isinstance(value, list) else text_of(value)
    begin, wanted = _count(start), max(_count(length), 0)
    begin = max(begin + len(whole), 0) if begin < 0 else begin
    return whole[begin : begin + wanted]


def _split(value: str, separator: Any = " ") -> list[str]:
    by = text_of(separator)
    if not value:
        return []
    parts = list(value[: MOST_ITEMS + 1]) if not by else value.split(None if by == " " else by, MOST_ITEMS)
    if len(parts) > MOST_ITEMS:
        raise Oversized
    return parts


def _join(value: Any, separator: Any = " ") -> str:
    items, by = [text_of(item) for item in _listed(value)], text_of(separator)
    _sized(sum(map(len, items)) + len(by) * len(items))
    return by.join(items)


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Unfit("a list is needed: split makes one")
    return value


def _first(value: Any) -> Any:
    return next(iter(_listed(value)), None)


def _last(value: Any) -> Any:
    return next(reversed(_listed(value)), None)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, list) else len(text_of(value))


def _escape(value: str) -> Markup:
    return escape(str(value))


def _newline_to_br(value: str) -> Markup:
    return Markup(re.sub(r"\r\n?|\n", "<br>\n", escape(str(value))))


def _date(value: Any, form: Any) -> str:
    if not is_date_format(text_of(form)):
        raise Unfit("date knows %a %A %b %B %d %e %H %I %j %m %M %p %S %y %Y, as in '%d %B %Y'")
    return _instant(value).strftime(text_of(form))


def is_date_format(form: str) -> bool:
    """Say whether the filter `date` can write this."""
    return len(form) <= _LONGEST_FORMAT and _FORMAT.fullmatch(form) is not None


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    try:
        return datetime.fromisoformat(text_of(value).strip())
    except ValueError:
        raise Unfit("a date is needed") from None


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter, and how many arguments it takes."""

    act: Callable[..., Any]
    least: int = 0
    most: int = 0
    of_text: bool = True
    """Whether the value is made text first."""
    keeps_markup: bool = False
    """Whether HTML that a capture made stays HTML; from other filters it comes out as text, and is escaped."""


FILTERS: Final[Mapping[str, Filter]] = {
    "append": Filter(_append, 1, 1, keeps_markup=True),
    "prepend": Filter(_prepend, 1, 1, keeps_markup=True),
    "capitalize": Filter(str.capitalize),
    "downcase": Filter(str.lower),
    "upcase": Filter(str.upper),
    "strip": Filter(lambda value: value.strip(), keeps_markup=True),
    "lstrip": Filter(lambda value: value.lstrip(), keeps_markup=True),
    "rstrip": Filter(lambda value: value.rstrip(), keeps_markup=True),
    "squish": Filter(lambda value: " ".join(value.split())),
    "replace": Filter(lambda value, old, new="": _replace(value, old, new), 1, 2),
    "replace_first": Filter(lambda value, old, new="": _replace(value, old, new, 1), 1, 2),
    "remove": Filter(lambda value, old: _replace(value, old), 1, 1),
    "remove_first": Filter(lambda value, old: _replace(value, old, "", 1), 1, 1),
    "truncate": Filter(_truncate, 0, 2),
    "truncatewords": Filter(_truncate_words, 0, 2),
    "slice": Filter(_slice, 1, 2, of_text=False),
    "split": Filter(_split, 0, 1),
    "join": Filter(_join, 0, 1, of_text=False),
    "first": Filter(_first, of_text=False),
    "last": Filter(_last, of_text=False),
    "size": Filter(_size, of_text=False),
    "escape": Filter(_escape),
    "newline_to_br": Filter(_newline_to_br),
    "url_encode": Filter(quote_plus),
    "date": Filter(_date, 1, 1, of_text=False),
    "plus": Filter(_plus, 1, 1, of_text=False),
    "minus": Filter(_minus, 1, 1, of_text=False),
    "times": Filter(_times, 1, 1, of_text=False),
    "divided_by": Filter(_divided_by, 1, 1, of_text=False),
    "modulo": Filter(_modulo, 1, 1, of_text=False),
    "round": Filter(_round, 0, 1, of_text=False),
    "ceil": Filter(lambda value: _whole(_numeric(value), ROUND_CEILING), of_text=False),
    "floor": Filter(lambda value: _whole(_numeric(value), ROUND_FLOOR), of_text=False),
    "abs": Filter(lambda value: abs(_numeric(value)), of_text=False),
    "at_least": Filter(lambda value, other: max(_numeric(value), _numeric(other)), 1, 1, of_text=False),
    "at_most": Filter(lambda value, other: min(_numeric(value), _numeric(other)), 1, 1, of_text=False),
}
"""All filters but `default`, which alone takes what is missing."""
