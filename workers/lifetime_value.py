"""Lifetime value in a worker: of each customer the history is kept, of the facts nothing."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl

from crm_api import __version__
from crm_api.analytics import rfm, wire
from crm_api.analytics.methods import lifetime_value, purchases
from crm_api.analytics.outputs import LIFETIME_VALUE

from .models import Block, Outcome
from .work import CannotBeDone


class LifetimeValueModel:
    """Purchases and money to be expected. A range of customers is reduced to histories once all of it was read: up to
    the reference date, and for the backtest up to the cut, with what came after it.
    """

    code_version = f"{__version__}+{lifetime_value.MODEL}.{lifetime_value.VERSION}"

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._zone, self._currency = parameters["time_zone"], parameters["currency"]
        self._asked = lifetime_value.Parameters(
            as_of=date.fromisoformat(parameters["as_of"]),
            horizon_days=parameters["horizon_days"],
            discount_rate=parameters["discount_rate"],
            interval=parameters["interval"],
            unit=parameters["unit"],
        )
        self._cut_on = self._asked.as_of - timedelta(days=parameters["backtest_days"])
        self._histories: list[pl.DataFrame] = []
        self._known: list[pl.DataFrame] = []
        self._later: list[pl.DataFrame] = []
        self.keep([self._days(wire.no_facts())])

    def condense(self, block: Block) -> pl.DataFrame:
        """Sum a block of the feed up by customer and day. Errors: CannotBeDone when it holds another currency."""
        return self._days(wire.read_facts(block.lines, block.columns))

    def _days(self, facts: pl.DataFrame) -> pl.DataFrame:
        try:
            dated = wire.dated(facts, self._zone, self._asked.as_of, self._currency)
        except rfm.MixedCurrencies as mixed:
            raise CannotBeDone(f"{mixed} A run never converts: record purchases in one currency.") from None
        return purchases.customer_days(dated, self._asked.as_of)

    def keep(self, days: Sequence[pl.DataFrame]) -> None:
        """Take in the days of all blocks of one range; its customers are in no other range."""
        if not days:
            return
        whole, unit = purchases.combine(days), self._asked.unit
        self._histories.append(purchases.histories(whole, self._asked.as_of, unit))
        self._known.append(purchases.histories(whole, self._cut_on, unit))
        self._later.append(purchases.outcomes(whole, self._cut_on, self._asked.as_of, unit))

    def finish(self) -> Outcome:
        """Fit, score everybody, and judge the method by the days that were held back."""
        histories, known, later = (pl.concat(kept) for kept in (self._histories, self._known, self._later))
        self._histories, self._known, self._later = [], [], []
        fitted = lifetime_value.fit(histories, self._asked)
        scores = lifetime_value.score(histories, fitted, self._asked)
        scored_count = int((scores["status"] == "ok").sum())
        inputs = (rfm.fingerprint(frame) for frame in (histories, known, later))
        return Outcome(
            rows=wire.write_rows(LIFETIME_VALUE, scores, self._currency),
            input_hash=hashlib.sha256("".join(inputs).encode()).hexdigest(),
            counts={
                "facts_used": int(histories["observation_count"].sum()),
                "customers_scored": scored_count,
                "customers_without_estimate": scores.height - scored_count,
            },
            backtest=lifetime_value.judge(known, later, self._cut_on, self._asked),
        )
