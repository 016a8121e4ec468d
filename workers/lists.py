"""Models about products in a worker: of each customer the days and baskets with a product are kept.

What is called an item is a product, its type or its category, as the run's `level` says; items stand in a parent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal, Protocol

import polars as pl

from crm_api import __version__
from crm_api.analytics import rfm, wire
from crm_api.analytics.distributions import sampled
from crm_api.analytics.methods import association, buy_again, product_days, recommendations
from crm_api.analytics.methods.backtesting import Backtest
from crm_api.analytics.methods.purchases import REFUND_KIND
from crm_api.analytics.outputs import ASSOCIATION, BUY_AGAIN, DISCOVER, RELATED_PRODUCTS, Output

from .models import Block, Outcome
from .numbered import Numbered, named
from .work import CannotBeDone

_PARENTS: Final = {"sku": "category", "product_type": "category", "category": "department"}
UNTOLD: Final = "new"


@dataclass(frozen=True, slots=True)
class Asked:
    """What all models about products are asked for."""

    as_of: date
    zone: str
    currency: str
    level: str
    without_departments: Sequence[str]
    never_listed: Sequence[str]
    length: int
    cut_on: date

    @classmethod
    def of(cls, parameters: Mapping[str, Any], held_back: str = "backtest_days") -> "Asked":
        as_of = date.fromisoformat(parameters["as_of"])
        return cls(
            as_of,
            parameters["time_zone"],
            parameters["currency"],
            parameters["level"],
            parameters["without_departments"],
            parameters.get("never_listed", ()),
            parameters.get("length", 0),
            as_of - timedelta(days=parameters[held_back]),
        )

    @property
    def suppressed(self) -> pl.DataFrame:
        """Items that are listed for nobody, as the methods take them beside days of numbered customers."""
        schema = {"customer_id": pl.UInt32, "product_id": pl.Categorical}
        rows = {"customer_id": [None] * len(self.never_listed), "product_id": list(self.never_listed)}
        return pl.DataFrame(rows, schema=schema)

    def items(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Lines that count, of items that have a name, as `product_id`. Errors: CannotBeDone."""
        try:
            known = wire.items(lines, self.zone, self.as_of, self.currency)
        except rfm.MixedCurrencies as mixed:
            raise CannotBeDone(f"{mixed} A run never converts: record purchases in one currency.") from None
        left_out = pl.col("department").is_in(list(self.without_departments)).fill_null(False)
        bought = known.filter((pl.col("kind") != REFUND_KIND) & ~left_out & (pl.col("quantity") > 0).fill_null(True))
        named = bought.with_columns(product_id=pl.col(self.level), parent=pl.col(_PARENTS[self.level]))
        # A name with a line end cannot be a value in a line.
        is_name = pl.col("product_id").str.contains(r"^[^\r\n]{1,200}$")
        return named.filter(is_name.fill_null(False))


