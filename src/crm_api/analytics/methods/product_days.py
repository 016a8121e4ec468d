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
    customers, items = days["customer_id"].unique().sort(), days["product_id"].unique().sort()
    places = pl.DataFrame({"product_id": items}).with_row_index("j")
    column = days.select("product_id").join(places, on="product_id", how="left", maintain_order="left")["j"].to_numpy()
    row = days["customer_id"].rank("dense").to_numpy().astype(np.int64) - 1
    # One whole number a cell takes a third of what a pair takes; NumPy's own `unique` takes fifty times as long.
    cells = pl.Series(row * max(len(items), 1) + column).unique().sort().to_numpy()
    rows, columns = np.divmod(cells, max(len(items), 1))
    if products is None:
        products = items.filter(pl.Series(np.bincount(columns, minlength=len(items)) >= min_customers))
    wanted = pl.DataFrame({"product_id": products}).with_row_index("k")
    new_place = places.join(wanted, on="product_id", how="left", maintain_order="left")["k"].fill_null(-1)
    columns = new_place.cast(pl.Int64).to_numpy()[columns]
    is_wanted = columns >= 0
    ends = np.cumsum(np.bincount(rows[is_wanted], minlength=len(customers)))
    columns = columns[is_wanted]
    shape = (len(customers), len(products))
    return Owned(customers, products, csr_array((np.ones(len(columns)), columns, np.concatenate([[0], ends])), shape))


def _sum_up(counts: pl.LazyFrame) -> pl.DataFrame:
    keys = ("customer_id", "product_id", "on")
    return counts.group_by(keys).agg(pl.col("line_count").sum()).sort(keys).collect(engine="streaming")
