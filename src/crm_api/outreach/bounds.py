"""What bounds a template, and how it is refused; apart from `rendering`, since Liquid costs 5 MB where it is idle."""

from dataclasses import dataclass
from typing import Final, Literal

Code = Literal["variable-missing", "template-too-slow", "output-too-long", "template-invalid", "header-injection"]
SUBJECT_LONGEST: Final = 500
TEXT_LONGEST: Final = 100_000
HTML_LONGEST: Final = 200_000
"""Characters of what is saved. Mailboxes cut messages off at about 100 KB."""


class RenderRefused(Exception):
    """Why a template was not accepted, or nothing was rendered. Holds names and places, never a value."""

    def __init__(self, code: Code, detail: str, *, part: str | None = None, line: int | None = None) -> None:
        super().__init__(detail)
        self.code: Code = code
        self.detail, self.part, self.line = detail, part, line

    def __str__(self) -> str:
        place = [self.part or "", f"line {self.line}" if self.line else ""]
        return ": ".join(filter(None, (", ".join(filter(None, place)), self.detail)))


@dataclass(frozen=True, slots=True)
class Limits:
    """What rendering one message may cost."""

    subject_characters: int = SUBJECT_LONGEST
    output_bytes: int = 500_000
    """Of the text, and of the HTML."""
    iterations: int = 1_000
    """Of all loops of a part together."""
    steps: int = 100_000
    """Variables read, filters run, tags passed inside of loops; a thousand characters are a step."""
    held_characters: int = 1_000_000
    """In what a part assigned and captured."""
    seconds: float = 1.0
    """Of the processor's time, for a part: a machine that is busy with something else refuses nothing."""
