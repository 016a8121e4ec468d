"""Beta-binomial shares, with or without people who never do it: fitted by maximum likelihood, by hand.

Source: Skellam 1948 for the beta-binomial; Hall 2000 (Biometrics 56:1030) for binomials with an excess of zeros whose
share depends on a covariate, here the logarithm of the number of trials: who leaves a thing out has fewer trials.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, digamma, expit, logit

from .likelihood import Floats
from .states import Status

Integers = NDArray[np.int64]

# What is searched: the logit of the mean, the logarithm of alpha + beta; with zeros also the logit of their share at
# the average logarithm of trials, and its slope.
_BOUNDS = ((-14.0, 14.0), (-6.0, 14.0), (-12.0, 8.0), (-4.0, 4.0))
_NAMES = ("mean of the shares", "spread of the shares", "share of people who never do it")
_AT_BOUND = 1e-3
# Of a share of zeros that is zero in truth, twice the gain in log-likelihood is 0 half of the time and chi-square(1)
# else (Self and Liang 1987): 2.706 is passed by 5% of such samples.
_SIGNIFICANT_GAIN = 2.706


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted population of shares: Beta(alpha, beta), but of exactly zero for those who never do it."""

    alpha: float
    beta: float
    never: float
    """Logit of the share of people who never do it, at `center`; minus infinity where nobody is taken to be such."""
    slope: float
    """How that logit changes with the logarithm of trials, inside `reach`."""
    center: float
    reach: tuple[float, float]
    log_likelihood: float
    status: Status
    reason: str | None

    @property
    def mean(self) -> float:
        """Average share of those who do it at all."""
        return self.alpha / (self.alpha + self.beta)

    def never_rate(self, trials: Floats) -> Floats:
        """Share of people who never do it among those with that many trials."""
        position = np.clip(np.log(np.maximum(trials, 1.0)), *self.reach) - self.center
        return np.asarray(expit(self.never + self.slope * position), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Rows:
    n: Floats
    k: Floats
    w: Floats
    position: Floats


def fit(trials: Integers | Floats, successes: Integers | Floats, counts: Integers, *, with_zeros: bool) -> Fit:
    """Fit by L-BFGS-B with the analytic gradient, on collapsed rows: `counts` people had `successes` of `trials`.

    Rows are sorted first, so that their order changes no digit. Never raises for hard data: the status says
    `insufficient_data` (nobody, or all shares are zero, or all are one), `not_converged`, or `not_identified` (a
    parameter at its bound; with zeros, also when they do not improve the fit at the 5% level).
    """
    order = np.lexsort((counts, successes, trials))
    n, k, w = (each[order].astype(np.float64) for each in (trials, successes, counts))
    if len(n) == 0 or not (k > 0).any() or not (k < n).any():
        nothing = float("nan")
        reason = "The shares do not differ: all of them are zero, or all are one."
        return Fit(nothing, nothing, nothing, 0.0, 0.0, (0.0, 0.0), nothing, "insufficient_data", reason)
    logarithms = np.log(n)
    center = float((w * logarithms).sum() / w.sum())
    rows = _Rows(n, k, w, logarithms - center)
    place = (center, (float(logarithms.min()), float(logarithms.max())))
    plain = _search(rows, 2, place)
    if not with_zeros:
        return plain
    zeros = _search(rows, 4, place)
    if abs(zeros.slope) > _BOUNDS[3][1] - _AT_BOUND:
        zeros = _search(rows, 3, place)
    if zeros.status != "ok" or 2 * (zeros.log_likelihood - plain.log_likelihood) > _SIGNIFICANT_GAIN:
        return zeros
    reason = "People who never do it cannot be told from people who do it seldom: counting them apart fits no better."
    return replace(zeros, status="not_identified", reason=reason)


def chance_of_none(alpha: float | Floats, beta: float | Floats, trials: Floats) -> Floats:
    """Chance of no success in that many trials, for a share drawn from Beta(alpha, beta)."""
    return np.asarray(np.exp(betaln(alpha, beta + trials) - betaln(alpha, beta)), dtype=np.float64)


def chance_of_never(found: Fit, trials: Floats, successes: Floats) -> Floats:
    """Posterior probability of a share of exactly zero; 0 for whoever had a success."""
    never = found.never_rate(trials)
    seldom = (1 - never) * chance_of_none(found.alpha, found.beta, trials)
    return np.where(successes > 0, 0.0, never / (never + seldom))


def _search(rows: _Rows, size: int, place: tuple[float, tuple[float, float]]) -> Fit:
    """Search for two parameters, or for the zeros' share too (3), or for its slope too (4), from several starts."""
    share = float((rows.w * rows.k).sum() / (rows.w * rows.n).sum())
    zero_share = float(rows.w[rows.k == 0].sum() / rows.w.sum())
    parts = (0.2, 0.9) if size > 2 else (0.5,)
    results = [
        minimize(
            _loss,
            np.array([logit(share), log_precision, logit(min(max(part * zero_share, 1e-4), 0.99)), 0.0][:size]),
            args=(rows,),
            jac=True,
            method="L-BFGS-B",
            bounds=_BOUNDS[:size],
            options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-7},
        )
        for log_precision in (0.0, 3.4)
        for part in parts
    ]
    best = min(results, key=lambda result: float(result.fun))
    mean, precision = float(expit(best.x[0])), float(np.exp(best.x[1]))
    never = float(best.x[2]) if size > 2 else -np.inf
    slope = float(best.x[3]) if size > 3 else 0.0
    likelihood = -float(best.fun) * float(rows.w.sum())
    found = Fit(mean * precision, (1 - mean) * precision, never, slope, *place, likelihood, "ok", None)
    at_bound = [i for i, (low, high) in enumerate(_BOUNDS[:size]) if not low + _AT_BOUND < best.x[i] < high - _AT_BOUND]
    if at_bound and at_bound[0] < 3:
        return replace(found, status="not_identified", reason=f"The {_NAMES[at_bound[0]]} lies at its bound.")
    # A line search that ends abnormally at the last digits is no failure when the slope is flat.
    if not best.success and float(np.abs(best.jac).max()) > 1e-4:
        reason = "The search for the population's shares did not come to an end."
        return replace(found, status="not_converged", reason=reason)
    return found


