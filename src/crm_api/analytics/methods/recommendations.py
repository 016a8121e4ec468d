"""*Discover*: products that a customer never bought and will like; and products related to a product. Pure.

Method: EASE, a linear model of which products are bought together, in closed form (Steck 2019, "Embarrassingly Shallow
Autoencoders for Sparse Data"), up to `ease_up_to` products; above it the shrunk cosine of their customers (Koren 2010).

Rules, stated once:

- Whether a product was ever bought counts, not how often: what comes again is for *buy again*.
- **What is suppressed is left out before the list is cut**, so that nobody's list is short for it.
- **Told apart**: *cross_sell*, from a category in which the customer bought nothing; *up_sell*, from one in which they
  did, at a higher price than the products they bought there had on average; *alternative*, the rest.
- Equal scores are ordered by product_id. Scores order products; they are no probabilities.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array, diags_array

from .backtesting import Backtest, calibration, no_backtest
from .likelihood import Floats
from .product_days import Owned, owned

MODEL = "discover"
RELATED = "related_products"
VERSION = "1"
OUTPUT_COLUMNS = (
    "customer_id",
    "rank",
    "product_id",
    "score",
    "kind",
    "because_product_id",
    "observation_count",
    "status",
    "reason",
)
RELATED_COLUMNS = ("product_id", "rank", "related_product_id", "similarity", "observation_count", "status", "reason")
_DIGITS = 6
_NEVER = np.int64(-(2**62))
# Scores of so many pairs of customer and product are held at once: 16 MB.
_CELLS = 2_000_000


@dataclass(frozen=True, slots=True)
class Parameters:
    """Reference date, length of the lists, and what it takes to be judged.

    `penalty` is EASE's only parameter; `shrinkage` is the number of common customers at which a cosine counts half.
    """

    as_of: date
    length: int = 20
    min_customers: int = 10
    """Products bought by fewer are neither learned from nor listed."""
    min_products: int = 3
    """Customers who bought fewer of those get no list."""
    penalty: float = 1000.0
    shrinkage: float = 20.0
    ease_up_to: int = 5000


@dataclass(frozen=True, slots=True)
class Model:
    """`weights[i, j]`: what having bought product i says for product j. Dense from EASE, sparse from cosines."""

    products: pl.Series
    weights: Floats | csr_array
    method: str


@dataclass(frozen=True, slots=True)
class _Paid:
    """What products cost, and what customers paid in each category; by these the kinds of a list are told."""

    products: pl.DataFrame
    by_category: pl.DataFrame


def learn(days: pl.DataFrame, parameters: Parameters) -> Model:
    """Learn from all customers' days (see `product_days`); the same days give the same weights in any order."""
    known = owned(days, min_customers=parameters.min_customers)
    together = known.table.T @ known.table
    if len(known.products) <= parameters.ease_up_to:
        return Model(known.products, _ease(together.toarray(), parameters.penalty), "ease")
    return Model(known.products, _cosines(together, parameters.shrinkage), "cosine")


