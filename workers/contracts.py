"""Churn with a contract in a worker: of each customer the times under contract are kept."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal

import polars as pl

from crm_api import __version__
from crm_api.analytics import rfm, wire
from crm_api.analytics.distributions import sampled
from crm_api.analytics.methods import contract_churn
from crm_api.analytics.outputs import CONTRACT_CHURN

from .models import Block, Outcome


class ContractModel:
    """Who will end a contract."""

    reads: Literal["facts"] = "facts"
    code_version = f"{__version__}+{contract_churn.MODEL}.{contract_churn.VERSION}"

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._zone = parameters["time_zone"]
        self._began, self._ended = parameters["kinds"]
        watched_from = parameters["watched_from"]
        self._asked = contract_churn.Parameters(
            as_of=date.fromisoformat(parameters["as_of"]),
            horizon_days=parameters["horizon_days"],
            min_at_risk=parameters["min_at_risk"],
            watched_from=None if watched_from is None else date.fromisoformat(watched_from),
        )
        self._spells = [contract_churn.spells(self._condensed(wire.no_facts()))]

    def condense(self, block: Block) -> pl.DataFrame:
        """Reduce a block of the feed to what changed on each day."""
        return self._condensed(wire.read_facts(block.lines, block.columns))

    def _condensed(self, facts: pl.DataFrame) -> pl.DataFrame:
        return contract_churn.condense(wire.dated(facts, self._zone, self._asked.as_of), self._began, self._ended)

    def keep(self, days: Sequence[pl.DataFrame]) -> None:
        """Take in the days of all blocks of one range; its customers are in no other range."""
        if days:
            self._spells.append(contract_churn.spells(contract_churn.combine(days)))

    def finish(self) -> Outcome:
        """Estimate how contracts end, score those that run, and judge the method by the last horizon."""
        spells = pl.concat(self._spells).sort("customer_id", "started_on")
        self._spells = [spells.clear()]
        fitted = contract_churn.fit(spells, self._asked)
        scores = contract_churn.score(spells, fitted, self._asked)
        scored_count = int((scores["status"] == "ok").sum())
        return Outcome(
            rows=wire.write_rows(CONTRACT_CHURN, scores),
            input_hash=rfm.fingerprint(spells),
            counts={
                "contracts_used": spells.height,
                "contracts_ended": fitted.ended_count,
                "customers_scored": scored_count,
                "customers_without_estimate": scores.height - scored_count,
            },
            watched=sampled(scores.select("end_probability", "contract_months")),
            backtest=contract_churn.backtest(spells, self._asked),
        )
