"""Liquid in a cage: what rendering one part may cost, and values that fail when they are missing.

Of the library only the parser and the plain nodes are used. Tags that load or repeat without a bound are not there;
filters are those of `filters`; a variable without a value is `Missing`, which all but a test and `default` refuse. A
value is escaped when it is written into HTML, whatever it went through before; only a capture makes HTML.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import StringIO
from time import thread_time
from typing import Any, Final, TextIO

from liquid import BoundTemplate, Markup, RenderContext, Token, escape
from liquid.output import LimitedStringIO
from liquid.undefined import UNDEFINED, Undefined

from .bounds import Limits, RenderRefused
from .filters import FILTERS, Filter, Oversized, Unfit, text_of

ROOTS: Final = frozenset({"customer", "offer", "campaign", "sender", "unsubscribe_url"})
"""Names of what a template is given; it cannot give them another meaning."""
_SPENDINGS_BETWEEN_LOOKS: Final = 64


def line_of(token: Token | None) -> int | None:
    """Answer the line of a token, counted from 1."""
    if token is None or token.start_index < 0:
        return None
    return token.source.count("\n", 0, token.start_index) + 1


class Missing(Undefined):
    """A variable that has no value, or an empty one. It can be tested, and replaced by `default`; all else fails."""

    __slots__ = ()

    def refusal(self) -> RenderRefused:
        """Say which variable it is and what to do."""
        advice = f'is missing or empty; say what stands there then: {{{{ {self.name} | default: "…" }}}}'
        return RenderRefused("variable-missing", f"{self.name} {advice}", line=line_of(self.token))

    def __str__(self) -> str:
        raise self.refusal()

    def __int__(self) -> int:
        raise self.refusal()

    def __len__(self) -> int:
        raise self.refusal()

    def __iter__(self) -> Iterator[Any]:
        raise self.refusal()

    def __getitem__(self, key: str) -> object:
        raise self.refusal()


class Context(RenderContext):
    """The state of rendering one part, which counts what it costs."""

    __slots__ = ("_begun_at", "_held", "_html", "_iterations", "_limits", "_spendings", "_steps")

    def __init__(self, template: BoundTemplate, variables: Mapping[str, object], limits: Limits) -> None:
        super().__init__(template, globals=variables)
        self._html = self.autoescape
        self.autoescape = False  # texts in the template are texts too; the output node escapes
        self._limits = limits
        self._steps, self._iterations, self._spendings = limits.steps, limits.iterations, 0
        self._held: dict[str, int] = {}
        self._begun_at: float | None = None

    def spend(self, steps: int, token: Token | None = None) -> None:
        """Count work. Errors: RenderRefused."""
        self._steps -= steps
        self._spendings += 1
        late = self._spendings % _SPENDINGS_BETWEEN_LOOKS == 0 and self._is_late()
        if late or self._steps < 0:
            raise RenderRefused("template-too-slow", "the template does too much", line=line_of(token))

    def _is_late(self) -> bool:
        """Say whether too much time went by since the first look; most parts end before there is one."""
        if self._begun_at is None:
            self._begun_at = thread_time()
        return thread_time() - self._begun_at > self._limits.seconds

    def iterate(self, cost: int, token: Token) -> None:
        """Count one turn of a loop. Errors: RenderRefused."""
        self._iterations -= 1
        if self._iterations < 0:
            most = self._limits.iterations
            raise RenderRefused("template-too-slow", f"the loops turn more than {most} times", line=line_of(token))
        self.spend(cost, token)

    def check_length(self, length: int, token: Token) -> None:
        """Refuse a loop over more than all loops may turn. Errors: RenderRefused."""
        if length > self._limits.iterations:
            self._iterations = 0
            self.iterate(0, token)

    def get(self, path: list[object], *, token: Token | None, default: object = UNDEFINED) -> object:
        """Answer a variable, or that it is missing."""
        self.spend(1, token)
        value = super().get(path, token=token, default=default)
        is_ours = path[0] in ROOTS
        if value is None or isinstance(value, Undefined) or (is_ours and isinstance(value, str) and not value.strip()):
            # What stands in the brackets of other names may be a value, and is not told.
            name = ".".join(map(str, path)) if is_ours else str(path[0])
            return Missing(name, token=token)
        return value

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        """Answer a filter that counts its work and refuses what is missing."""
        if name == "default":
            return _default
        return partial(self._filtered, FILTERS[name], token)

    def _filtered(self, wanted: Filter, token: Token | None, value: object, *arguments: object) -> object:
        for each in (value, *arguments):
            if isinstance(each, Missing):
                raise each.refusal()
            self.spend(1 + _length(each) // 1000, token)
        try:
            if wanted.of_text:
                value = text_of(value)
            if isinstance(value, Markup) and not wanted.keeps_markup:
                value = str(value)
            return wanted.act(value, *arguments)
        except Unfit as unfit:
            raise RenderRefused("template-invalid", str(unfit), line=line_of(token)) from None
        except Oversized:
            raise RenderRefused("output-too-long", "a value grows too long", line=line_of(token)) from None

    def assign(self, key: str, val: Any) -> None:
        """Hold a value under a name. Errors: RenderRefused."""
        self.locals[key] = val
        self._held[key] = _length(val)
        if sum(self._held.values()) > self._limits.held_characters:
            raise RenderRefused("output-too-long", "the template holds too much text in names of its own")

    def get_buffer(self, buf: TextIO | None = None) -> StringIO:
        """Answer where a capture writes."""
        return LimitedStringIO(limit=self._limits.output_bytes)

    def captured(self, text: str) -> str:
        """Answer what a capture wrote, which in HTML is HTML. Errors: RenderRefused."""
        if not self._html:
            return text
        if text.rfind("<") > text.rfind(">"):
            raise RenderRefused(
                "template-invalid", "a capture ends inside of a tag, which a value could then go on with"
            )
        return Markup(text)  # its values were escaped when they were written

    def written(self, value: object, token: Token) -> str:
        """Write a value as it goes out. Errors: RenderRefused."""
        if value is None:
            raise RenderRefused("variable-missing", "what is to be written is empty", line=line_of(token))
        if isinstance(value, Missing):
            raise value.refusal()
        try:
            text = text_of(value)
        except Unfit as unfit:
            raise RenderRefused("template-invalid", str(unfit), line=line_of(token)) from None
        self.spend(len(text) // 1000, token)
        return escape(text) if self._html else text


def _length(value: object) -> int:
    """Answer about how many characters a value holds."""
    if isinstance(value, list):
        return sum(map(_length, value)) + 8 * len(value)
    return len(value) if isinstance(value, str) else 8


def _default(value: object, other: object = "", *, allow_false: bool = False) -> object:
    """Answer the other value when there is none; false counts as none unless it is allowed."""
    if isinstance(value, Missing) or value is None or value == "" or value == []:
        return other
    return other if value is False and not allow_false else value
