"""Templates become messages: checked when they are saved, rendered for one customer, refused when anything is missing.

Pure: it imports Liquid and the standard library, so that the API and the workers render alike.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

from liquid import BoundTemplate
from liquid.ast import Node
from liquid.builtin.expressions import FilteredExpression, LoopExpression, StringLiteral
from liquid.builtin.expressions.filtered import Filter as FilterCall
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.tags.for_tag import BreakNode, ContinueNode, ForNode
from liquid.exceptions import LiquidError, OutputStreamLimitError
from liquid.expression import Expression
from liquid.output import LimitedStringIO
from liquid.static_analysis import Variable

from .bounds import HTML_LONGEST, SUBJECT_LONGEST, TEXT_LONGEST, Code, Limits, RenderRefused
from .filters import FILTERS, is_date_format
from .markup import NotClosed, misplaced, rewrite_links
from .sandbox import Context, line_of
from .tags import Sandbox

__all__ = [
    "Code",
    "Limits",
    "RenderRefused",
    "Rendered",
    "check",
    "faults",
    "render",
    "rewrite_links",
    "variables_of",
]

_LONGEST: Final = {"subject": SUBJECT_LONGEST, "text": TEXT_LONGEST, "html": HTML_LONGEST}
_MARKUPS_MOST: Final = 1_000
_MARKUP_LONGEST: Final = 1_000
_VARIABLES: Final[Mapping[str, frozenset[str]]] = {
    "customer": frozenset({"display_name", "given_name", "family_name", "organization_name", "language"}),
    "offer": frozenset({"code", "name", "title", "body", "url", "valid_until"}),
    "campaign": frozenset({"name", "code"}),
    "sender": frozenset({"name", "address"}),
}
_NAMES: Final = sorted([*(f"{root}.{name}" for root, names in _VARIABLES.items() for name in names), "unsubscribe_url"])
_ADDRESS: Final = re.compile(r"-?\s*(?:offer\.url|unsubscribe_url)\b")
_OPENING: Final = re.compile(r"\{\{|\{%")
_GAP: Final = re.compile(r"\s{50}")  # the lexer goes back over white space again and again
_VERBATIM: Final = re.compile(r"-?\s*(?:raw|endraw|doc|enddoc)\b")
_TAG_NAME: Final = re.compile(r"-?\s*(\w*)")
_COMMENT: Final = re.compile(r"\{%-?\s*comment\b.*?\{%-?\s*endcomment\b.*?%\}", re.DOTALL)
# What breaks a line or a header: controls, the line and paragraph separators, and halves of characters.
_NOT_IN_A_LINE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SANDBOXES: Final = {"subject": Sandbox(html=False), "text": Sandbox(html=False), "html": Sandbox(html=True)}
_STANDARD: Final = Limits()


class Rendered(NamedTuple):
    """A message for one customer."""

    subject: str
    text: str
    html: str | None


def check(subject: str, text: str, html: str | None) -> frozenset[str]:
    """Answer the variables that a template uses. Errors: RenderRefused, the first thing that is wrong with it."""
    content = {"subject": subject, "text": text, "html": html}
    for fault in faults(content):
        raise fault
    return variables_of(content)


def variables_of(content: Mapping[str, str | None]) -> frozenset[str]:
    """Answer the variables that a template uses, of the parts that can be read."""
    found: set[str] = set()
    for part, source in _parts(content):
        with suppress(RenderRefused):
            found |= _compiled(part, source).variables
    return frozenset(found)


def faults(content: Mapping[str, str | None]) -> list[RenderRefused]:
    """Answer everything that is wrong with the parts `subject`, `text` and `html` of a template.

    What cannot be read at all hides the rest of its part.
    """
    found: list[RenderRefused] = []
    for part, source in _parts(content):
        try:
            found += _compiled(part, source).faults
        except RenderRefused as refused:
            found.append(_in_part(refused, part))
    return found


def render(content: Mapping[str, str | None], variables: Mapping[str, Any], limits: Limits = _STANDARD) -> Rendered:
    """Render the parts `subject`, `text` and, if there is one, `html` for one customer: everything or nothing.

    `variables` is a tree of the names that `check` allows. Errors: RenderRefused.
    """
    made = {part: _rendered(part, source, variables, limits) for part, source in _parts(content)}
    return Rendered(_one_line(made["subject"], limits), made["text"], made.get("html"))


def _parts(content: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    for part in _SANDBOXES:
        source = content.get(part)
        if source is not None:
            yield part, source


def _in_part(refused: RenderRefused, part: str) -> RenderRefused:
    return RenderRefused(refused.code, refused.detail, part=part, line=refused.line)


def _rendered(part: str, source: str, variables: Mapping[str, Any], limits: Limits) -> str:
    try:
        compiled = _compiled(part, source)
        for fault in compiled.faults:
            raise fault
        context = Context(compiled.template, variables, limits)
        buffer = LimitedStringIO(limit=limits.output_bytes)
        for node in compiled.template.nodes:  # as the library does, without what it needs for templates in templates
            node.render(context, buffer)
        return buffer.getvalue()
    except RenderRefused as refused:
        raise _in_part(refused, part) from None
    except OutputStreamLimitError:
        raise RenderRefused("output-too-long", f"more than {limits.output_bytes} bytes come out", part=part) from None
    except LiquidError as error:
        # The library's text may quote a value.
        detail = "what stands here cannot be done with these values"
        raise RenderRefused("template-invalid", detail, part=part, line=line_of(error.token)) from None
    except Exception as error:  # whatever a template makes the library do, it ends as a refusal
        raise RenderRefused("template-invalid", f"it cannot be rendered ({type(error).__name__})", part=part) from None


def _one_line(subject: str, limits: Limits) -> str:
    """Answer a subject that is one line. Errors: RenderRefused."""
    line = subject.strip(" ")
    if _NOT_IN_A_LINE.search(line):
        raise RenderRefused("header-injection", "a value holds a line break or a control character", part="subject")
    if not line:
        raise RenderRefused("variable-missing", "nothing is left of it", part="subject")
    if len(line) > limits.subject_characters:
        most = limits.subject_characters
        raise RenderRefused("output-too-long", f"more than {most} characters come out", part="subject")
    return line


class _Compiled(NamedTuple):
    template: BoundTemplate
    variables: frozenset[str]
    faults: tuple[RenderRefused, ...]


@lru_cache(maxsize=256)
def _compiled(part: str, source: str) -> _Compiled:
    """Read a part, once. Errors: RenderRefused, when it cannot be read."""
    _scan(part, source)
    try:
        template = _SANDBOXES[part].from_string(source)
        used = [each for found in template.analyze(include_partials=False).globals.values() for each in found]
        wrong = [*_unknown(used, source), *_misused(template.nodes)]
        if part == "html":
            wrong += _misplaced(source)
    except LiquidError as error:
        line = line_of(error.token) or _lines(source)
        raise RenderRefused("template-invalid", _told(error), line=line) from None
    except RecursionError:
        raise RenderRefused("template-invalid", "it is nested too deeply") from None
    faults = tuple(_in_part(each, part) for each in sorted(wrong, key=lambda each: each.line or 0))
    return _Compiled(template, frozenset(str(each) for each in used), faults)


def _lines(source: str) -> int:
    return source.count("\n") + 1


def _told(error: LiquidError) -> str:
    """Answer what the library says about the template's text, in our words where it has none."""
    told = str(error.message or "")
    return "it is nested too deeply or cannot be read" if not told or "unexpected liquid" in told else told