def _loss(theta: Floats, rows: _Rows) -> tuple[float, Floats]:
    """Negative log-likelihood per person, without binomial coefficients, and its gradient."""
    n, k, w = rows.n, rows.k, rows.w
    mean, precision = expit(theta[0]), np.exp(theta[1])
    alpha, beta = mean * precision, (1 - mean) * precision
    value = betaln(k + alpha, n - k + beta) - betaln(alpha, beta)
    both = digamma(precision) - digamma(n + precision)
    by_alpha = digamma(k + alpha) - digamma(alpha) + both
    by_beta = digamma(n - k + beta) - digamma(beta) + both
    slopes = [
        precision * (by_alpha - by_beta) * mean * (1 - mean),
        (mean * by_alpha + (1 - mean) * by_beta) * precision,
    ]
    if len(theta) > 2:
        value, slopes = _with_zeros(theta, rows, value, slopes)
    total = w.sum()
    return -float((w * value).sum() / total), -np.array([(w * each).sum() for each in slopes]) / total


def _with_zeros(theta: Floats, rows: _Rows, value: Floats, slopes: list[Floats]) -> tuple[Floats, list[Floats]]:
    """Mix log-likelihoods per person, and their slopes, with a share of exactly zero."""
    line = theta[2] + (theta[3] * rows.position if len(theta) > 3 else 0.0 * rows.position)
    never, none, zero = expit(line), np.exp(value), rows.k == 0
    mixed = np.where(zero, never + (1 - never) * none, 1.0)
    by_line = np.where(zero, (1 - none) * never * (1 - never) / mixed, -never)
    part = np.where(zero, (1 - never) * none / mixed, 1.0)
    both = [part * each for each in slopes] + [by_line]
    if len(theta) > 3:
        both.append(by_line * rows.position)
    return np.where(zero, np.log(mixed), -np.logaddexp(0, line) + value), both
