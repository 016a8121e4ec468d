"""Reads an audience written as text into the JSON that means the same; `grammar.lark` says what can be written.

Beside the canonical spelling (print_text.py) it takes words in any letter case, comments (`#` to the end of the
line), `==` and `<>`, `not in`, `not like`, dates without quotes, `30%` for 0.3, `all(a, b)`, `avg` for `average`,
`last(…)` for `latest(…)`, `birthday within next 7 days` for `birth_date anniversary within next 7 days`, and
`consents("email", "marketing")` for `consent.email.marketing = "granted"`.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from .bounds import LONGEST_AUDIENCE, MOST_NODES, MOST_VALUES_IN_ALL
from .names import nearest
from .text_nodes import Nodes, place_of
from .written import Place, TextRefused, Written

if TYPE_CHECKING:
    from lark import Lark, Token

_DEEPEST: Final = 64
"""Parentheses in parentheses: more than any tree that is allowed needs."""
FUNCTIONS: Final = (
    "all",
    "any",
    "average",
    "bucket",
    "consents",
    "count",
    "distance",
    "first",
    "in_segment",
    "latest",
    "never",
    "share",
    "sum",
)
_MOST_VALUES: Final = MOST_VALUES_IN_ALL + 5 * MOST_NODES
"""Those of lists, and those that a node of any other kind can have."""
_PHRASES: Final = {
    "WORD": "a name",
    "QUOTED_WORD": "a name",
    "TEXT": 'text in "double quotes"',
    "NUMBER": "a number",
    "DAY": "a date",
    "SIGN": "= or another sign",
    "CURRENCY": "a currency",
    "UNIT": "a unit of time",
    "$END": "the end",
}
_CONDITION: Final = frozenset({"WORD", "QUOTED_WORD", "LPAR", "NOT", "AVG", "BIRTHDAY", "HOUSEHOLD", "LAST"}) | {
    name.upper() for name in FUNCTIONS
}
_COMPARISON: Final = frozenset({"SIGN", "IN", "LIKE", "HAS", "BETWEEN", "IS", "NOT", "WITHIN", "ANNIVERSARY"})
_VALUE: Final = frozenset({"TEXT", "NUMBER", "DAY", "TRUE", "FALSE"})
_GROUPS: Final = (
    ("a condition", {"WORD", "NOT", "COUNT"}, _CONDITION),
    (
        "a comparison (=, !=, <, <=, >, >=, in, like, has, between, is, within, anniversary)",
        {"SIGN", "IN"},
        _COMPARISON,
    ),
    ("a comparison (=, <, <=, >, >=, between, within, anniversary)", {"SIGN", "WITHIN"}, _COMPARISON),
    ("a comparison (=, !=, <, <=, >, >=, between)", {"SIGN", "BETWEEN"}, _COMPARISON),
    ("a value", _VALUE, _VALUE),
)
_LONGEST_SHOWN: Final = 40


def parse_text(text: str) -> Written:
    """Read a text. Errors: TextRefused.

    The tree is not typed yet, but no larger than trees may be: the reading stops at the first token beyond.
    """
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    if len(text) > LONGEST_AUDIENCE:
        raise TextRefused(Place(1, 1), "too-long", f"An audience has at most {LONGEST_AUDIENCE} characters")
    reading = _parser().parse_interactive(text)
    load = _Load()
    try:
        for token in reading.iter_parse():
            load.add(token)
        return cast(Written, reading.feed_eof())  # type: ignore[no-untyped-call]  # lark leaves some untyped
    except UnexpectedCharacters as wrong:
        raise _unreadable(wrong.char, Place(wrong.line, wrong.column)) from None
    except UnexpectedToken as wrong:
        raise _misplaced(wrong.token, load, reading.accepts()) from None  # type: ignore[no-untyped-call]


@cache
def _parser() -> "Lark":
    """Make the parser, at the first text: neither it nor its library is loaded where only JSON is spoken."""
    from lark import Lark

    grammar = (Path(__file__).parent / "grammar.lark").read_text("utf-8")
    nodes = cast(Any, Nodes())
    return Lark(grammar, parser="lalr", lexer="basic", transformer=nodes, maybe_placeholders=True)


class _Load:
    """What a text has asked for so far, counted by its tokens."""

    def __init__(self) -> None:
        self._depth = self._tests = self._values = 0
        self._is_distance_next = self._is_distance = False
        """Whether what is compared, next or now, is a distance, so that numbers have units of length."""
        self.latest: list[Token] = []
        """The latest three tokens."""

    def add(self, token: "Token") -> None:
        """Count one more token. Errors: TextRefused when it is one too many."""
        self.latest = [*self.latest[-2:], token]
        match token.type:
            case "LPAR":
                self._depth += 1
                if self._depth > _DEEPEST:
                    raise _excess(token, "too-deep", f"nests at most {_DEEPEST} parentheses deep")
            case "RPAR":
                self._depth -= 1
            case "SIGN" | "IN" | "LIKE" | "HAS" | "IS" | "BETWEEN" | "WITHIN" | "NEVER" | "NOT":
                self._tests += 1
                self._is_distance, self._is_distance_next = self._is_distance_next, False
                if self._tests > MOST_NODES:
                    raise _excess(token, "too-many-nodes", f"has at most {MOST_NODES} nodes")
            case "TEXT" | "NUMBER" | "DAY" | "TRUE" | "FALSE":
                self._values += 1
                if self._values > _MOST_VALUES:
                    raise _excess(token, "too-many-values", f"lists at most {MOST_VALUES_IN_ALL} values in all")
            case "DISTANCE":
                self._is_distance_next = True
            case "WORD" if [each.type for each in self.latest[-2:-1]] == ["NUMBER"] and len(token) != 3:
                if self.latest[0].type not in ("LAST", "NEXT") and not self._is_distance:
                    near = nearest(token, ("and", "or"))
                    detail = f'{_shown(token)} stands where "and", "or" or a currency is expected'
                    raise TextRefused(place_of(token), "unexpected", _hinted(detail, near), near)


def _excess(token: "Token", code: str, rule: str) -> TextRefused:
    return TextRefused(place_of(token), code, f"An audience {rule}")


def _unreadable(sign: str, place: Place) -> TextRefused:
    if sign == '"':
        return TextRefused(place, "open-text", 'The text that begins here does not end: a " is missing')
    if sign == "'":
        return TextRefused(place, "unexpected", 'Text stands in double quotes: "…"', '"')
    return TextRefused(place, "unexpected", f"{sign} means nothing here")


def _misplaced(token: "Token", load: _Load, expected: set[str]) -> TextRefused:
    """Say what stands where something else is expected."""
    if token.type == "$END":
        place = Place(1, 1)
        for last in load.latest:
            place = Place(last.end_line or 1, last.end_column or 1)
        return TextRefused(place, "unexpected", f"The text ends where {_listed(expected)} is expected")
    if token.type == "LPAR" and load.latest[-2:-1] and load.latest[-2].type == "WORD":
        called = load.latest[-2]
        near = nearest(called, FUNCTIONS)
        detail = _hinted(f"{_shown(called)} is no function; there are {', '.join(FUNCTIONS)}", near)
        return TextRefused(place_of(called), "unknown-function", detail, near)
    words = [_spelled(each) for each in expected if each not in _PHRASES]
    near = nearest(token, words) if token.type == "WORD" else None
    detail = _hinted(f"{_shown(token)} stands where {_listed(expected)} is expected", near)
    return TextRefused(place_of(token), "unexpected", detail, near)


def _hinted(detail: str, near: str | None) -> str:
    return f"{detail}; did you mean {near}?" if near else detail


def _listed(expected: set[str]) -> str:
    """Name tokens in words, and groups of them by what they are for."""
    phrases = []
    left = set(expected)
    if "WORD" in left and "QUOTED_WORD" not in left:  # no name, but what may stand behind a number
        left = left - {"WORD"} | {"CURRENCY" if "_AND" in left else "UNIT"}
    for phrase, told_by, members in _GROUPS:
        if told_by <= left:
            phrases.append(phrase)
            left -= members
    phrases += sorted({_PHRASES.get(each) or f'"{_spelled(each)}"' for each in left})
    return " or ".join(filter(None, [", ".join(phrases[:-1]), phrases[-1]]))


def _spelled(terminal: str) -> str:
    """Answer the word or sign that a terminal of the grammar stands for."""
    return str(_parser().get_terminal(terminal).pattern.value)


def _shown(token: "Token") -> str:
    return str(token) if len(token) <= _LONGEST_SHOWN else f"{token[:_LONGEST_SHOWN]}…"
