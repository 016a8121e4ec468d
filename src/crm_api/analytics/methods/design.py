"""Features of customers as a matrix: numbers standardized, words as one column each, what is missing said to be.

The encoding is learned from the rows a model is fitted on and applied to others as it is: no level, mean or spread
is taken from rows that are scored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from .likelihood import Floats

FEWEST_OF_A_LEVEL: Final = 10
"""Rows a word needs to have a column of its own; rarer and unknown words have none."""


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric feature: its mean and spread, and whether some rows had none of it."""

    name: str
    mean: float
    spread: float
    has_gaps: bool


@dataclass(frozen=True, slots=True)
class Words:
    """A feature of words (or of true and false): the levels that have a column."""

    name: str
    levels: tuple[str, ...]


Encoding = tuple[Number | Words, ...]


def learn(frame: pl.DataFrame, features: Sequence[str]) -> Encoding:
    """Learn how to encode the features of a frame. Errors: TypeError for a date or another kind without a meaning."""
    return tuple(_learned(frame[name]) for name in features)


def columns(encoding: Encoding) -> list[str]:
    """Name the columns of the matrix, `feature` or `feature=level`."""
    named: list[str] = []
    for one in encoding:
        if isinstance(one, Number):
            named += [one.name, f"{one.name}=missing"] if one.has_gaps else [one.name]
        else:
            named += [f"{one.name}={level}" for level in one.levels]
    return named


def matrix(frame: pl.DataFrame, encoding: Encoding) -> Floats:
    """Encode rows; a missing number is the mean, with a column that says so where the fitted rows had gaps."""
    parts: list[Floats] = []
    for one in encoding:
        if isinstance(one, Number):
            values = frame[one.name].cast(pl.Float64).to_numpy()
            gaps = ~np.isfinite(values)
            parts.append(np.where(gaps, 0.0, (np.where(gaps, 0.0, values) - one.mean) / one.spread))
            parts += [gaps.astype(np.float64)] if one.has_gaps else []
        else:
            words = frame[one.name].cast(pl.String)
            parts += [(words == level).fill_null(False).cast(pl.Float64).to_numpy() for level in one.levels]
    return np.column_stack(parts) if parts else np.zeros((frame.height, 0))


def _learned(values: pl.Series) -> Number | Words:
    if values.dtype.is_numeric():
        numbers = values.cast(pl.Float64).to_numpy()
        known = np.sort(numbers[np.isfinite(numbers)])
        spread = float(known.std()) if len(known) else 0.0
        mean = float(known.mean()) if len(known) else 0.0
        return Number(
            values.name, mean, spread if spread > 1e-12 * max(abs(mean), 1.0) else 1.0, len(known) < len(numbers)
        )
    if values.dtype in (pl.String, pl.Boolean, pl.Null) or isinstance(values.dtype, pl.Categorical | pl.Enum):
        counts = values.cast(pl.String).drop_nulls().value_counts()
        often = counts.filter(pl.col("count") >= FEWEST_OF_A_LEVEL)[values.name]
        return Words(values.name, tuple(sorted(often.to_list())))
    raise TypeError(f"{values.name} holds {values.dtype}, which is neither a number nor a word.")