def _scan(part: str, source: str) -> None:
    """Refuse in one pass what the parser would take too long to read. Errors: RenderRefused."""

    def refuse(detail: str, place: int) -> RenderRefused:
        return RenderRefused("template-invalid", detail, line=_line_at(source, place))

    if len(source) > _LONGEST[part]:
        raise RenderRefused("template-invalid", f"it has more than {_LONGEST[part]} characters")
    if part == "subject" and (found := _NOT_IN_A_LINE.search(source)):
        raise refuse("a subject is one line without control characters", found.start())
    place = count = 0
    while opening := _OPENING.search(source, place):
        begin = opening.end()
        end = source.find("}}" if opening[0] == "{{" else "%}", begin, begin + _MARKUP_LONGEST)
        if end < 0:
            raise refuse(f"{opening[0]} is not closed within {_MARKUP_LONGEST} characters", begin)
        if _GAP.search(source, begin, end):
            raise refuse("there is too much white space inside", begin)
        if opening[0] == "{%" and _VERBATIM.match(source, begin, end):
            raise refuse(f"unexpected tag '{_TAG_NAME.match(source, begin)[1]}'", begin)  # type: ignore[index]
        place, count = end + 2, count + 1
        if count > _MARKUPS_MOST:
            raise refuse(f"it has more than {_MARKUPS_MOST} variables and tags", begin)


