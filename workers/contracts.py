"""Churn with a contract in a worker: of each customer the times under contract are kept, and what was agreed."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal

import polars as pl

from crm_api import __version__
from crm_api.analytics import rfm, wire
from crm_api.analytics.distributions import sampled
from crm_api.analytics.methods import contract_churn, contract_hazard
from crm_api.analytics.methods.backtesting import Backtest
from crm_api.analytics.methods.leaks import LeakingFeatures
from crm_api.analytics.outputs import CONTRACT_CHURN

from .models import Block, Outcome
from .work import CannotBeDone


def contract_model(parameters: Mapping[str, Any]) -> "ContractModel | HazardModel":
    """Make the model of a run of `contract_churn`: by age alone, or by what was agreed too."""
    return HazardModel(parameters) if parameters["properties"] else ContractModel(parameters)


class ContractModel:
    """Who will end a contract, by its age."""

    reads: Literal["facts"] = "facts"
    code_version = f"{__version__}+{contract_churn.MODEL}.{contract_churn.VERSION}"

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._zone = parameters["time_zone"]
        self._began, self._ended = parameters["kinds"]
        watched_from = parameters["watched_from"]
        self.asked = contract_churn.Parameters(
            as_of=date.fromisoformat(parameters["as_of"]),
            horizon_days=parameters["horizon_days"],
            min_at_risk=parameters["min_at_risk"],
            watched_from=None if watched_from is None else date.fromisoformat(watched_from),
        )
        self._spells = [contract_churn.spells(self.condensed(wire.no_facts()))]

    def condense(self, block: Block) -> pl.DataFrame:
        """Reduce a block of the feed to what changed on each day."""
        return self.condensed(wire.read_facts(block.lines, block.columns))

    def condensed(self, facts: pl.DataFrame) -> pl.DataFrame:
        """Reduce facts to what changed on each day."""
        return contract_churn.condense(wire.dated(facts, self._zone, self.asked.as_of), self._began, self._ended)

    def begun(self, facts: pl.DataFrame) -> pl.DataFrame:
        """Keep what beginnings told, as `contract_hazard.read_terms` wants it."""
        on = pl.col("occurred_at").dt.convert_time_zone(self._zone).dt.date()
        told = facts.filter(pl.col("kind") == self._began).with_columns(on=on).filter(pl.col("on") < self.asked.as_of)
        return told.select("customer_id", "on", "occurred_at", "told")

    def spells(self) -> pl.DataFrame:
        """All times under contract."""
        return pl.concat(self._spells).sort("customer_id", "started_on")

    def keep(self, days: Sequence[pl.DataFrame]) -> None:
        """Take in the days of all blocks of one range; its customers are in no other range."""
        if days:
            self._spells.append(contract_churn.spells(contract_churn.combine(days)))

    def finish(self) -> Outcome:
        """Estimate how contracts end, score those that run, and judge the method by the last horizon."""
        spells = self.spells()
        fitted = contract_churn.fit(spells, self.asked)
        scores = contract_churn.score(spells, fitted, self.asked)
        counts = {"contracts_used": spells.height, "contracts_ended": fitted.ended_count}
        return _outcome(scores, rfm.fingerprint(spells), counts, contract_churn.backtest(spells, self.asked))


class HazardModel:
    """Who will end a contract, by its age and by what was agreed when it began."""

    reads: Literal["contracts"] = "contracts"
    code_version = f"{__version__}+{contract_churn.MODEL}.{contract_hazard.VERSION}"

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._ages = ContractModel(parameters)
        self._properties = parameters["properties"]
        self._terms = [self._ages.begun(wire.no_contracts())]

    def condense(self, block: Block) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Reduce a block of the feed to what changed on each day, and to what beginnings told."""
        facts = wire.read_contracts(block.lines, block.columns)
        return self._ages.condensed(facts), self._ages.begun(facts)

    def keep(self, condensed: Sequence[tuple[pl.DataFrame, pl.DataFrame]]) -> None:
        """Take in all blocks of one range; its customers are in no other range."""
        self._ages.keep([days for days, _ in condensed])
        self._terms += [told for _, told in condensed]

    def finish(self) -> Outcome:
        """Learn from the last horizon, score contracts that run, and judge the method by it. Errors: CannotBeDone."""
        asked, spells = self._ages.asked, self._ages.spells()
        begun = pl.concat(self._terms)
        terms = contract_hazard.read_terms(begun, self._properties)
        try:
            fitted = contract_hazard.fit(spells, terms, asked)
            judged = contract_hazard.backtest(spells, terms, fitted, asked)
        except LeakingFeatures as known:
            raise CannotBeDone(f"{known} What tells the end of a contract before it comes is no term of it.") from None
        scores = contract_hazard.score(spells, terms, fitted, asked)
        hashed = hashlib.sha256(f"{rfm.fingerprint(spells)}{rfm.fingerprint(terms)}".encode()).hexdigest()
        counts = {"contracts_used": spells.height, "contracts_ended": int(fitted.happened.sum())}
        return _outcome(scores, hashed, counts, judged)


def _outcome(scores: pl.DataFrame, input_hash: str, counts: dict[str, int], backtest: Backtest) -> Outcome:
    scored_count = int((scores["status"] == "ok").sum())
    told = {"customers_scored": scored_count, "customers_without_estimate": scores.height - scored_count}
    return Outcome(
        rows=wire.Rows(CONTRACT_CHURN, scores),
        input_hash=input_hash,
        counts=counts | told,
        watched=sampled(scores.select("end_probability", "contract_months")),
        backtest=backtest,
    )
