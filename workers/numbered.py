"""What models keep of ranges of customers: rows in which they have numbers, since ids would be half of what is kept."""

import polars as pl


class Numbered:
    """Rows of many ranges of customers. All customers of a range come before, or after, all of another."""

    def __init__(self, empty: pl.DataFrame) -> None:
        self._ranges: list[tuple[pl.Series, pl.DataFrame]] = []
        self._empty = empty

    def add(self, rows: pl.DataFrame) -> None:
        """Take in the rows of a range, in order of customer_id (text)."""
        if rows.height:
            whose = rows["customer_id"]
            numbered = rows.with_columns(whose.rle_id().alias("customer_id"))
            self._ranges.append((whose.unique(maintain_order=True), numbered))

    def take(self) -> tuple[pl.Series, pl.DataFrame]:
        """Answer the ids of all customers in order, and all rows in that order, whose `customer_id` is the place of the
        id among them, from 0. Nothing is kept any more.
        """
        ranges, self._ranges = sorted(self._ranges, key=lambda kept: str(kept[0][0])), []
        ids, rows = [self._empty["customer_id"]], [self._empty.with_columns(pl.col("customer_id").cast(pl.UInt32))]
        before = 0
        for whose, numbered in ranges:
            ids.append(whose)
            rows.append(numbered.with_columns(pl.col("customer_id") + before))
            before += len(whose)
        return pl.concat(ids), pl.concat(rows)


def named(rows: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
    """Give customers their ids back."""
    return rows.with_columns(ids.gather(rows["customer_id"]).alias("customer_id"))
