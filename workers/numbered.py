"""What models keep of ranges of customers: rows in which they have numbers, since ids would be half of what is kept."""

from typing import Final

import polars as pl
import polars.selectors as cs

_WORDS: Final = cs.string() - cs.by_name("customer_id")
"""What rows tell besides whose they are: categories and kinds, a few words that each stand in many rows."""


class Numbered:
    """Rows of many ranges of customers. All customers of a range come before, or after, all of another."""

    def __init__(self, empty: pl.DataFrame) -> None:
        self._ranges: list[tuple[pl.Series, pl.DataFrame]] = []
        self._empty = empty

    def add(self, rows: pl.DataFrame) -> None:
        """Take in the rows of a range, in order of customer_id (text)."""
        if rows.height:
            whose = rows["customer_id"]
            numbered = rows.with_columns(whose.rle_id().alias("customer_id"), _WORDS.cast(pl.Categorical))
            self._ranges.append((_apart(whose.unique(maintain_order=True)), numbered))

    def take(self) -> tuple[pl.Series, pl.DataFrame]:
        """Answer the ids of all customers in order, and all rows in that order, whose `customer_id` is the place of the
        id among them, from 0. Nothing is kept any more.
        """
        ranges, self._ranges = sorted(self._ranges, key=lambda kept: str(kept[0][0])), []
        empty = self._empty.with_columns(pl.col("customer_id").cast(pl.UInt32), _WORDS.cast(pl.Categorical))
        ids, rows = [self._empty["customer_id"]], [empty]
        before = 0
        for whose, numbered in ranges:
            ids.append(whose)
            rows.append(numbered.with_columns(pl.col("customer_id") + before))
            before += len(whose)
        return pl.concat(ids), pl.concat(rows)


def _apart(ids: pl.Series) -> pl.Series:
    """Copy texts into memory of their own: a column that was cut out of another keeps the texts of all of it."""
    return pl.Series(ids.name, ids.to_list(), pl.String)


def named(rows: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
    """Give customers their ids back."""
    return rows.with_columns(ids.gather(rows["customer_id"]).alias("customer_id"))
