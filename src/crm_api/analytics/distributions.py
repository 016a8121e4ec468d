"""How the values of a run lie, so that the next run can be compared with it: counts between tenths. Pure Polars.

The population stability index of two such counts says how far one is from the other (Siddiqi 2006, "Credit Risk
Scorecards"): below 0.1 nothing happened, above 0.25 the population is another one.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import polars as pl

MOST_ROWS: Final = 100_000
_TENTHS: Final = [number / 10 for number in range(1, 10)]


def sampled(frame: pl.DataFrame) -> pl.DataFrame:
    """Take every so many rows, in the order they stand in, so that what follows costs the same for any number."""
    return frame.gather_every(-(-frame.height // MOST_ROWS) or 1)


def described(frame: pl.DataFrame, before: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Any]]:
    """Describe each column of numbers: `edges`, its tenths without repeats; `counts` below each edge, above the last
    one, and of nulls; and `counts_before` between the edges another run had, where it had some.
    """
    return {name: _column(frame[name], before.get(name)) for name in frame.columns}


def _column(values: pl.Series, before: Sequence[float] | None) -> dict[str, Any]:
    known = values.cast(pl.Float64).drop_nulls().sort()
    nulls = len(values) - len(known)
    found = {known.quantile(share, "lower") for share in _TENTHS} if len(known) else set()
    edges = sorted(edge for edge in found if edge is not None)
    told: dict[str, Any] = {"edges": edges, "counts": _counts(known, nulls, edges)}
    return told if before is None else {**told, "counts_before": _counts(known, nulls, before)}


def _counts(known: pl.Series, nulls: int, edges: Sequence[float]) -> list[int]:
    """Count what is known, in order, between edges, and the nulls last."""
    below = [int(known.search_sorted(edge, "right")) for edge in edges]
    ends = [0, *below, len(known)]
    return [*(end - start for start, end in pairwise(ends)), nulls]
