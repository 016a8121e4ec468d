"""Seasons in a worker: of each customer the days with a purchase are kept."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal

import polars as pl

from crm_api import __version__
from crm_api.analytics import rfm, wire
from crm_api.analytics.distributions import sampled
from crm_api.analytics.methods import season
from crm_api.analytics.methods.purchases import REFUND_KIND
from crm_api.analytics.outputs import SEASON

from .models import Block, Outcome
from .numbered import Numbered, named


class SeasonModel:
    """Who comes in a season, and who comes now and then."""

    reads: Literal["facts"] = "facts"
    code_version = f"{__version__}+{season.MODEL}.{season.VERSION}"

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._zone = parameters["time_zone"]
        self._asked = season.Parameters(
            as_of=date.fromisoformat(parameters["as_of"]),
            false_rate=parameters["false_rate"],
            min_index=parameters["min_index"],
            occasional_below=parameters["occasional_below"],
        )
        self._earliest = self._asked.as_of - timedelta(days=365 * parameters["years"])
        self._cut_on = self._asked.as_of - timedelta(days=365)
        self._days = Numbered(self._condensed(wire.no_facts()))

    def condense(self, block: Block) -> pl.DataFrame:
        """Reduce a block of the feed to days."""
        return self._condensed(wire.read_facts(block.lines, block.columns))

    def _condensed(self, facts: pl.DataFrame) -> pl.DataFrame:
        known = wire.dated(facts, self._zone, self._asked.as_of)
        wanted = (pl.col("kind") != REFUND_KIND) & (pl.col("on") >= self._earliest)
        return season.condense(known.filter(wanted), self._asked.as_of)

    def keep(self, days: Sequence[pl.DataFrame]) -> None:
        """Take in the days of all blocks of one range; its customers are in no other range."""
        if days:
            self._days.add(season.combine(days))

    def finish(self) -> Outcome:
        """Compare everybody with all, over whole years, and judge the method by the last of them."""
        ids, days = self._days.take()
        before, after = days.filter(pl.col("on") < self._cut_on), days.filter(pl.col("on") >= self._cut_on)
        scores = named(season.score(days, season.base_of(days), self._asked), ids)
        judged_count = int((scores["status"] == "ok").sum())
        return Outcome(
            rows=wire.Rows(SEASON, scores),
            input_hash=rfm.digest(ids.to_frame(), days),
            counts={
                "days_used": days.height,
                "customers_scored": judged_count,
                "customers_without_class": scores.height - judged_count,
            },
            watched=sampled(scores.select("days_in_30", "observation_count")),
            backtest=season.backtest(before, after, self._cut_on, self._asked),
        )
