"""Models of what customers buy by category in a worker: of the lines, sums by window are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Literal, Protocol

import polars as pl

from crm_api import __version__
from crm_api.analytics import rfm, wire
from crm_api.analytics.distributions import sampled
from crm_api.analytics.methods import divisions, growth, lines
from crm_api.analytics.methods.backtesting import Backtest
from crm_api.analytics.outputs import DIVISIONS, GROWTH, Output, stored_name

from .models import Block, Outcome
from .numbered import Numbered, named
from .work import CannotBeDone


class Method(Protocol):
    """What is told of customers by their lines in the days looked back on, and in as many days before these."""

    output: Output
    version: str
    columns: Mapping[str, str]
    """Columns of the lines that are told apart by, and as what."""

    def scores(self, sums: pl.DataFrame) -> pl.DataFrame:
        """Score everybody with a line."""

    def judge(self, sums: pl.DataFrame, cut_on: date) -> Backtest:
        """Score by the days before the cut, and compare with the days after it."""


class Growth:
    """Who buys little, and what customers like them buy that they do not."""

    output, version = GROWTH, growth.VERSION

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.columns: Mapping[str, str] = {"category": parameters["level"]}
        self._currency = parameters["currency"]
        self._asked = growth.Parameters(
            as_of=date.fromisoformat(parameters["as_of"]),
            window_days=parameters["window_days"],
            peer_quantile=parameters["peer_quantile"],
            common_rate=parameters["common_rate"],
        )

    def scores(self, sums: pl.DataFrame) -> pl.DataFrame:
        return growth.score(sums, self._asked)

    def judge(self, sums: pl.DataFrame, cut_on: date) -> Backtest:
        found = growth.backtest(sums, cut_on, self._asked)
        return replace(found, table=wire.in_major_units(found.table, ("predicted", "observed"), self._currency))


class Divisions:
    """What customers need, what they are worth now, and what they could be worth."""

    output, version = DIVISIONS, divisions.VERSION

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.columns: Mapping[str, str] = {"category": parameters["level"], "need": parameters["need_level"]}
        self._asked = divisions.Parameters(
            as_of=date.fromisoformat(parameters["as_of"]),
            window_days=parameters["window_days"],
            least_index=parameters["least_index"],
            fewest_lines=parameters["min_lines"],
        )

    def scores(self, sums: pl.DataFrame) -> pl.DataFrame:
        return divisions.score(sums, self._asked)

    def judge(self, sums: pl.DataFrame, cut_on: date) -> Backtest:
        return divisions.backtest(sums, cut_on, self._asked)


class WindowModel:
    """A range of customers is reduced to sums per window once all of it was read."""

    reads: Literal["lines"] = "lines"

    def __init__(self, method: Method, parameters: Mapping[str, Any]) -> None:
        self.code_version = f"{__version__}+{method.output.model}.{method.version}"
        self._method, self._columns = method, method.columns
        self._without = parameters["without_departments"]
        self._zone, self._currency = parameters["time_zone"], parameters["currency"]
        self._as_of, self._window_days = date.fromisoformat(parameters["as_of"]), parameters["window_days"]
        self._sums = Numbered(self._summed(wire.no_lines()))

    def condense(self, block: Block) -> pl.DataFrame:
        """Sum a block of the feed up by window. Errors: CannotBeDone when it holds another currency."""
        return self._summed(wire.read_lines(block.lines, block.columns))

    def _summed(self, feed: pl.DataFrame) -> pl.DataFrame:
        try:
            items = wire.items(feed, self._zone, self._as_of, self._currency)
        except rfm.MixedCurrencies as mixed:
            raise CannotBeDone(f"{mixed} A run never converts: record purchases in one currency.") from None
        told = [pl.col(column).alias(name) for name, column in self._columns.items()]
        counted = items.filter(~pl.col("department").is_in(self._without).fill_null(False))
        wanted = counted.select("customer_id", "on", "kind", pl.col("paid_minor").alias("amount_minor"), *told)
        return lines.by_window(wanted, self._as_of, self._window_days, *self._columns)

    def keep(self, condensed: Sequence[pl.DataFrame]) -> None:
        """Take in the sums of all blocks of one range; its customers are in no other range."""
        if condensed:
            self._sums.add(lines.combine(condensed))

    def finish(self) -> Outcome:
        """Score whom the newest window knows, and judge the method by the window before it."""
        ids, sums = self._sums.take()
        scores = named(self._method.scores(sums).filter(pl.col("observation_count") > 0), ids)
        scored_count = int((scores["status"] == "ok").sum())
        numbers = [value for value in self._method.output.values if value.kind not in ("choice", "text")]
        return Outcome(
            rows=wire.Rows(self._method.output, scores, self._currency),
            input_hash=rfm.digest(ids.to_frame(), sums),
            counts={
                "lines_used": int(scores["observation_count"].sum()),
                "customers_scored": scored_count,
                "customers_without_estimate": scores.height - scored_count,
            },
            watched=sampled(scores.select("observation_count", *map(stored_name, numbers))),
            backtest=self._method.judge(sums, self._as_of - timedelta(days=self._window_days)),
        )


def growth_model(parameters: Mapping[str, Any]) -> WindowModel:
    """Make the model of a run of `growth`."""
    return WindowModel(Growth(parameters), parameters)


def divisions_model(parameters: Mapping[str, Any]) -> WindowModel:
    """Make the model of a run of `divisions`."""
    return WindowModel(Divisions(parameters), parameters)
