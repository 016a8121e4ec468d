"""What counts as a bought line, said once for all methods that read lines of orders."""

from datetime import date

import polars as pl


def bought(lines: pl.LazyFrame | pl.DataFrame, as_of: date) -> pl.LazyFrame:
    """Keep the lines that were bought before `as_of`, by their local date `on`; the day of `as_of` is not over yet.

    A line without a quantity counts; one with a quantity of zero or less (a refund, a void, a fee taken back) does not.
    """
    kept = lines.lazy().filter(pl.col("on") < as_of)
    if "quantity" in kept.collect_schema().names():
        kept = kept.filter((pl.col("quantity") > 0).fill_null(True))
    return kept
