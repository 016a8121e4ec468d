"""JSON at the door: what parsers let through, and money, PostgreSQL or a careful caller would not."""

import json
import math
from collections.abc import Iterator
from typing import Any, Final

from .problems import InvalidJson, InvalidRequest, finding

DEEPEST: Final = 64
_ALWAYS_FITS: Final = 18  # so many signs are a 64-bit integer whatever they are
_NEVER_FITS: Final = 20


class RawJson(bytes):
    """A JSON body as it arrived; it is validated from its bytes, in strict JSON mode."""


class _Refused:
    """Stands in the parsed tree where something was refused, so that its pointer can be told."""

    __slots__ = ("code", "detail")

    def __init__(self, code: str, detail: str) -> None:
        self.code, self.detail = code, detail


class _Door:
    """One reading of one text; `clean` turns false when a mark was left in the tree."""

    def __init__(self) -> None:
        self.clean = True

    def _refuse(self, code: str, detail: str) -> _Refused:
        self.clean = False
        return _Refused(code, detail)

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        tree = dict(pairs)
        if len(tree) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            tree[twice] = self._refuse("duplicate-key", f"{twice!r} is given twice")
        return tree

    def integer(self, digits: str) -> Any:
        if len(digits) > _ALWAYS_FITS and (len(digits) > _NEVER_FITS or not -(2**63) <= int(digits) < 2**63):
            return self._refuse("number-too-large", "the integer is larger than 64 bits hold; send it as text")
        return int(digits)

    def real(self, digits: str) -> Any:
        number = float(digits)
        return (
            number
            if math.isfinite(number)
            else self._refuse("number-too-large", "the number is larger than a 64-bit float holds")
        )

    def constant(self, name: str) -> Any:
        raise InvalidJson(f"{name} is not JSON")


def admit(body: bytes) -> bytes:
    """Let a JSON body in, or raise InvalidJson (400) or InvalidRequest (422) with a pointer to each thing refused.

    Refused: encodings other than UTF-8, NaN and infinities, numbers beyond 64 bits, keys given twice, NUL, lone
    surrogates, nesting beyond DEEPEST.
    """
    read_tree(body)
    return body


def read_tree(body: bytes) -> Any:
    """Parse a JSON text under the rules of `admit` and answer its tree."""
    door = _Door()
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise InvalidJson(f"not UTF-8 at byte {error.start}") from None
    if body.count(b"[") + body.count(b"{") > DEEPEST and _depth(text) > DEEPEST:
        raise InvalidRequest(
            "The body is nested too deeply",
            errors=[finding("", "too-deep", f"at most {DEEPEST} levels")],
        )
    try:
        tree = json.loads(
            text,
            object_pairs_hook=door.pairs,
            parse_int=door.integer,
            parse_float=door.real,
            parse_constant=door.constant,
        )
    except json.JSONDecodeError as error:
        raise InvalidJson(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    suspicious = "\\u0000" in text or "\\ud" in text or "\\uD" in text
    if not door.clean or suspicious:
        findings = list(_findings(tree, ""))
        if findings:
            raise InvalidRequest("The body holds what cannot be stored", errors=findings[:20])
    return tree


def _depth(text: str) -> int:
    """Count how deep brackets nest outside strings, without recursion."""
    depth = deepest = 0
    inside = escaped = False
    for sign in text:
        if inside:
            if escaped:
                escaped = False
            elif sign == "\\":
                escaped = True
            elif sign == '"':
                inside = False
        elif sign == '"':
            inside = True
        elif sign in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in "]}":
            depth -= 1
    return deepest


def _findings(tree: Any, pointer: str) -> Iterator[dict[str, str]]:
    if isinstance(tree, _Refused):
        yield finding(pointer, tree.code, tree.detail)
    elif isinstance(tree, str):
        if fault := text_fault(tree):
            yield finding(pointer, "unstorable-text", fault)
    elif isinstance(tree, dict):
        for name, value in tree.items():
            if fault := text_fault(name):
                yield finding(pointer, "unstorable-text", f"a key: {fault}")
            yield from _findings(value, f"{pointer}/{escaped_token(name)}")
    elif isinstance(tree, list):
        for position, value in enumerate(tree):
            yield from _findings(value, f"{pointer}/{position}")


def text_fault(text: str) -> str | None:
    """Say why PostgreSQL could not store a text, or nothing."""
    if "\x00" in text:
        return "the character NUL cannot be stored"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "half of a surrogate pair is no character"
    return None


def escaped_token(name: object) -> str:
    """Escape one step of a JSON pointer (RFC 6901, section 3)."""
    return str(name).replace("~", "~0").replace("/", "~1").encode("utf-8", "replace").decode()
