"""Gamma-Gamma: what a purchase of a customer is worth on average.

Fader, Hardie (2013), "The Gamma-Gamma Model of Monetary Value". The money of one purchase is Gamma(p, ν) with ν
~ Gamma(q, v), independent of how often the customer buys. A customer is x repeat purchases of mean value m. Money is in
minor units, and so is v. The mean of all customers is p·v/(q-1); below q = 1 it does not exist.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, psi

from .likelihood import Floats, maximize
from .states import Status

FEWEST_CUSTOMERS: Final = 10
NAMES: Final = ("p", "q", "v")
_BOUNDS: Final = ((1e-2, 1e3), (1e-2, 1e3), (1e-4, 1e5))
_WANTED: Final = {"q": (0, 1, 0), "p times v": (1, 0, 1)}
"""The mean value of all and how customers differ in it. How evenly one customer spends (p alone) may stay open."""
_STARTS: Final = ((2.0, 3.0, 1.0), (6.0, 3.5, 0.4), (1.0, 1.5, 0.5))


@dataclass(frozen=True, slots=True)
class Fit:
    """Parameters (v in minor units), relative standard errors, log-likelihood, a state; `correlation` of x with m.

    The model assumes the correlation to be nought; a large one says that its values lean to the middle.
    """

    p: float
    q: float
    v: float
    relative_errors: tuple[float, ...]
    log_likelihood: float
    customer_count: int
    correlation: float
    status: Status
    reason: str | None


def fit(repeats: NDArray[np.int64], mean_minor: Floats) -> Fit:
    """Fit the customers with a repeat purchase and a mean value above zero; the others say nothing to it.

    States: insufficient_data below `FEWEST_CUSTOMERS`, those of `likelihood.maximize`, not_identified with q ≤ 1.
    """
    chosen = (repeats > 0) & (mean_minor > 0)
    order = np.lexsort((mean_minor[chosen], repeats[chosen]))
    x, m = repeats[chosen][order].astype(np.float64), mean_minor[chosen][order]
    if len(x) < FEWEST_CUSTOMERS:
        nothing = float("nan")
        reason = f"{len(x)} customers bought again for money; at least {FEWEST_CUSTOMERS} are needed."
        return Fit(nothing, nothing, nothing, (), nothing, len(x), nothing, "insufficient_data", reason)
    scale = float(m.mean())
    rows = _Rows(x, m / scale)
    found = maximize(rows.objective, _STARTS, _BOUNDS, NAMES, len(x), _WANTED)
    p, q, v = found.parameters
    status, reason_found = found.status, found.reason
    if status == "ok" and q <= 1:
        status, reason_found = "not_identified", "The values are spread so widely that they have no mean (q ≤ 1)."
    total = (found.mean_log_likelihood - float(np.log(scale))) * len(x)
    return Fit(p, q, v * scale, found.relative_errors, total, len(x), _correlation(x, m), status, reason_found)


def mean_value(fit: Fit, repeats: NDArray[np.int64], mean_minor: Floats) -> Floats:
    """Expect the mean value of a customer's purchases: her own mean, drawn to that of all by how few she made.

    A mean below zero (more refunded than paid) counts as zero.
    """
    x, own = repeats.astype(np.float64), np.maximum(mean_minor, 0.0)
    value: Floats = fit.p * (fit.v + x * own) / (fit.p * x + fit.q - 1)
    return value


class _Rows:
    def __init__(self, x: Floats, m: Floats) -> None:
        self.x, self.m = x, m
        self.xs, self.at = np.unique(x, return_inverse=True)
        self.log_m, self.log_x = np.log(m), np.log(x)

    def objective(self, logs: Floats) -> tuple[float, Floats]:
        """Minus the mean log-likelihood, and its gradient by log parameter."""
        p, q, v = np.exp(logs)
        x, count = self.x, len(self.x)
        shapes = p * self.xs
        log_sum = np.log(v + x * self.m)
        known = (gammaln(shapes + q) - gammaln(shapes) - gammaln(q) + q * np.log(v))[self.at]
        rows = known + (p * x - 1) * self.log_m + p * x * self.log_x - (p * x + q) * log_sum
        both = psi(shapes + q)
        by_p = (self.xs * (both - psi(shapes)))[self.at] + x * (self.log_m + self.log_x - log_sum)
        by_q = (both - psi(q) + np.log(v))[self.at] - log_sum
        by_v = q / v - (p * x + q) / (v + x * self.m)
        gradient = np.array([by_p.sum() * p, by_q.sum() * q, by_v.sum() * v]) / count
        return -float(rows.sum()) / count, -gradient


def _correlation(x: Floats, m: Floats) -> float:
    spread = float(x.std() * m.std())
    return float(((x - x.mean()) * (m - m.mean())).mean()) / spread if spread > 0 else 0.0
