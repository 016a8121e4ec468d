"""BG/NBD: how often customers without a contract buy, and whether they still do.

Fader, Hardie, Lee (2005), "Counting Your Customers the Easy Way", Marketing Science 24(2). While alive a customer buys
as a Poisson process with rate λ ~ Gamma(r, α); after each purchase she leaves with probability p ~ Beta(a, b). Time is
in weeks. A customer is x repeat purchases, the last at t_x, in T since the first purchase.

Given alive at T, λ ~ Gamma(r+x, α+T) and p ~ Beta(a, b+x) independently, so for a horizon t, with τ = t/(α+T):

- E[Y | alive] = E_p[(1 - (1 + pτ)^-(r+x)) / p], taken by Gauss-Jacobi quadrature over p: the paper's formula (10)
  without its pole at a = 1 and without the overflow of its hypergeometric function for heavy buyers;
- P(Y ≥ n | alive) = I_{τ/(1+τ)}(n, r+x) · B(a, b+x+n-1) / B(a, b+x), exactly: the n-th purchase happens when the
  process gets that far and each of the n-1 coins between said stay.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal
from scipy.special import betainc, gammaln, psi

from .likelihood import Floats, Optimum, highest, maximize
from .states import Status

DAYS_PER_WEEK: Final = 7.0
FEWEST_REPEATERS: Final = 10
"""Customers with a repeat purchase below which nothing is fitted."""
NAMES: Final = ("r", "alpha", "a", "b")
_BOUNDS: Final = ((1e-3, 1e3), (1e-3, 1e5), (1e-3, 1e3), (1e-3, 1e3))
_WANTED: Final = {"r": (1, 0, 0, 0), "alpha": (0, 1, 0, 0), "the share that leaves": (0, 0, 1, -1)}
LEAST_GAIN: Final = 6.63
"""Twice the gain in log-likelihood that drop-out must bring: 1% of a chi-square with one degree of freedom."""
_SURELY_LEAVES: Final = 0.3
"""Where a, which is nought when nobody leaves, is known as well as this, its gain need not be asked for."""
_NODES: Final = 40


@dataclass(frozen=True, slots=True)
class Fit:
    """Parameters (α in weeks), their relative standard errors, the log-likelihood of the fitted customers, a state."""

    r: float
    alpha: float
    a: float
    b: float
    relative_errors: tuple[float, ...]
    log_likelihood: float
    customer_count: int
    row_count: int
    status: Status
    reason: str | None


@dataclass(frozen=True, slots=True)
class Ahead:
    """What an alive customer does in a horizon, by row: the mean, the second factorial moment, P(at least one)."""

    mean: Floats
    factorial: Floats
    any: Floats


def fit(repeats: NDArray[np.int64], recency_days: NDArray[np.int64], age_days: NDArray[np.int64]) -> Fit:
    """Fit customers given as three arrays of equal length; equal customers are one row with a count.

    States: insufficient_data below `FEWEST_REPEATERS`; those of `likelihood.maximize`; not_identified when the model in
    which nobody leaves explains the purchases as well. How unlike customers are in leaving (a and b each) may stay
    open: predictions hang on the share that leaves.
    """
    repeaters = int((repeats > 0).sum())
    if repeaters < FEWEST_REPEATERS:
        nothing = float("nan")
        reason = f"{repeaters} customers bought again; at least {FEWEST_REPEATERS} are needed."
        status: Status = "insufficient_data"
        return Fit(nothing, nothing, nothing, nothing, (), nothing, len(repeats), 0, status, reason)
    rows = _Rows(repeats, recency_days, age_days)
    found = maximize(rows.objective, _starts(repeats, age_days), _BOUNDS, NAMES, len(repeats), _WANTED)
    fitted = _fit_of(found, len(repeats), len(rows.weight))
    if fitted.status != "ok" or fitted.relative_errors[2] < _SURELY_LEAVES:
        return fitted
    gain = 2 * (fitted.log_likelihood - _log_likelihood_of_staying(rows, fitted))
    if gain >= LEAST_GAIN:
        return fitted
    reason = f"Drop-out: customers who never leave explain the purchases as well (likelihood ratio {gain:.2f})."
    return replace(fitted, status="not_identified", reason=reason)


def _log_likelihood_of_staying(rows: "_Rows", fitted: Fit) -> float:
    """Fit the same customers as if nobody ever left: r and α alone."""
    stays = np.log([1e-9, 1.0])

    def objective(logs: Floats) -> tuple[float, Floats]:
        value, gradient = rows.objective(np.append(logs, stays))
        return value, gradient[:2]

    return highest(objective, (fitted.r, fitted.alpha), _BOUNDS[:2]) * fitted.customer_count


def _fit_of(found: Optimum, customers: int, rows: int) -> Fit:
    total = found.mean_log_likelihood * customers
    r, alpha, a, b = found.parameters
    return Fit(r, alpha, a, b, found.relative_errors, total, customers, rows, found.status, found.reason)


def _starts(repeats: NDArray[np.int64], age_days: NDArray[np.int64]) -> list[tuple[float, float, float, float]]:
    """Begin where the mean rate is right, with dispersed or like customers, who leave early or hardly."""
    weeks = max(float(age_days.sum()) / DAYS_PER_WEEK, 1.0)
    rate = max(float(repeats.sum()) / weeks, 1e-6)
    return [(r, r / rate, a, b) for r, a, b in ((0.3, 0.8, 2.5), (1.0, 0.2, 4.0), (0.6, 1.5, 1.0))]


class _Rows:
    """Collapsed customers, sorted, with every function of one variable computed on its distinct values alone."""

    def __init__(self, repeats: NDArray[np.int64], recency: NDArray[np.int64], age: NDArray[np.int64]) -> None:
        table, count = _collapsed(repeats, recency, age)
        self.weight: Floats = count / count.sum()
        self.x, self.at_x = np.unique(table[:, 0].astype(np.float64), return_inverse=True)
        self.age, self.at_age = np.unique(table[:, 2] / DAYS_PER_WEEK, return_inverse=True)
        self.count: Floats = self.x[self.at_x]
        # Shares of customers by number of repeats: for the terms that know x alone.
        self.by_x: Floats = np.bincount(self.at_x, weights=self.weight).astype(np.float64)
        # Only who came back can have left; rows are sorted by x, so these are the last ones.
        self.first = int(np.searchsorted(table[:, 0], 1))
        self.t, self.at_t = np.unique(table[self.first :, 1] / DAYS_PER_WEEK, return_inverse=True)

    def objective(self, logs: Floats) -> tuple[float, Floats]:
        """Minus the mean log-likelihood, and its gradient by log parameter."""
        r, alpha, a, b = np.exp(logs)
        x, again = self.x, slice(self.first, None)
        log_age, log_t = np.log(alpha + self.age)[self.at_age], np.log(alpha + self.t)[self.at_t]
        known = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + _log_stays(a, b, x)
        stays = -(r + self.count) * log_age
        odds = (np.log(a) - np.log(np.maximum(b + x - 1, b)))[self.at_x[again]]
        odds = odds + (r + self.count[again]) * (log_age[again] - log_t)
        # log(1 + e^odds) and its derivative from one exponential that cannot overflow.
        small = np.exp(-np.abs(odds))
        stays[again] += np.maximum(odds, 0) + np.log1p(small)
        left = self.weight[again] * np.where(odds > 0, 1, small) / (1 + small)
        total = float((self.by_x * known).sum() + (self.weight * stays).sum())
        return -total, -self._gradient((r, alpha, a, b), left, log_age, log_t)

    def _gradient(self, at: tuple[float, float, float, float], left: Floats, log_age: Floats, log_t: Floats) -> Floats:
        r, alpha, a, b = at
        x, again = self.x, slice(self.first, None)
        stayed = self.weight.copy()
        stayed[again] -= left
        left_x = np.bincount(self.at_x[again], weights=left, minlength=len(x))
        by_r = (self.by_x * (psi(r + x) - psi(r) + np.log(alpha))).sum()
        by_r -= (stayed * log_age).sum() + (left * log_t).sum()
        shape = r + self.count
        by_alpha = r / alpha - (shape * stayed / (alpha + self.age)[self.at_age]).sum()
        by_alpha -= (shape[again] * left / (alpha + self.t)[self.at_t]).sum()
        both, all_x = psi(a + b), psi(a + b + x)
        by_a = (self.by_x * (both - all_x)).sum() + left_x.sum() / a
        by_b = (self.by_x * (both + psi(b + x) - psi(b) - all_x)).sum()
        by_b -= (left_x[x > 0] / (b + x[x > 0] - 1)).sum()
        return np.array([by_r * r, by_alpha * alpha, by_a * a, by_b * b])


def _collapsed(*columns: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Collapse equal rows: the distinct ones, sorted by the columns in turn, and how often each occurs."""
    sizes = [int(column.max(initial=0)) + 1 for column in columns]
    if sizes[0] * sizes[1] * sizes[2] >= 2**62 or min(int(column.min(initial=0)) for column in columns) < 0:
        return np.unique(np.column_stack(columns), axis=0, return_counts=True)
    # One number per row sorts many times faster than rows do.
    keys, count = np.unique((columns[0] * sizes[1] + columns[1]) * sizes[2] + columns[2], return_counts=True)
    rest, last = np.divmod(keys, sizes[2])
    return np.column_stack((*np.divmod(rest, sizes[1]), last)), count


