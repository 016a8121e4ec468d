"""What a model is to the hands of analytics: something that reduces facts, and in the end has rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import polars as pl

from crm_api.analytics.methods.backtesting import Backtest
from crm_api.analytics.wire import Rows
from crm_api.client.analytics import Feed


@dataclass(frozen=True, slots=True)
class Block:
    """Some lines of the feed, as CSV without its header."""

    lines: bytes
    columns: Sequence[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was computed: rows by customer_id, and what is told about them."""

    rows: Rows
    input_hash: str
    counts: dict[str, int]
    watched: pl.DataFrame
    """Numbers that went in and came out, some rows of them, by which runs are compared."""
    backtest: Backtest | None = None
    """How the method did on what had been held back; none for a method that foretells nothing."""


class Model(Protocol):
    """One model in one run. All calls may block for a while; `condense` may be called beside any other."""

    @property
    def reads(self) -> Feed:
        """Which feed of the run it wants."""

    @property
    def code_version(self) -> str:
        """Version of the program and of the method."""

    def condense(self, block: Block) -> Any:
        """Reduce a block of the feed to what `keep` takes. Errors: CannotBeDone."""

    def keep(self, condensed: Sequence[Any]) -> None:
        """Take in all blocks of one range: all of the feed between two ids. Ranges come in any order."""

    def finish(self) -> Outcome:
        """Compute the rows, once every range was taken in."""