def _unknown(used: list[Variable], source: str) -> Iterator[RenderRefused]:
    """Find variables that nobody will give a value."""
    for variable in used:
        match variable.segments:
            case ["unsubscribe_url"] | ["customer", "custom", str()]:
                continue
            case [str(root), str(name)] if name in _VARIABLES.get(root, ()):
                continue
        name = str(variable)
        close = get_close_matches(name, _NAMES, 1)
        advice = f"did you mean {close[0]}?" if close else f"there are {', '.join(_NAMES)} and customer.custom.<key>"
        line = _line_at(source, variable.span.index)
        yield RenderRefused("template-invalid", f"there is no variable {name}; {advice}", line=line)


def _misused(nodes: Iterable[Node], *, in_loop: bool = False) -> Iterator[RenderRefused]:
    """Find filters that do not exist or get too much or too little, ranges and breaks outside of loops."""
    for node in nodes:
        if isinstance(node, BreakNode | ContinueNode) and not in_loop:
            yield RenderRefused("template-invalid", f"{node} stands outside of a loop", line=line_of(node.token))
        for expression in node.expressions():
            yield from _wrong_in(expression)
        inner = node.children(None)  # type: ignore[arg-type]  # only tags that load others ask for it
        yield from _misused(inner, in_loop=in_loop or isinstance(node, ForNode))


def _wrong_in(expression: Expression) -> Iterator[RenderRefused]:
    if isinstance(expression, RangeLiteral):
        yield RenderRefused("template-invalid", "a range can only be looped over", line=line_of(expression.token))
    if isinstance(expression, FilteredExpression):
        for call in expression.filters or ():
            if wrong := _wrong_call(call):
                yield RenderRefused("template-invalid", wrong, line=line_of(call.token))
    looped_over = expression.iterable if isinstance(expression, LoopExpression) else None
    for inner in expression.children():
        if inner is not looped_over:
            yield from _wrong_in(inner)


def _wrong_call(call: FilterCall) -> str | None:
    names = [each.name for each in call.args if hasattr(each, "name")]
    if call.name == "default":
        fits = len(call.args) - len(names) == 1 and set(names) <= {"allow_false"}
        return None if fits else "default takes one value"
    if call.name not in FILTERS:
        close = get_close_matches(call.name, [*FILTERS, "default"], 1)
        return f"there is no filter {call.name}{f'; did you mean {close[0]}?' if close else ''}"
    wanted = FILTERS[call.name]
    if names or not wanted.least <= len(call.args) <= wanted.most:
        return f"{call.name} takes {_counted(wanted.least, wanted.most)}"
    form = call.args[0].value if call.name == "date" else None
    if isinstance(form, StringLiteral) and not is_date_format(form.value):
        return "date cannot write this format"
    return None


def _counted(least: int, most: int) -> str:
    if not most:
        return "no values"
    return f"{least} value{'s' if least != 1 else ''}" if least == most else f"{least} to {most} values"


def _misplaced(source: str) -> Iterator[RenderRefused]:
    """Find values in HTML that escaping does not protect, and tags that are not closed."""
    source = _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), source)
    mark = next(sign for code in range(0xE000, 0xF8FF) if (sign := chr(code)) not in source)
    bare: list[str] = []
    moved: list[tuple[int, int]] = []  # where text begins in the bare HTML and in the source
    lines: list[int] = []
    urls: set[int] = set()
    place = length = 0
    while opening := _OPENING.search(source, place):
        moved.append((length, place))
        bare.append(source[place : opening.start()])
        if opening[0] == "{{":
            if _ADDRESS.match(source, opening.end()):
                urls.add(len(lines))
            bare[-1] += f"{mark}{len(lines)}{mark}"
            lines.append(_line_at(source, opening.start()))
        length += len(bare[-1])
        place = source.find("}}" if opening[0] == "{{" else "%}", opening.end()) + 2
    moved.append((length, place))
    try:
        wrong = misplaced("".join([*bare, source[place:]]), mark, urls)
    except NotClosed as unclosed:
        begin, there = moved[bisect_right(moved, unclosed.place, key=itemgetter(0)) - 1]
        line = _line_at(source, there + unclosed.place - begin)
        detail = "what begins here with < is not closed; write &lt; for the sign itself"
        yield RenderRefused("template-invalid", detail, line=line)
        return
    for number, why in wrong.items():
        yield RenderRefused("template-invalid", why, line=lines[number])


def _line_at(source: str, place: int) -> int:
    return source.count("\n", 0, place) + 1