def _log_stays(a: float, b: float, x: Floats) -> Floats:
    """Log of B(a, b+x) / B(a, b): the chance that x coins in a row said stay."""
    log: Floats = gammaln(a + b) - gammaln(b) + gammaln(b + x) - gammaln(a + b + x)
    return log


def p_alive(
    fit: Fit, repeats: NDArray[np.int64], recency_days: NDArray[np.int64], age_days: NDArray[np.int64]
) -> Floats:
    """Say how likely each customer still buys at all; 1 without a repeat: in this model she leaves only after one."""
    x, again = repeats.astype(np.float64), repeats > 0
    age, last = age_days / DAYS_PER_WEEK, recency_days / DAYS_PER_WEEK
    odds = np.log(fit.a) - np.log(np.where(again, fit.b + x - 1, 1.0))
    odds = odds + (fit.r + x) * (np.log(fit.alpha + age) - np.log(fit.alpha + last))
    alive: Floats = np.where(again, 1 / (1 + np.exp(np.minimum(odds, 700.0))), 1.0)
    return alive


def ahead(fit: Fit, repeats: NDArray[np.int64], age_days: NDArray[np.int64], weeks: float) -> Ahead:
    """Compute what customers who are alive do in the next `weeks`; multiply by `p_alive` for what is to be expected."""
    pairs, at = distinct_pairs(repeats, age_days)
    mean, factorial, some = (np.empty(len(pairs)) for _ in range(3))
    for x in np.unique(pairs[:, 0]):
        of_x = np.flatnonzero(pairs[:, 0] == x)
        tau = weeks / (fit.alpha + pairs[of_x, 1] / DAYS_PER_WEEK)
        mean[of_x], factorial[of_x], some[of_x] = _moments(fit, float(x), tau)
    return Ahead(mean[at], factorial[at], some[at])