class Method(Protocol):
    """What is told by the days on which products were bought."""

    output: Output
    code: str

    def rows(self, days: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
        """Learn, and list; `items`: product_id, category, price_minor."""

    def judge(self, days: pl.DataFrame) -> Backtest:
        """Learn from the days up to the cut, and compare with what came after it."""


class Discover:
    """Products that customers never bought and will like."""

    output, code = DISCOVER, f"{recommendations.MODEL}.{recommendations.VERSION}"

    def __init__(self, asked: Asked, parameters: Mapping[str, Any]) -> None:
        self._asked = asked
        self._method = recommendations.Parameters(
            asked.as_of, asked.length, parameters["min_customers"], parameters["min_products"]
        )

    def rows(self, days: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
        model = recommendations.learn(days, self._method)
        listed = recommendations.discover(days, model, self._method, self._asked.suppressed, items)
        is_listed = pl.col("rank").is_not_null()
        return listed.with_columns(
            pl.col("score").clip(0).alias("appeal"),
            pl.when(is_listed).then(pl.col("kind").fill_null(UNTOLD)),
            pl.col("because_product_id").alias("because_item"),
        )

    def judge(self, days: pl.DataFrame) -> Backtest:
        return recommendations.backtest(days, self._asked.cut_on, self._method)


class BuyAgain:
    """Products that customers will buy again soon."""

    output, code = BUY_AGAIN, f"{buy_again.MODEL}.{buy_again.VERSION}"

    def __init__(self, asked: Asked, parameters: Mapping[str, Any]) -> None:
        self._asked = asked
        self._method = buy_again.Parameters(asked.as_of, parameters["horizon_days"], asked.length)

    def rows(self, days: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
        return buy_again.score(days, buy_again.learn(days, self._method), self._method, self._asked.suppressed)

    def judge(self, days: pl.DataFrame) -> Backtest:
        return buy_again.backtest(days, self._method)


class Related:
    """Products bought by the same customers."""

    output, code = RELATED_PRODUCTS, f"{recommendations.RELATED}.{recommendations.VERSION}"

    def __init__(self, asked: Asked, parameters: Mapping[str, Any]) -> None:
        self._asked = asked
        self._method = recommendations.Parameters(asked.as_of, asked.length, parameters["min_customers"])

    def rows(self, days: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
        return recommendations.related(days, self._method)

    def judge(self, days: pl.DataFrame) -> Backtest:
        return recommendations.backtest_related(days, self._asked.cut_on, self._method)


class ListModel:
    """A range of customers is reduced to the days on which they bought each item, and to what items cost."""

    reads: Literal["lines"] = "lines"

    def __init__(self, method: Method, asked: Asked) -> None:
        self.code_version = f"{__version__}+{method.code}"
        self._method, self._asked = method, asked
        days, items = self._reduced(wire.no_lines())
        self._days, self._items = Numbered(days), [items]

    def condense(self, block: Block) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Sum a block of the feed up. Errors: CannotBeDone when it holds another currency."""
        return self._reduced(wire.read_lines(block.lines, block.columns))

    def _reduced(self, lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        bought = self._asked.items(lines)
        return product_days.condense(bought, self._asked.as_of), _summed(bought.with_columns(line_count=1))

    def keep(self, condensed: Sequence[tuple[pl.DataFrame, pl.DataFrame]]) -> None:
        """Take in all blocks of one range; its customers are in no other range."""
        if condensed:
            self._days.add(product_days.combine(days for days, _ in condensed))
            self._items.append(_summed(pl.concat(items for _, items in condensed)))

    def finish(self) -> Outcome:
        """Learn, list for everybody, and judge the method by the days that were held back."""
        ids, days = self._days.take()
        items = _priced(pl.concat(self._items)).with_columns(pl.col("product_id").cast(pl.Categorical))
        self._items = []
        judged = self._method.judge(days)  # first: what it takes is given back before the lists are there
        rows = _placed(self._method.rows(days, items), days, ids)
        listed_count = int((rows["status"] == "ok").sum())
        watched = [value.name for value in self._method.output.values if value.kind in ("number", "rate", "days")]
        return Outcome(
            rows=wire.Rows(self._method.output, rows, self._asked.currency),
            input_hash=rfm.digest(ids.to_frame(), days, items),
            counts={
                "lines_used": int(days["line_count"].sum()),
                "items_known": items.height,
                "rows_listed": listed_count,
                "without_list": rows.height - listed_count,
            },
            watched=sampled(rows.select(*watched, "observation_count")),
            backtest=judged,
        )


def _summed(items: pl.DataFrame) -> pl.DataFrame:
    """Sum up what an item cost in each parent; whole numbers, so that the order of lines changes nothing."""
    if "money_minor" not in items.columns:
        paid = pl.coalesce("list_minor", "paid_minor")
        is_priced = (paid > 0) & (pl.col("quantity") > 0)  # what was only looked at cost nothing
        items = items.with_columns(
            money_minor=pl.when(is_priced).then(paid).otherwise(0),
            thousandths=pl.when(is_priced).then(pl.col("quantity")).otherwise(0),
        )
    sums = pl.col("line_count", "money_minor", "thousandths").cast(pl.Int64).sum()
    return items.group_by("product_id", "parent").agg(sums).sort("product_id", "parent")


def _priced(items: pl.DataFrame) -> pl.DataFrame:
    """Give each item the parent that most of its lines are in, and the mean price of a piece, in minor units."""
    summed = _summed(items)
    sums = summed.group_by("product_id").agg(pl.col("money_minor", "thousandths").sum())
    price = pl.when(pl.col("thousandths") > 0).then(pl.col("money_minor") * 1000 // pl.col("thousandths"))
    most = summed.sort("product_id", "line_count", "parent", descending=[False, True, False], nulls_last=True)
    parents = most.unique("product_id", keep="first", maintain_order=True).select("product_id", category="parent")
    priced = parents.join(sums, on="product_id").sort("product_id")
    return priced.select("product_id", "category", price.alias("price_minor"))


def _placed(rows: pl.DataFrame, days: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
    """Name the columns as the API does, and the customers. Who has no list has its first place, empty, with a reason;
    it rests on the number of items that are known.
    """
    if "related_product_id" in rows.columns:
        return rows.with_columns(pl.col("rank").fill_null(1)).rename(
            {"product_id": "item", "related_product_id": "related_item"}
        )
    known = days.group_by("customer_id").agg(pl.col("product_id").n_unique().cast(pl.Int64)).sort("customer_id")
    has_none = pl.col("rank").is_null()
    theirs = known["product_id"].gather(rows["customer_id"])  # the place of each customer is their number
    placed = rows.with_columns(
        pl.when(has_none).then(theirs).otherwise("observation_count").alias("observation_count"),
        pl.col("rank").fill_null(1),
    )
    return named(placed, ids).rename({"product_id": "item"})


class AssociationModel:
    """Of each basket its items are kept; orders of a customer at the same instant are one basket."""

    reads: Literal["lines"] = "lines"
    code_version = f"{__version__}+{association.MODEL}.{association.VERSION}"

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._asked = Asked.of(parameters)
        self._method = association.Parameters(
            parameters["min_support"], parameters["min_confidence"], parameters["max_items"]
        )
        self._pairs = Numbered(self._reduced(wire.no_lines()))

    def condense(self, block: Block) -> pl.DataFrame:
        """Reduce a block of the feed to the items of baskets. Errors: CannotBeDone when it holds another currency."""
        return self._reduced(wire.read_lines(block.lines, block.columns))

    def _reduced(self, lines: pl.DataFrame) -> pl.DataFrame:
        at, is_late = pl.col("occurred_at").dt.epoch("us").alias("at"), pl.col("on") >= self._asked.cut_on
        return _distinct(
            self._asked.items(lines).select("customer_id", at, is_late.alias("is_late"), item="product_id")
        )

    def keep(self, condensed: Sequence[pl.DataFrame]) -> None:
        """Take in all blocks of one range; its customers are in no other range."""
        if condensed:
            self._pairs.add(_distinct(pl.concat(condensed)))

    def finish(self) -> Outcome:
        """Find the rules of all baskets, and look whether those from before the cut held after it."""
        ids, pairs = self._pairs.take()
        is_next = (pl.col("customer_id") != pl.col("customer_id").shift()) | (pl.col("at") != pl.col("at").shift())
        numbered = pairs.select(is_next.fill_null(False).cum_sum().alias("basket_id"), "item", "is_late")
        sides = (numbered.filter(pl.col("is_late") == late).drop("is_late") for late in (False, True))
        before, after = map(association.condense, sides)
        baskets = association.combine([before, after])
        try:
            rows = association.rules(baskets, self._method)
            backtest = association.backtest(before, after, self._asked.cut_on, self._asked.as_of, self._method)
        except association.TooManySets as many:
            raise CannotBeDone(f"{many} Ask for a larger min_support.") from None
        rows = rows.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64), if_items="left", then_item="right")
        return Outcome(
            rows=wire.Rows(ASSOCIATION, rows, self._asked.currency),
            input_hash=rfm.digest(ids.to_frame(), pairs),
            counts={
                "baskets_used": baskets["basket_id"].n_unique(),
                "items_known": baskets["item"].n_unique(),
                "rules_found": rows.height,
            },
            watched=sampled(rows.select("support", "confidence", "lift", "basket_count")),
            backtest=backtest,
        )


def _distinct(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.unique().sort("customer_id", "at", "item")


def discover_model(parameters: Mapping[str, Any]) -> ListModel:
    """Make the model of a run of `discover`."""
    asked = Asked.of(parameters)
    return ListModel(Discover(asked, parameters), asked)


def buy_again_model(parameters: Mapping[str, Any]) -> ListModel:
    """Make the model of a run of `buy_again`, whose backtest is as long as its horizon."""
    asked = Asked.of(parameters, "horizon_days")
    return ListModel(BuyAgain(asked, parameters), asked)


def related_model(parameters: Mapping[str, Any]) -> ListModel:
    """Make the model of a run of `related_products`."""
    asked = Asked.of(parameters)
    return ListModel(Related(asked, parameters), asked)
