"""Taste and affinity in a worker: of each customer the lines in each subject are counted, before and after the cut of
the backtest.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, ClassVar, Final, Literal

import polars as pl

from crm_api import __version__
from crm_api.analytics import rfm, wire
from crm_api.analytics.distributions import sampled
from crm_api.analytics.methods import affinity, taste
from crm_api.analytics.methods.backtesting import Backtest
from crm_api.analytics.methods.purchases import REFUND_KIND
from crm_api.analytics.outputs import AFFINITY, SENSITIVE_TASTE, TASTE, Output

from .models import Block, Outcome
from .numbered import Numbered, named

_BASE: Final = "*"
"""The lines that shares are taken of; no subject can be called so."""
_LEVELS: Final = {"department": "departments", "category": "categories", "product_type": "product_types"}


class _SubjectModel(ABC):
    """A model of lines in subjects; what is made of their counts is up to the heirs."""

    reads: Literal["lines"] = "lines"
    watched: ClassVar[tuple[str, ...]]

    def __init__(self, output: Output, parameters: Mapping[str, Any]) -> None:
        self._output = output
        self._zone = parameters["time_zone"]
        self._among = None if parameters["among"] is None else _lies_in(parameters["among"])
        self._subjects = {each["subject"]: _lies_in(each) for each in parameters["subjects"]}
        self._as_of = date.fromisoformat(parameters["as_of"])
        self._cut_on = self._as_of - timedelta(days=parameters["backtest_days"])
        self._counts = Numbered(self._condensed(wire.no_lines()))

    @property
    @abstractmethod
    def code_version(self) -> str:
        """Version of the program and of the method."""

    @abstractmethod
    def score(self, counts: pl.DataFrame, subjects: list[str]) -> pl.DataFrame:
        """Judge everybody."""

    @abstractmethod
    def backtest(self, before: pl.DataFrame, after: pl.DataFrame, subjects: list[str]) -> Backtest:
        """Judge the method by the days that were held back."""

    def condense(self, block: Block) -> pl.DataFrame:
        """Count the lines of a block by customer, subject, and the side of the cut they lie on."""
        return self._condensed(wire.read_lines(block.lines, block.columns))

    def _condensed(self, lines: pl.DataFrame) -> pl.DataFrame:
        items = wire.items(lines, self._zone, self._as_of).rename({"sku": "product_id"})
        bought = items.filter(pl.col("kind") != REFUND_KIND)
        tree = self._tree(bought)
        is_late = pl.col("on") >= self._cut_on
        return pl.concat(
            taste.condense(bought.filter(is_late == late), tree, self._as_of).with_columns(is_late=pl.lit(late))
            for late in (False, True)
        )

    def _tree(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Say in which subjects each product lies, and that it counts at all."""
        products = lines.select("product_id", *_LEVELS).unique()
        base = products if self._among is None else products.filter(self._among)
        named = [(_BASE, base), *((name, base.filter(lies_in)) for name, lies_in in self._subjects.items())]
        return pl.concat(part.select("product_id", category=pl.lit(name)) for name, part in named)

    def keep(self, counts: Sequence[pl.DataFrame]) -> None:
        """Take in the counts of all blocks of one range; its customers are in no other range."""
        if counts:
            whole = pl.concat(counts)
            sides = (
                taste.combine([whole.filter(pl.col("is_late") == late)]).with_columns(is_late=pl.lit(late))
                for late in (False, True)
            )
            self._counts.add(pl.concat(sides).sort("customer_id", "category", "is_late"))

    def finish(self) -> Outcome:
        """Fit each subject, judge everybody, and judge the method by the days that were held back."""
        ids, counts = self._counts.take()
        before, after = (counts.filter(pl.col("is_late") == late).drop("is_late") for late in (False, True))
        subjects = list(self._subjects)
        scores = named(self.score(taste.combine([before, after]), subjects), ids)
        judged_count = int((scores["status"] == "ok").sum())
        rows = wire.Rows(self._output, scores.rename({"category": "subject"}))
        return Outcome(
            rows=rows,
            input_hash=rfm.digest(ids.to_frame(), counts),
            counts={
                "lines_used": int(counts.filter(pl.col("category") == _BASE)["line_count"].sum()),
                "opinions": judged_count,
                "without_opinion": scores.height - judged_count,
            },
            watched=sampled(scores.select(*self.watched, "share_rate", "observation_count")),
            backtest=self.backtest(before, after, subjects),
        )


class TasteModel(_SubjectModel):
    """What customers like, buy, and leave out."""

    watched = ("avoid_probability",)
    code_version = f"{__version__}+{taste.MODEL}.{taste.VERSION}"

    def __init__(self, output: Output, parameters: Mapping[str, Any]) -> None:
        super().__init__(output, parameters)
        self._asked = taste.Parameters(self._as_of, parameters["certainty"], parameters["min_lines"])

    def score(self, counts: pl.DataFrame, subjects: list[str]) -> pl.DataFrame:
        """Say what everybody likes, buys, and leaves out."""
        return taste.score(counts, _BASE, subjects, self._asked)

    def backtest(self, before: pl.DataFrame, after: pl.DataFrame, subjects: list[str]) -> Backtest:
        """Look whether what was said to be avoided was bought."""
        return taste.backtest(before, after, _BASE, subjects, self._cut_on, self._asked)


class AffinityModel(_SubjectModel):
    """How much more, or less, of something customers buy than others do."""

    watched = ("affinity_index",)
    code_version = f"{__version__}+{affinity.MODEL}.{affinity.VERSION}"

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(AFFINITY, parameters)
        self._asked = affinity.Parameters(
            self._as_of, min_lines=parameters["min_lines"], strong_from=parameters["strong_from"]
        )

    def score(self, counts: pl.DataFrame, subjects: list[str]) -> pl.DataFrame:
        """Index everybody against all."""
        return affinity.score(counts, _BASE, subjects, self._asked)

    def backtest(self, before: pl.DataFrame, after: pl.DataFrame, subjects: list[str]) -> Backtest:
        """Look how far later shares were from those that were said."""
        return affinity.backtest(before, after, _BASE, subjects, self._cut_on, self._asked)


def taste_model(parameters: Mapping[str, Any]) -> TasteModel:
    """Make the model of any tastes."""
    return TasteModel(TASTE, parameters)


def sensitive_taste_model(parameters: Mapping[str, Any]) -> TasteModel:
    """Make the model of tastes that may reveal something; whom it is fed was asked."""
    return TasteModel(SENSITIVE_TASTE, parameters)


def _lies_in(products: Mapping[str, Any]) -> pl.Expr:
    """Test the place of a product; what is not registered lies nowhere."""
    tests = (pl.col(level).is_in(products[names]).fill_null(False) for level, names in _LEVELS.items())
    return pl.any_horizontal(*tests)
