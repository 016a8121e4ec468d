"""Climate zones in a worker: of each customer the place is kept, and looked up in the end."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import polars as pl

from crm_api import __version__
from crm_api.analytics import rfm, wire
from crm_api.analytics.distributions import sampled
from crm_api.analytics.methods import climate
from crm_api.analytics.outputs import CLIMATE
from crm_api.analytics.outputs.climate import ZONES

from .models import Block, Outcome


class ClimateModel:
    """The climate of each customer's main address."""

    reads: Literal["addresses"] = "addresses"
    code_version = f"{__version__}+{climate.MODEL}.{climate.VERSION}"

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._addresses = [wire.no_addresses()]

    def condense(self, block: Block) -> pl.DataFrame:
        """Read a block of the feed: an address is as short as it gets."""
        return wire.read_addresses(block.lines, block.columns)

    def keep(self, addresses: Sequence[pl.DataFrame]) -> None:
        """Take in the addresses of all blocks of one range; its customers are in no other range."""
        self._addresses.extend(addresses)

    def finish(self) -> Outcome:
        """Look everybody up. Who has nothing to be looked up by has no row, and the API says why."""
        addresses = pl.concat(self._addresses).sort("customer_id")
        self._addresses = [addresses.clear()]
        scores = climate.score(addresses).filter(pl.col("observation_count") > 0)
        scored_count = int((scores["status"] == "ok").sum())
        zone_number = pl.col("climate_zone").replace_strict(ZONES, range(len(ZONES)), default=None)
        return Outcome(
            rows=wire.Rows(CLIMATE, scores),
            input_hash=rfm.fingerprint(addresses),
            counts={
                "addresses_used": scores.height,
                "customers_scored": scored_count,
                "customers_without_zone": scores.height - scored_count,
            },
            watched=sampled(scores.select(zone_number.cast(pl.Int64).alias("zone_number"))),
        )
