"""Maximum likelihood in log parameters, and whether what was found is found at all.

L-BFGS-B with an analytic gradient, from the most likely of several fixed starts; where that ends without an identified
optimum, from all of them, and the best end counts. The curvature at the optimum (central
differences of the gradient) gives standard errors of the logarithms by the usual large-sample argument. A parameter at
a bound is not identified, nor is a quantity the caller cares for (a product of powers of parameters; each parameter, if
nothing else is said) whose logarithm has a standard error above `WIDEST`: the data cannot tell it from one fifty times
as large, and what is computed from it would be a number without ground.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import ThreadpoolController

from .states import Status

Floats = NDArray[np.float64]
Objective = Callable[[Floats], tuple[float, Floats]]
"""Log parameters in; minus the mean log-likelihood and its gradient out."""

WIDEST: Final = 1.0
"""Standard error of a log parameter above which it is not identified: ±2 errors span a factor of 55."""
# Matrices of four by four are no work for many threads, and waking them took three quarters of a fit; nor may the
# number of cores move the last digit of a result.
_BLAS: Final = ThreadpoolController()
_FLAT: Final = 1e-5
_STEP: Final = 1e-4
_NEAR_BOUND: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Optimum:
    """Where the search ended: parameters, their relative standard errors, the mean log-likelihood, a state."""

    parameters: tuple[float, ...]
    relative_errors: tuple[float, ...]
    mean_log_likelihood: float
    status: Status
    reason: str | None


def maximize(
    objective: Objective,
    starts: Sequence[Sequence[float]],
    bounds: Sequence[tuple[float, float]],
    names: Sequence[str],
    count: int,
    wanted: Mapping[str, Sequence[float]] | None = None,
) -> Optimum:
    """Find the parameters (given and bounded on their own scale, searched on the log scale) of `count` observations.

    `wanted` names what must be identified, each as its powers of the parameters.
    """
    log_bounds = np.log(np.array(bounds, dtype=np.float64))
    with _BLAS.limit(limits=1, user_api="blas"):
        logs = [np.clip(np.log(np.array(one)), log_bounds[:, 0], log_bounds[:, 1]) for one in starts]
        logs.sort(key=lambda at: objective(at)[0])
        first, *others = logs
        best = _climb(objective, first, log_bounds)
        found = _judged(objective, best, log_bounds, names, count, wanted)
        if found.status == "ok":
            return found
        ends = [best, *(_climb(objective, other, log_bounds) for other in others)]
        ends = [end for end in ends if np.isfinite(objective(end)[0])]
        if ends:
            best = min(ends, key=lambda end: objective(end)[0])
            return _judged(objective, best, log_bounds, names, count, wanted)
    empty = tuple(float("nan") for _ in names)
    return Optimum(empty, empty, float("nan"), "not_converged", "The likelihood is not finite at any start.")


def highest(objective: Objective, start: Sequence[float], bounds: Sequence[tuple[float, float]]) -> float:
    """Find the highest mean log-likelihood that is reached from one start, and judge nothing."""
    log_bounds = np.log(np.array(bounds, dtype=np.float64))
    with _BLAS.limit(limits=1, user_api="blas"):
        end = _climb(objective, np.log(np.array(start, dtype=np.float64)), log_bounds)
    return -objective(end)[0]


def _climb(objective: Objective, start: Floats, log_bounds: Floats) -> Floats:
    options = {"maxiter": 500, "ftol": 1e-13, "gtol": 1e-8}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=log_bounds, options=options)
    return np.asarray(found.x, dtype=np.float64)


def _judged(
    objective: Objective,
    at: Floats,
    log_bounds: Floats,
    names: Sequence[str],
    count: int,
    wanted: Mapping[str, Sequence[float]] | None,
) -> Optimum:
    value, gradient = objective(at)
    low, high = at - log_bounds[:, 0] < _NEAR_BOUND, log_bounds[:, 1] - at < _NEAR_BOUND
    bounded = [name for name, is_low, is_high in zip(names, low, high, strict=True) if is_low or is_high]
    each = np.eye(len(at))
    powers = np.array(list(wanted.values()), dtype=np.float64) if wanted else each
    errors = _errors(objective, at, count, np.vstack((each, powers)))
    flat = [name for name, error in zip(wanted or names, errors[len(at) :], strict=True) if not error <= WIDEST]
    status: Status = "ok"
    reason = None
    if bounded:
        status, reason = "not_identified", f"At a bound: {', '.join(bounded)}; the data do not say how large."
    elif float(np.abs(gradient).max()) > _FLAT:
        status, reason = "not_converged", "The search ended where the likelihood still rises."
    elif flat:
        status, reason = (
            "not_identified",
            f"The likelihood is flat in {', '.join(flat)}; the data do not say how large.",
        )
    relative = tuple(map(float, errors[: len(at)]))
    return Optimum(tuple(map(float, np.exp(at))), relative, -value, status, reason)


def _errors(objective: Objective, at: Floats, count: int, powers: Floats) -> Floats:
    """Take standard errors of sums of log parameters from the curvature; infinite where there is none."""
    size = len(at)
    curvature = np.empty((size, size))
    for place in range(size):
        step = np.zeros(size)
        step[place] = _STEP
        curvature[place] = (objective(at + step)[1] - objective(at - step)[1]) / (2 * _STEP)
    curvature = (curvature + curvature.T) / 2 * count
    if not np.isfinite(curvature).all():
        return np.full(len(powers), np.inf)
    values, vectors = np.linalg.eigh(curvature)
    # Directions in which the likelihood does not fall are given no information at all.
    variances = np.where(values > 1e-9 * max(values.max(), 1e-300), 1 / np.maximum(values, 1e-300), 1e300)
    shares = (powers @ vectors) ** 2
    errors: Floats = np.sqrt(np.where(shares > 1e-12, shares, 0.0) @ variances)
    return np.where(errors > 1e100, np.inf, errors)
