"""What lists of products are made from: on which days a customer bought a product, and the table of both."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from .lines import bought


def condense(lines: pl.LazyFrame | pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Count lines by customer, product and day; parts of a feed are counted apart and joined by `combine`.

    Columns wanted: customer_id, product_id (or any coarser name for products, such as their type), on (local date);
    used when present: quantity (see `lines.bought`). Returns customer_id, product_id, on, line_count, sorted.
    """
    known = bought(lines, as_of).filter(pl.col("product_id").is_not_null())
    return _sum_up(known.select("customer_id", "product_id", "on", line_count=pl.lit(1, dtype=pl.Int64)))


def combine(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Join counts of several parts, also when a day's lines were spread over more than one of them."""
    return _sum_up(pl.concat(list(parts)).lazy())


@dataclass(frozen=True, slots=True)
class Owned:
    """Who bought what: `table[i, j]` is 1 when customer i ever bought product j; both sorted."""

    customers: pl.Series
    products: pl.Series
    table: csr_array


def owned(days: pl.DataFrame, products: pl.Series | None = None, min_customers: int = 1) -> Owned:
    """Lay days into a table of all their customers and of `products` (sorted), or of those with enough customers."""
    pairs = days.select("customer_id", "product_id").unique()
    customers = pairs["customer_id"].unique().sort()
    if products is None:
        counts = pairs.group_by("product_id").len()
        products = counts.filter(pl.col("len") >= min_customers)["product_id"].sort()
    rows = pl.DataFrame({"customer_id": customers}).with_row_index("i")
    columns = pl.DataFrame({"product_id": products}).with_row_index("j")
    placed = pairs.join(rows, on="customer_id").join(columns, on="product_id").sort("i", "j")
    places = (placed["i"].to_numpy().astype(np.int64), placed["j"].to_numpy().astype(np.int64))
    table = csr_array((np.ones(placed.height), places), shape=(len(customers), len(products)))
    table.sort_indices()
    return Owned(customers, products, table)


def _sum_up(counts: pl.LazyFrame) -> pl.DataFrame:
    keys = ("customer_id", "product_id", "on")
    return counts.group_by(keys).agg(pl.col("line_count").sum()).sort(keys).collect(engine="streaming")
