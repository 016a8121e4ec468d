"""Price sensitivity in a worker: of each customer's days sums are kept, of the lines nothing."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal

import polars as pl

from crm_api import __version__
from crm_api.analytics import rfm, wire
from crm_api.analytics.distributions import sampled
from crm_api.analytics.methods import price_sensitivity
from crm_api.analytics.methods.purchases import REFUND_KIND
from crm_api.analytics.outputs import PRICE_SENSITIVITY

from .models import Block, Outcome
from .numbered import Numbered, named
from .work import CannotBeDone


class PriceModel:
    """Who buys at list price, and who waits for discounts."""

    reads: Literal["lines"] = "lines"
    code_version = f"{__version__}+{price_sensitivity.MODEL}.{price_sensitivity.VERSION}"

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._zone, self._currency = parameters["time_zone"], parameters["currency"]
        self._without = parameters["without_departments"]
        self._asked = price_sensitivity.Parameters(
            as_of=date.fromisoformat(parameters["as_of"]),
            interval=parameters["interval"],
            min_lines=parameters["min_lines"],
        )
        self._cut_on = self._asked.as_of - timedelta(days=parameters["backtest_days"])
        self._days = Numbered(self._condensed(wire.no_lines()))

    def condense(self, block: Block) -> pl.DataFrame:
        """Sum a block of the feed up by customer and day. Errors: CannotBeDone when it holds another currency."""
        return self._condensed(wire.read_lines(block.lines, block.columns))

    def _condensed(self, lines: pl.DataFrame) -> pl.DataFrame:
        try:
            items = wire.items(lines, self._zone, self._asked.as_of, self._currency)
        except rfm.MixedCurrencies as mixed:
            raise CannotBeDone(f"{mixed} A run never converts: record purchases in one currency.") from None
        left_out = pl.col("department").is_in(self._without).fill_null(False)
        bought = items.filter((pl.col("kind") != REFUND_KIND) & ~left_out)
        # What costs more than its list price is no discount, and none takes more than the price.
        discount = (pl.col("list_minor") - pl.col("paid_minor")).clip(0, pl.col("list_minor").clip(0))
        return price_sensitivity.condense(bought.with_columns(discount.alias("discount_minor")), self._asked.as_of)

    def keep(self, days: Sequence[pl.DataFrame]) -> None:
        """Take in the days of all blocks of one range; its customers are in no other range."""
        if days:
            self._days.add(price_sensitivity.combine(days))

    def finish(self) -> Outcome:
        """Fit, judge everybody, and judge the method by the days that were held back."""
        ids, days = self._days.take()
        fitted = price_sensitivity.fit(days, self._asked)
        scores = named(price_sensitivity.score(days, fitted, self._asked), ids)
        judged_count = int((scores["status"] == "ok").sum())
        return Outcome(
            rows=wire.Rows(PRICE_SENSITIVITY, scores, self._currency),
            input_hash=rfm.digest(ids.to_frame(), days),
            counts={
                "lines_used": int(scores["observation_count"].sum()),
                "customers_scored": judged_count,
                "customers_without_estimate": scores.height - judged_count,
            },
            watched=sampled(scores.select("full_price_rate", "discount_rate", "list_minor", "observation_count")),
            backtest=price_sensitivity.backtest(days, self._cut_on, self._asked),
        )
