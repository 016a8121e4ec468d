"""RFM in a worker: what is kept of the feed, and what becomes of it in the end."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal

import polars as pl

from crm_api import __version__
from crm_api.analytics import rfm, wire
from crm_api.analytics.distributions import sampled
from crm_api.analytics.outputs import RFM

from .models import Block, Outcome
from .work import CannotBeDone


class RfmModel:
    """Recency, frequency and money. Of each customer a row of totals is kept, of the facts nothing."""

    reads: Literal["facts"] = "facts"
    code_version = f"{__version__}+rfm.{rfm.VERSION}"

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = rfm.Parameters(
            date.fromisoformat(parameters["as_of"]), parameters["time_zone"], parameters["currency"]
        )
        self._totals = [rfm.condense(wire.no_facts(), self._parameters)]

    def condense(self, block: Block) -> pl.DataFrame:
        """Reduce a block of the feed to totals. Errors: CannotBeDone when it holds another currency."""
        try:
            return rfm.condense(wire.read_facts(block.lines, block.columns), self._parameters)
        except rfm.MixedCurrencies as mixed:
            raise CannotBeDone(f"{mixed} A run never converts: record purchases in one currency.") from None

    def keep(self, totals: Sequence[pl.DataFrame]) -> None:
        """Take in the totals of all blocks of one range; its customers are in no other range."""
        if totals:
            self._totals.append(rfm.combine(totals))

    def finish(self) -> Outcome:
        """Rank everybody."""
        totals = pl.concat(self._totals)
        self._totals = [totals.clear()]
        scores = rfm.rank(totals, self._parameters)
        scored_count = int((scores["status"] == "ok").sum())
        return Outcome(
            rows=wire.Rows(RFM, scores, self._parameters.currency),
            input_hash=rfm.fingerprint(totals),
            watched=sampled(scores.select("recency_days", "order_count", "amount_minor")),
            counts={
                "facts_used": int(totals["observation_count"].sum()),
                "customers_scored": scored_count,
                "customers_without_purchase": scores.height - scored_count,
            },
        )