def discover(
    days: pl.DataFrame,
    model: Model,
    parameters: Parameters,
    suppressed: pl.DataFrame | None = None,
    products: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """List products for the customers of `days`, who may be any part of all customers; their days must be complete.

    `suppressed`: customer_id, product_id; without a customer_id (null) the product is kept from everybody.
    `products`: product_id, category, price_minor (may be null), to tell the kinds apart; without it the kind is null.
    Returns the columns of `OUTPUT_COLUMNS`, sorted by customer_id and rank; `because_product_id` is the product bought
    that says most for the one listed, `observation_count` how many products are known of the customer. Who gets no list
    has one row without a product, with status `insufficient_data`.
    """
    known = owned(days, products=model.products)
    paid = None if products is None else _paid(days, products)
    frames = []
    for part in (range(0), *_parts(known)):  # nothing is held of everybody at once but the lists themselves
        best = _best(known, model, part, parameters, suppressed)
        because = _because(known.table[part.start : part.stop], model, best)
        listed = _listed(known, model, part, best).with_columns(because.alias("because_product_id"))
        frames.append(_told(known, part, listed, paid, parameters))
    return pl.concat(frames)


def _told(known: Owned, part: range, listed: pl.DataFrame, paid: _Paid | None, parameters: Parameters) -> pl.DataFrame:
    """Say of some customers how much is known of them, of what kind their products are, and why there are none."""
    size = np.diff(known.table.indptr)[part.start : part.stop]
    counts = pl.DataFrame(
        {"customer_id": known.customers[part.start : part.stop], "observation_count": size.astype(np.int64)}
    )
    kinds = pl.lit(None, pl.String).alias("kind") if paid is None else _kinds(listed, paid)
    everybody = counts.join(listed.with_columns(kinds), on="customer_id", how="left").sort("customer_id", "rank")
    has_none = pl.col("rank").is_null()
    reason = f"Fewer than {parameters.min_products} products are known of the customer, or none is left."
    return everybody.with_columns(
        pl.when(has_none).then(pl.lit("insufficient_data")).otherwise(pl.lit("ok")).alias("status"),
        pl.when(has_none).then(pl.lit(reason)).alias("reason"),
    ).select(OUTPUT_COLUMNS)


def related(days: pl.DataFrame, parameters: Parameters) -> pl.DataFrame:
    """List for each product the products bought by the same customers, by shrunk cosine; nearest first.

    Returns the columns of `RELATED_COLUMNS`, sorted by product_id and rank; `observation_count` is the number of the
    product's customers. A product with too few customers, or without a neighbor, has one row without a neighbor.
    """
    known = owned(days, min_customers=parameters.min_customers)
    similar = csr_array(_cosines(known.table.T @ known.table, parameters.shrinkage))
    size = len(known.products)
    found: list[tuple[int, int, int, float]] = []
    for i in range(size):
        row = slice(similar.indptr[i], similar.indptr[i + 1])
        near, values = similar.indices[row], np.round(similar.data[row], _DIGITS)
        order = np.lexsort((near, -values))[: parameters.length]
        found += [(i, rank, int(near[at]), float(values[at])) for rank, at in enumerate(order, 1) if values[at] > 0]
    neighbors = pl.DataFrame(
        {
            "product_id": known.products.gather([one[0] for one in found]),
            "rank": pl.Series([one[1] for one in found], dtype=pl.Int64),
            "related_product_id": known.products.gather([one[2] for one in found]),
            "similarity": pl.Series([one[3] for one in found], dtype=pl.Float64),
        }
    )
    buyers = pl.col("customer_id").n_unique().cast(pl.Int64).alias("observation_count")
    everything = days.group_by("product_id").agg(buyers).join(neighbors, on="product_id", how="left")
    none = pl.col("rank").is_null()
    few = f"Bought by fewer than {parameters.min_customers} customers, or never with another product."
    state = pl.when(none).then(pl.lit("insufficient_data")).otherwise(pl.lit("ok")).alias("status")
    rows = everything.with_columns(state, pl.when(none).then(pl.lit(few)).alias("reason"))
    return rows.select(RELATED_COLUMNS).sort("product_id", "rank")


def backtest(days: pl.DataFrame, cut_on: date, parameters: Parameters) -> Backtest:
    """Learn from the days before `cut_on`, list, and look for the list among what was bought for the first time later.

    Figures: recall (the share of a customer's new products that were on the list, averaged over the customers who
    bought any new one), popularity_recall (the same of a list of the products with most customers), customer_count.
    The table holds scores against the share of listed products bought after the cut.
    """
    before = days.filter(pl.col("on") < cut_on)
    model = learn(before, parameters)
    known = owned(before, products=model.products)
    later = days.filter(pl.col("on").is_between(cut_on, parameters.as_of, closed="left"))
    new = later.select("customer_id", "product_id").unique()
    new = new.filter(pl.col("product_id").is_in(model.products.implode()))
    new = new.join(before.select("customer_id", "product_id").unique(), on=["customer_id", "product_id"], how="anti")
    new = new.filter(pl.col("customer_id").is_in(known.customers.implode()))
    if new.is_empty():
        reason = "Nobody bought a product for the first time after the cut."
        return no_backtest(MODEL, cut_on, parameters.as_of, "insufficient_data", reason)
    buyers = np.asarray(known.table.sum(axis=0), dtype=np.float64)
    popular = Model(model.products, buyers, "popularity")
    judged = [_judged(known, (model, popular), part, parameters, new) for part in _parts(known)]
    told, shares = (pl.concat(frames) for frames in zip(*judged, strict=True))
    figures = {
        "customer_count": float(shares.height),
        "recall": round(float(shares["share"].to_numpy().mean()), _DIGITS),
        "popularity_recall": round(float(shares["popular_share"].to_numpy().mean()), _DIGITS),
    }
    table = calibration(told["score"].to_numpy(), told["hit"].cast(pl.Float64).to_numpy())
    return Backtest(MODEL, cut_on, parameters.as_of, "ok", None, figures, table)


def backtest_related(days: pl.DataFrame, cut_on: date, parameters: Parameters) -> Backtest:
    """List related products by the days before `cut_on`, and look whether the same customers bought both later.

    A pair holds when more customers bought both after the cut than would by chance: a lift above 1. Judged are pairs
    of products that enough customers bought then, too. Figures: pair_count, held_rate, held_rate_of_any (of all pairs
    of those products, related or not: who buys much makes most pairs hold), median_lift. The table holds similarities
    against the share of pairs that held.
    """
    before, later = days.filter(pl.col("on") < cut_on), days.filter(pl.col("on") >= cut_on)
    near = related(before, parameters).filter(pl.col("status") == "ok")
    known = owned(later, min_customers=parameters.min_customers)
    places = pl.DataFrame({"place": np.arange(len(known.products)), "product_id": known.products})
    pairs = near.join(places.rename({"place": "i"}), on="product_id").join(
        places.rename({"place": "j", "product_id": "related_product_id"}), on="related_product_id"
    )
    if pairs.is_empty():
        reason = "No product was bought by enough customers on both sides of the cut."
        return no_backtest(RELATED, cut_on, parameters.as_of, "insufficient_data", reason)
    pairs = pairs.sort("product_id", "rank")
    lifts = csr_array(known.table.T @ known.table)
    buyers = lifts.diagonal()
    inverse = diags_array(1 / np.maximum(buyers, 1.0))
    lifts.setdiag(0.0)
    # No pair of bought products is missing but for those that nobody bought both of, whose lift is nought.
    lifts = csr_array(inverse @ lifts @ inverse) * len(known.customers)
    lift = np.asarray(lifts[pairs["i"].to_numpy(), pairs["j"].to_numpy()]).ravel()
    size = len(known.products)
    figures = {
        "pair_count": float(pairs.height),
        "held_rate": round(float((lift > 1).mean()), _DIGITS),
        "held_rate_of_any": round(float((lifts.data > 1).sum() / (size * (size - 1))), _DIGITS),
        "median_lift": round(float(np.median(lift)), _DIGITS),
    }
    table = calibration(pairs["similarity"].to_numpy(), (lift > 1).astype(np.float64))
    return Backtest(RELATED, cut_on, parameters.as_of, "ok", None, figures, table)


def _ease(together: Floats, penalty: float) -> Floats:
    size = len(together)
    inverse = cho_solve(cho_factor(together + penalty * np.eye(size)), np.eye(size)) if size else together
    weights: Floats = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights


def _cosines(together: csr_array, shrinkage: float) -> csr_array:
    """Cosine of the customers of two products, times common / (common + shrinkage); 0 of a product with itself."""
    scale = diags_array(1 / np.sqrt(np.maximum(together.diagonal(), 1.0)))
    shrunk = csr_array(together, copy=True)
    shrunk.data = shrunk.data**2 / (shrunk.data + shrinkage)
    similar = csr_array(scale @ shrunk @ scale)
    similar.setdiag(0.0)
    similar.eliminate_zeros()
    similar.sort_indices()
    return similar


def _parts(known: Owned) -> Iterator[range]:
    size = max(_CELLS // max(len(known.products), 1), 1)
    for first in range(0, len(known.customers), size):
        yield range(first, min(first + size, len(known.customers)))


@dataclass(frozen=True, slots=True)
class _Best:
    """Of some customers the best products, in order: row of the customer, column of the product, rank from 1, score."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    ranks: NDArray[np.int64]
    scores: Floats


def _best(known: Owned, model: Model, part: range, parameters: Parameters, suppressed: pl.DataFrame | None) -> _Best:
    """Score the products of some customers and keep the best of each."""
    table = known.table[part.start : part.stop]
    width = min(parameters.length, len(model.products))
    if model.method == "popularity":
        scores = np.tile(np.asarray(model.weights), (len(part), 1))
    else:
        # A sparse product adds up each customer's row by itself, in the order of products: cuts change no digit.
        product = table @ model.weights
        scores = product if isinstance(product, np.ndarray) else product.toarray()
    size = len(model.products)
    # One whole number orders by score and then by product: the cut is the same whatever sorts it.
    keys = np.round(scores * 10**_DIGITS).astype(np.int64) * size + np.arange(size)[::-1]
    keys[table.nonzero()] = _NEVER
    for rows, columns in _suppressed(known, model, part, suppressed):
        keys[rows, columns] = _NEVER
    keys[np.diff(table.indptr) < parameters.min_products] = _NEVER
    top = np.argpartition(-keys, width - 1, axis=1)[:, :width] if width else np.zeros((len(part), 0), np.int64)
    top = np.take_along_axis(top, np.argsort(-np.take_along_axis(keys, top, axis=1), axis=1), axis=1)
    kept = np.take_along_axis(keys, top, axis=1) > _NEVER
    rows, places = np.nonzero(kept)
    columns = top[rows, places]
    return _Best(rows, columns, places + 1, np.round(scores[rows, columns], _DIGITS))


def _listed(known: Owned, model: Model, part: range, best: _Best) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "customer_id": known.customers.gather(best.rows + part.start),
            "rank": best.ranks,
            "product_id": model.products.gather(best.columns),
            "score": best.scores,
        }
    )


def _because(table: csr_array, model: Model, best: _Best) -> pl.Series:
    """Name for each listed product the one among those bought that weighs most for it."""
    heaviest = np.zeros(len(best.rows), dtype=np.int64)
    edges = [*np.flatnonzero(np.diff(best.rows, prepend=-1)).tolist(), len(best.rows)]
    for first, after in pairwise(edges):
        row = best.rows[first]
        mine = table.indices[table.indptr[row] : table.indptr[row + 1]]
        weights = model.weights[np.ix_(mine, best.columns[first:after])]
        dense = weights if isinstance(weights, np.ndarray) else weights.toarray()
        heaviest[first:after] = mine[dense.argmax(axis=0)]
    return model.products.gather(heaviest)


def _suppressed(
    known: Owned, model: Model, part: range, suppressed: pl.DataFrame | None
) -> Iterator[tuple[NDArray[np.int64] | slice, NDArray[np.int64]]]:
    if suppressed is None or suppressed.is_empty():
        return
    columns = pl.DataFrame({"product_id": model.products}).with_row_index("j")
    rows = pl.DataFrame({"customer_id": known.customers}).with_row_index("i")[part.start : part.stop]
    placed = suppressed.join(columns, on="product_id")
    yield slice(None), placed.filter(pl.col("customer_id").is_null())["j"].to_numpy().astype(np.int64)
    pairs = placed.join(rows, on="customer_id")
    yield pairs["i"].to_numpy().astype(np.int64) - part.start, pairs["j"].to_numpy().astype(np.int64)


def _paid(days: pl.DataFrame, products: pl.DataFrame) -> _Paid:
    known = products.select("product_id", "category", "price_minor").unique("product_id", maintain_order=True)
    mine = days.select("customer_id", "product_id").unique().join(known, on="product_id")
    paid = mine.group_by("customer_id", "category").agg(
        # The mean is compared as sums of whole numbers, so that the order of rows cannot matter.
        paid_sum=pl.col("price_minor").sum(),
        paid_count=pl.col("price_minor").count().cast(pl.Int64),
        here=pl.lit(True),
    )
    return _Paid(known, paid)


def _kinds(listed: pl.DataFrame, paid: _Paid) -> pl.Series:
    """Compare each product listed for some customers with what its customer bought in its category."""
    first, last = listed["customer_id"].min(), listed["customer_id"].max()
    theirs = paid.by_category.filter(pl.col("customer_id").is_between(pl.lit(first), pl.lit(last)))
    told = listed.join(paid.products, on="product_id", how="left", maintain_order="left")
    told = told.join(theirs, on=["customer_id", "category"], how="left", maintain_order="left")
    dearer = (pl.col("paid_count") > 0) & (pl.col("price_minor") * pl.col("paid_count") > pl.col("paid_sum"))
    kind = (
        pl.when(pl.col("category").is_null())
        .then(None)
        .when(pl.col("here").is_null())
        .then(pl.lit("cross_sell"))
        .when(dearer)
        .then(pl.lit("up_sell"))
        .otherwise(pl.lit("alternative"))
    )
    return told.select(kind=kind)["kind"]


def _judged(
    known: Owned, models: tuple[Model, Model], part: range, parameters: Parameters, new: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """List for some customers. Answers of each listed product its score and whether it was a `hit`, and of each
    customer who bought new products the `share` of them that was on the list, and on that of the other model.
    """
    theirs = new.filter(pl.col("customer_id").is_in(known.customers[part.start : part.stop].implode()))
    keys = ["customer_id", "product_id"]
    shares = theirs.group_by("customer_id").agg(wanted=pl.len()).sort("customer_id")
    told = []
    for model, name in zip(models, ("share", "popular_share"), strict=True):
        listed = _listed(known, model, part, _best(known, model, part, parameters, None))
        found = listed.join(theirs.with_columns(hit=True), on=keys, how="left", maintain_order="left")
        told.append(found.select("customer_id", "score", pl.col("hit").fill_null(False)))
        hits = told[-1].group_by("customer_id").agg(hits=pl.col("hit").sum())
        shares = shares.join(hits, on="customer_id", how="left", maintain_order="left").with_columns(
            (pl.col("hits").fill_null(0) / pl.col("wanted")).alias(name)
        )
        shares = shares.drop("hits")
    return told[0].select("score", "hit"), shares
