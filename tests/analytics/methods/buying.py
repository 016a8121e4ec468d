"""Customers who buy, stay and spend as BG/NBD and Gamma-Gamma say, with parameters that are known."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

START = date(2020, 1, 1)


@dataclass(frozen=True)
class Truth:
    """The parameters customers are made with; time in weeks, money in minor units."""

    r: float = 0.25
    alpha: float = 4.5
    a: float = 0.8
    b: float = 2.4
    p: float = 6.0
    q: float = 4.0
    v: float = 1500.0


def simulate(truth: Truth, customers: int = 4000, days: int = 400, seed: int = 1) -> pl.DataFrame:
    """Purchases (customer_id, on, amount_minor) of `days` days; everybody's first falls into the first quarter."""
    random = np.random.default_rng(seed)
    rows: list[tuple[str, date, int]] = []
    for number in range(customers):
        rate, leaving = random.gamma(truth.r, 1 / truth.alpha) / 7, random.beta(truth.a, truth.b)
        spending = random.gamma(truth.q, 1 / truth.v)
        at, left = float(random.integers(0, 90)), False
        while at < days:
            money = max(1, round(random.gamma(truth.p, 1 / spending)))
            rows.append((f"c{number:06}", START + timedelta(days=int(at)), money))
            if left:
                break
            at += random.exponential(1 / rate) if rate > 1e-9 else days
            left = random.random() < leaving
    return pl.DataFrame(rows, schema={"customer_id": pl.String, "on": pl.Date, "amount_minor": pl.Int64}, orient="row")