def distinct_pairs(
    repeats: NDArray[np.int64], age_days: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Find the distinct rows of two columns, and which of them each is: predictions of the alive hang on no more."""
    _, x = np.unique(repeats, return_inverse=True)
    ages, age = np.unique(age_days, return_inverse=True)
    # One number per row sorts many times faster than rows do.
    _, first, at = np.unique(x * max(len(ages), 1) + age, return_index=True, return_inverse=True)
    return np.column_stack((repeats[first], age_days[first])), at


def _moments(fit: Fit, x: float, tau: Floats) -> tuple[Floats, Floats, Floats]:
    shape = fit.r + x
    p, share = _jacobi(fit.a, fit.b + x)
    p = np.maximum(p, 1e-12)
    log = np.log1p(np.outer(tau, p))
    mean = -np.expm1(-shape * log) / p
    # Below p·τ·(r+x) = 1e-4 the difference of nearly equal terms is replaced by its limit.
    small = np.outer(tau, p) * (shape + 1) < 1e-4
    exact = mean / p - shape * tau[:, None] * np.exp(-(shape + 1) * log) / p
    curved = np.where(small, shape * (shape + 1) * (tau**2)[:, None] / 2, exact)
    return (mean * share).sum(axis=1), (2 * (1 - p) * curved * share).sum(axis=1), -np.expm1(-shape * np.log1p(tau))


def _jacobi(a: float, b: float) -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss quadrature for a Beta(a, b) variable (Golub and Welsch 1969), weights summing to 1."""
    k = np.arange(_NODES, dtype=np.float64)
    # The Jacobi weight on [-1, 1] is (1-z)^(b-1) (1+z)^(a-1), and p = (1+z)/2.
    u, w = b - 1, a - 1
    total = 2 * k + u + w
    with np.errstate(invalid="ignore", divide="ignore"):
        diagonal = (w**2 - u**2) / (total * (total + 2))
        squares = 4 * k * (k + u) * (k + w) * (k + u + w) / (total**2 * (total + 1) * (total - 1))
    diagonal[0] = (w - u) / (u + w + 2)
    squares[1] = 4 * (1 + u) * (1 + w) / ((2 + u + w) ** 2 * (3 + u + w))
    nodes, vectors = eigh_tridiagonal(diagonal, np.sqrt(squares[1:]))
    return (1 + nodes) / 2, vectors[0] ** 2


def at_least(fit: Fit, repeats: Floats, age_days: Floats, weeks: float, n: Floats) -> Floats:
    """Compute P(Y ≥ n | alive) for n ≥ 1, row by row."""
    shape, tau = fit.r + repeats, weeks / (fit.alpha + age_days / DAYS_PER_WEEK)
    stays = fit.b + repeats
    coins = gammaln(stays + n - 1) - gammaln(stays) - gammaln(fit.a + stays + n - 1) + gammaln(fit.a + stays)
    chance: Floats = betainc(n, shape, tau / (1 + tau)) * np.exp(coins)
    return chance


def count_quantile(
    fit: Fit, repeats: NDArray[np.int64], age_days: NDArray[np.int64], alive: Floats, weeks: float, level: float
) -> NDArray[np.int64]:
    """Find, row by row, the smallest n with P(Y ≤ n) ≥ level, by doubling and halving."""
    chance = (1 - level) / np.maximum(alive, 1e-300)
    x, age = repeats.astype(np.float64), age_days.astype(np.float64)

    def exceeds(rows: NDArray[np.int64], n: Floats) -> NDArray[np.bool_]:
        return at_least(fit, x[rows], age[rows], weeks, n + 1) > chance[rows]

    # Most customers end at nought, which needs no special function.
    some = -np.expm1(-(fit.r + x) * np.log1p(weeks / (fit.alpha + age / DAYS_PER_WEEK)))
    active = np.flatnonzero(some > chance)
    low, high = np.full(len(x), -1.0), np.zeros(len(x))
    low[active], high[active] = 0.0, 1.0
    while len(active):
        active = active[exceeds(active, high[active])]
        low[active] = high[active]
        high[active] = 2 * high[active] + 1
    active = np.flatnonzero(high - low > 1)
    while len(active):
        middle = np.floor((low[active] + high[active]) / 2)
        above = exceeds(active, middle)
        low[active] = np.where(above, middle, low[active])
        high[active] = np.where(above, high[active], middle)
        active = active[high[active] - low[active] > 1]
    return high.astype(np.int64)
