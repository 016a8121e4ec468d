"""Intervals for rates, for their differences and for differences of means, and what a test of some size could see.

Wilson (1927) for a rate; Newcombe (1998, Statistics in Medicine 17:873, method 10) for a difference of rates; Welch
(1947) for a difference of means. All keep their promise where the textbook's ± does not: at rates near nought, in
small groups, in groups of unlike spread.
"""

from dataclasses import dataclass
from math import sqrt

from scipy.special import ndtr, ndtri, stdtr, stdtrit


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the ends of its interval; `p_value` (two-sided) where a difference is held against nought."""

    estimate: float
    low: float
    high: float
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """The mean of some measured values, their variance (over n - 1) and how many they are."""

    mean: float
    variance: float
    count: int


def wilson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Estimate a rate. Errors: ValueError without a trial, or with more successes than trials."""
    _check(successes, trials)
    z = float(ndtri((1 + level) / 2))
    rate = successes / trials
    middle = (rate + z**2 / (2 * trials)) / (1 + z**2 / trials)
    width = z * sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
    # At none and at all of the trials the end is exactly 0 or 1; rounding must not say a little more.
    low = 0.0 if successes == 0 else max(0.0, middle - width)
    return Interval(rate, low, 1.0 if successes == trials else min(1.0, middle + width))


def newcombe(treated: tuple[int, int], control: tuple[int, int], level: float = 0.95) -> Interval:
    """Estimate the rate of the treated less that of the control, each given as (successes, trials).

    The p-value is that of the pooled z test. Errors: those of `wilson`.
    """
    ours, theirs = wilson(*treated, level), wilson(*control, level)
    difference = ours.estimate - theirs.estimate
    low = difference - sqrt((ours.estimate - ours.low) ** 2 + (theirs.high - theirs.estimate) ** 2)
    high = difference + sqrt((ours.high - ours.estimate) ** 2 + (theirs.estimate - theirs.low) ** 2)
    pooled = (treated[0] + control[0]) / (treated[1] + control[1])
    error = sqrt(pooled * (1 - pooled) * (1 / treated[1] + 1 / control[1]))
    return Interval(difference, low, high, float(2 * ndtr(-abs(difference) / error)) if error > 0 else 1.0)


def welch(treated: Sample, control: Sample, level: float = 0.95) -> Interval:
    """Estimate the mean of the treated less that of the control. Errors: ValueError with fewer than two in a group.

    Two groups without any spread give an interval without width.
    """
    if min(treated.count, control.count) < 2:
        raise ValueError("A mean needs two values at least.")
    shares = treated.variance / treated.count, control.variance / control.count
    difference, error = treated.mean - control.mean, sqrt(sum(shares))
    if error == 0:
        return Interval(difference, difference, difference, 1.0 if difference == 0 else 0.0)
    freedom = sum(shares) ** 2 / (shares[0] ** 2 / (treated.count - 1) + shares[1] ** 2 / (control.count - 1))
    width = float(stdtrit(freedom, (1 + level) / 2)) * error
    p_value = float(2 * stdtr(freedom, -abs(difference) / error))
    return Interval(difference, difference - width, difference + width, p_value)


def detectable_rate(rate: float, treated: int, control: int, power: float = 0.8, level: float = 0.95) -> float:
    """The smallest rise of a rate that groups of these sizes see with this power; infinite when none up to 1 is.

    Solves the usual normal approximation with the raised rate's own variance, by halving.
    """
    if min(treated, control) < 1 or not 0 <= rate <= 1:
        raise ValueError("A rate from 0 to 1 and one customer in each group at least are needed.")
    z_level, z_power = float(ndtri((1 + level) / 2)), float(ndtri(power))

    def seen(rise: float) -> bool:
        pooled = (rate * control + (rate + rise) * treated) / (treated + control)
        null = sqrt(pooled * (1 - pooled) * (1 / treated + 1 / control))
        error = sqrt((rate + rise) * (1 - rate - rise) / treated + rate * (1 - rate) / control)
        return rise >= z_level * null + z_power * error

    low, high = 0.0, 1 - rate
    if not seen(high):
        return float("inf")
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high


def detectable_mean(deviation: float, treated: int, control: int, power: float = 0.8, level: float = 0.95) -> float:
    """The smallest difference of means that groups of these sizes and this standard deviation see with this power."""
    if min(treated, control) < 1:
        raise ValueError("One customer in each group at least is needed.")
    reach = float(ndtri((1 + level) / 2)) + float(ndtri(power))
    return reach * deviation * sqrt(1 / treated + 1 / control)


def _check(successes: int, trials: int) -> None:
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is no rate.")
