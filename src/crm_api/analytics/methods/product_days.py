"""What lists of products are made from: on which days a customer bought a product, and the table of both."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .lines import bought

_NOWHERE = -1


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
    row = days["customer_id"].rank("dense").to_numpy().astype(np.int64) - 1
    # One whole number a cell takes a third of what a pair takes; NumPy's own `unique` takes fifty times as long.
    width = max(len(items), 1)
    cells = pl.Series(row * width + _places(days["product_id"], items)).unique().sort().to_numpy()
    rows, columns = np.divmod(cells, width)
    if products is None:
        products = items.filter(pl.Series(np.bincount(columns, minlength=len(items)) >= min_customers))
    columns = _places(items, products)[columns]
    is_wanted = columns != _NOWHERE
    ends = np.cumsum(np.bincount(rows[is_wanted], minlength=len(customers)))
    columns = columns[is_wanted]
    table = csr_array((np.ones(len(columns)), columns, np.concatenate([[0], ends])), (len(customers), len(products)))
    return Owned(customers, products, table)


def _places(items: pl.Series, among: pl.Series) -> NDArray[np.int64]:
    """Say of each item which one of others it is, from 0; `_NOWHERE` when it is none of them."""
    places = pl.DataFrame({"item": among}).with_columns(place=pl.int_range(pl.len(), dtype=pl.Int64))
    found = pl.DataFrame({"item": items}).join(places, on="item", how="left", maintain_order="left")
    return found["place"].fill_null(_NOWHERE).to_numpy()


def _sum_up(counts: pl.LazyFrame) -> pl.DataFrame:
    keys = ("customer_id", "product_id", "on")
    return counts.group_by(keys).agg(pl.col("line_count").sum()).sort(keys).collect(engine="streaming")
