"""Models of buying in a worker: of each customer the history is kept, of the facts nothing."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final, Literal, Protocol

import polars as pl

from crm_api import __version__
from crm_api.analytics import rfm, wire
from crm_api.analytics.distributions import sampled
from crm_api.analytics.methods import churn, lifetime_value, purchases
from crm_api.analytics.methods.backtesting import Backtest
from crm_api.analytics.outputs import CHURN, LIFETIME_VALUE, Output, stored_name

from .models import Block, Outcome
from .work import CannotBeDone

_INPUTS: Final = ("repeats", "recency_days", "age_days", "repeat_minor")


class Method(Protocol):
    """What is told of customers by their histories."""

    output: Output
    version: str

    def scores(self, histories: pl.DataFrame) -> pl.DataFrame:
        """Fit, and score everybody."""

    def judge(self, known: pl.DataFrame, later: pl.DataFrame, cut_on: date) -> Backtest:
        """Fit to histories up to the cut, and compare with what came after it."""


class LifetimeValue:
    """Purchases and money to be expected."""

    output, version = LIFETIME_VALUE, lifetime_value.VERSION

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._asked = lifetime_value.Parameters(
            as_of=date.fromisoformat(parameters["as_of"]),
            horizon_days=parameters["horizon_days"],
            discount_rate=parameters["discount_rate"],
            interval=parameters["interval"],
            unit=parameters["unit"],
        )

    def scores(self, histories: pl.DataFrame) -> pl.DataFrame:
        return lifetime_value.score(histories, lifetime_value.fit(histories, self._asked), self._asked)

    def judge(self, known: pl.DataFrame, later: pl.DataFrame, cut_on: date) -> Backtest:
        return lifetime_value.judge(known, later, cut_on, self._asked)


class Churn:
    """Who will not buy again for a while."""

    output, version = CHURN, churn.VERSION

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        as_of = date.fromisoformat(parameters["as_of"])
        self._asked = churn.Parameters(as_of, parameters["horizon_days"], parameters["unit"])

    def scores(self, histories: pl.DataFrame) -> pl.DataFrame:
        return churn.score(histories, churn.fit(histories, self._asked), self._asked)

    def judge(self, known: pl.DataFrame, later: pl.DataFrame, cut_on: date) -> Backtest:
        return churn.judge(known, later, cut_on, self._asked)


class BuyingModel:
    """A range of customers is reduced to histories once all of it was read: up to the reference date, and for the
    backtest up to the cut, with what came after it.
    """

    reads: Literal["facts"] = "facts"

    def __init__(self, method: Method, parameters: Mapping[str, Any], held_back_days: int) -> None:
        self.code_version = f"{__version__}+{method.output.model}.{method.version}"
        self._method, self._unit = method, parameters["unit"]
        self._zone, self._currency = parameters["time_zone"], parameters["currency"]
        self._as_of = date.fromisoformat(parameters["as_of"])
        self._cut_on = self._as_of - timedelta(days=held_back_days)
        self._histories: list[pl.DataFrame] = []
        self._known: list[pl.DataFrame] = []
        self._later: list[pl.DataFrame] = []
        self.keep([self._days(wire.no_facts())])

    def condense(self, block: Block) -> pl.DataFrame:
        """Sum a block of the feed up by customer and day. Errors: CannotBeDone when it holds another currency."""
        return self._days(wire.read_facts(block.lines, block.columns))

    def _days(self, facts: pl.DataFrame) -> pl.DataFrame:
        try:
            dated = wire.dated(facts, self._zone, self._as_of, self._currency)
        except rfm.MixedCurrencies as mixed:
            raise CannotBeDone(f"{mixed} A run never converts: record purchases in one currency.") from None
        return purchases.customer_days(dated, self._as_of)

    def keep(self, days: Sequence[pl.DataFrame]) -> None:
        """Take in the days of all blocks of one range; its customers are in no other range."""
        if not days:
            return
        whole = purchases.combine(days)
        self._histories.append(purchases.histories(whole, self._as_of, self._unit))
        self._known.append(purchases.histories(whole, self._cut_on, self._unit))
        self._later.append(purchases.outcomes(whole, self._cut_on, self._as_of, self._unit))

    def finish(self) -> Outcome:
        """Fit, score everybody, and judge the method by the days that were held back."""
        histories, known, later = (pl.concat(kept) for kept in (self._histories, self._known, self._later))
        self._histories, self._known, self._later = [], [], []
        scores = self._method.scores(histories)
        scored_count = int((scores["status"] == "ok").sum())
        inputs = (rfm.fingerprint(frame) for frame in (histories, known, later))
        went_in = histories.sort("customer_id").select(pl.col(_INPUTS).name.prefix("input_"))
        came_out = [stored_name(value) for value in self._method.output.values]
        return Outcome(
            watched=sampled(pl.concat([went_in, scores.select(came_out)], how="horizontal")),
            rows=wire.Rows(self._method.output, scores, self._currency),
            input_hash=hashlib.sha256("".join(inputs).encode()).hexdigest(),
            counts={
                "facts_used": int(histories["observation_count"].sum()),
                "customers_scored": scored_count,
                "customers_without_estimate": scores.height - scored_count,
            },
            backtest=self._method.judge(known, later, self._cut_on),
        )


def lifetime_value_model(parameters: Mapping[str, Any]) -> BuyingModel:
    """Make the model of a run of `lifetime_value`."""
    return BuyingModel(LifetimeValue(parameters), parameters, parameters["backtest_days"])


def churn_model(parameters: Mapping[str, Any]) -> BuyingModel:
    """Make the model of a run of `churn`, whose backtest is as long as its horizon."""
    return BuyingModel(Churn(parameters), parameters, parameters["horizon_days"])
