"""Thompson sampling among offers, with the propensity of every choice known exactly.

Each arm's response rate has a Beta posterior (prior Beta(1, 1)). Thompson (1933) chooses an arm with the probability
that it is the best. Here that probability is computed first (by quadrature over the quantiles of each arm) and the arm
is drawn from it: the same behavior, and what is logged is the very probability of the draw, as later evaluation by
inverse propensities needs it. A floor keeps every arm alive, so that no propensity is nought.

The draw is a hash of seed and decision id: repeated, it is the same; it needs no state and no generator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import sqrt
from typing import Final

import numpy as np
from scipy.special import betainc, betaincinv

from .intervals import Interval
from .likelihood import Floats

_NODES: Final = 1024


@dataclass(frozen=True, slots=True)
class Arm:
    """What is known of one offer: how often it was shown and taken, what a response brings and showing it costs."""

    name: str
    shown: int = 0
    taken: int = 0
    margin_minor: int = 1
    cost_minor: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.taken <= self.shown or self.margin_minor <= 0:
            raise ValueError(f"{self.name}: taken no more often than shown, and a margin above nought.")


@dataclass(frozen=True, slots=True)
class Choice:
    """The arm drawn for a decision and the probability with which it was."""

    decision_id: str
    arm: str
    propensity: float


@dataclass(frozen=True, slots=True)
class Logged:
    """A past choice with what came of it: 1 and 0, or money."""

    arm: str
    propensity: float
    reward: float


def propensities(arms: Sequence[Arm], floor: float = 0.01) -> dict[str, float]:
    """Compute for each arm the probability that its worth (rate · margin - cost) is the highest; they add up to 1.

    No arm has less than `floor`. Independent of the order of arms. Errors: ValueError without an arm, with two of one
    name, or with a floor that leaves nothing to learn.
    """
    ordered = sorted(arms, key=lambda arm: arm.name)
    if not ordered or len({arm.name for arm in ordered}) < len(ordered) or not 0 <= floor * len(ordered) < 1:
        raise ValueError("Arms of different names are needed, and a floor below one part of them.")
    best = np.array([_best(arm, [other for other in ordered if other is not arm]) for arm in ordered])
    best = best / best.sum()
    mixed = floor + (1 - floor * len(ordered)) * best
    return {arm.name: round(float(share), 9) for arm, share in zip(ordered, mixed, strict=True)}


def choose(shares: Mapping[str, float], decision_id: str, seed: str) -> Choice:
    """Draw the arm of one decision from `propensities`."""
    digest = blake2b(f"{seed}:{decision_id}".encode(), digest_size=8).digest()
    point, reached = int.from_bytes(digest, "big") / 2**64 * sum(shares.values()), 0.0
    name = ""
    for name in sorted(shares):
        reached += shares[name]
        if point < reached:
            break
    return Choice(decision_id, name, shares[name])


def learn(arms: Sequence[Arm], shown: Mapping[str, int], taken: Mapping[str, int]) -> list[Arm]:
    """Add what was shown and taken since to each arm."""
    return [
        Arm(
            arm.name,
            arm.shown + shown.get(arm.name, 0),
            arm.taken + taken.get(arm.name, 0),
            arm.margin_minor,
            arm.cost_minor,
        )
        for arm in arms
    ]


def value_of(policy: Mapping[str, float], log: Sequence[Logged], level_z: float = 1.96) -> Interval:
    """Estimate what another policy (probability by arm) would have earned per decision, from logged choices.

    Self-normalized inverse propensities (Swaminathan and Joachims 2015) with the interval of the ratio's linearization.
    Errors: ValueError for a log in which the policy's arms do not occur, or with a propensity of nought.
    """
    if any(one.propensity <= 0 for one in log):
        raise ValueError("A choice that had no chance was logged.")
    weights: Floats = np.array([policy.get(one.arm, 0.0) / one.propensity for one in log])
    rewards: Floats = np.array([one.reward for one in log])
    total = float(weights.sum())
    if total <= 0:
        raise ValueError("Nothing that the policy would do was ever done.")
    mean = float((weights * rewards).sum()) / total
    error = sqrt(float((weights**2 * (rewards - mean) ** 2).sum())) / total
    return Interval(mean, mean - level_z * error, mean + level_z * error)


def _best(arm: Arm, others: Sequence[Arm]) -> float:
    """The chance that the arm is worth more than any other: the mean of their distributions at its quantiles."""
    middles = (np.arange(_NODES) + 0.5) / _NODES
    rate = betaincinv(1.0 + arm.taken, 1.0 + arm.shown - arm.taken, middles)
    worth = rate * arm.margin_minor - arm.cost_minor
    below = np.ones(_NODES)
    for other in others:
        reached = np.clip((worth + other.cost_minor) / other.margin_minor, 0.0, 1.0)
        below *= betainc(1.0 + other.taken, 1.0 + other.shown - other.taken, reached)
    return float(below.mean())
