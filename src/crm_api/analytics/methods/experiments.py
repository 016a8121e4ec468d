"""Holdouts: who is in which arm, whether the arms have the sizes they should, and what the treatment did.

Arms are drawn by a salted hash, so that a customer stays in hers and two experiments do not share theirs. The number is
that of the audience language's `bucket("salt", 1000000)`: MD5 of "salt:customer_id", the first 60 bits.

Effects are by intention to treat: everybody counts in the arm she was drawn into, reached or not, bought or not. Rates
by Newcombe, means by Welch. Arms of other sizes than drawn (sample ratio, chi-square below `LEAST_RATIO_P`) mean that
customers were lost on the way by something other than the draw; then no effect is told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import md5
from typing import Final

import polars as pl
from scipy.special import chdtrc

from . import intervals
from .intervals import Interval, Sample
from .states import Status

LEAST_RATIO_P: Final = 0.001
"""Sample ratios are looked at in every experiment, so the alarm is set where it is hardly ever false."""
FEWEST: Final = 2
_DIGITS: Final = 15
_BUCKETS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """The chance of arms so unlike the shares they were drawn by; `is_sound` says whether to believe them."""

    p_value: float
    is_sound: bool


@dataclass(frozen=True, slots=True)
class Effect:
    """What one metric did in the treated arm less the control.

    Rates are 0..1, means of money in minor units. `detectable` is the smallest rise these arms would see with a power
    of 80%. Without status `ok` there is no difference.
    """

    metric: str
    treated: float
    control: float
    treated_count: int
    control_count: int
    difference: Interval | None
    detectable: float | None
    status: Status
    reason: str | None


def arm_of(customer_id: object, salt: str, shares: Mapping[str, float]) -> str:
    """Draw the arm of a customer; shares (name to share, in this order) add up to 1. Errors: ValueError otherwise."""
    _check(shares)
    digest = md5(f"{salt}:{customer_id}".encode(), usedforsecurity=False).hexdigest()
    place = int(digest[:_DIGITS], 16) % _BUCKETS
    reached = 0.0
    for name, share in shares.items():
        reached += share
        if place < round(reached * _BUCKETS):
            return name
    return list(shares)[-1]


def assign(customer_ids: Iterable[object], salt: str, shares: Mapping[str, float]) -> pl.DataFrame:
    """Draw the arms of many: customer_id, arm; in the order given."""
    ids = list(customer_ids)
    return pl.DataFrame({"customer_id": ids, "arm": [arm_of(one, salt, shares) for one in ids]})


def sample_ratio(counts: Mapping[str, int], shares: Mapping[str, float]) -> SampleRatio:
    """Hold the sizes of the arms against the shares they were drawn by (Pearson's chi-square)."""
    _check(shares)
    total = sum(counts.get(name, 0) for name in shares)
    if any(share == 0 and counts.get(name, 0) for name, share in shares.items()):
        return SampleRatio(0.0, False)
    drawn = {name: share for name, share in shares.items() if share > 0}
    if total == 0 or len(drawn) < 2:
        return SampleRatio(1.0, True)
    squares = (((counts.get(name, 0) - share * total) ** 2) / (share * total) for name, share in drawn.items())
    p_value = float(chdtrc(len(drawn) - 1, sum(squares)))
    return SampleRatio(p_value, p_value >= LEAST_RATIO_P)


def uplift(
    assignments: pl.DataFrame,
    outcomes: pl.DataFrame,
    shares: Mapping[str, float],
    treated: str,
    control: str,
    rates: Iterable[str] = (),
    means: Iterable[str] = (),
    level: float = 0.95,
) -> list[Effect]:
    """Compare two arms by intention to treat.

    Assignments: customer_id, arm, one row per customer. Outcomes: customer_id and the columns named, any number of rows
    per customer: a rate's are true or false (once is enough), a mean's are numbers (summed; refunds are negative).
    Who is assigned and has no outcome counts as nought; outcomes of others are left out. Errors: ValueError for a
    customer in two rows of the assignments.
    """
    if assignments["customer_id"].n_unique() != assignments.height:
        raise ValueError("A customer is assigned more than once.")
    rates, means = list(rates), list(means)
    each = outcomes.group_by("customer_id").agg(
        *(pl.col(name).cast(pl.Boolean).fill_null(False).any() for name in rates),
        *(pl.col(name).sum() for name in means),
    )
    joined = assignments.join(each, on="customer_id", how="left").sort("customer_id")
    counts = dict(assignments["arm"].value_counts().rows())
    ratio = sample_ratio(counts, shares)
    arms = [joined.filter(pl.col("arm") == name) for name in (treated, control)]
    effects = [_rate(name, [arm[name].fill_null(False) for arm in arms], level) for name in rates]
    effects += [_mean(name, [arm[name].fill_null(0).cast(pl.Float64) for arm in arms], level) for name in means]
    return effects if ratio.is_sound else [_unsound(effect, ratio) for effect in effects]


def _rate(metric: str, arms: list[pl.Series], level: float) -> Effect:
    treated, control = arms
    sizes = len(treated), len(control)
    if min(sizes) < FEWEST:
        return _too_few(metric, sizes)
    yes = int(treated.sum()), int(control.sum())
    difference = intervals.newcombe((yes[0], sizes[0]), (yes[1], sizes[1]), level)
    detectable = intervals.detectable_rate(yes[1] / sizes[1], *sizes, level=level)
    return Effect(metric, yes[0] / sizes[0], yes[1] / sizes[1], *sizes, difference, detectable, "ok", None)


def _mean(metric: str, arms: list[pl.Series], level: float) -> Effect:
    treated, control = arms
    sizes = len(treated), len(control)
    if min(sizes) < FEWEST:
        return _too_few(metric, sizes)
    ours, theirs = _sample(treated), _sample(control)
    detectable = intervals.detectable_mean(theirs.variance**0.5, *sizes, level=level)
    difference = intervals.welch(ours, theirs, level)
    return Effect(metric, ours.mean, theirs.mean, *sizes, difference, detectable, "ok", None)


def _sample(values: pl.Series) -> Sample:
    ordered = values.sort().to_numpy()  # sums of fractions depend on their order in the last digits
    return Sample(float(ordered.mean()), float(ordered.var(ddof=1)), len(ordered))


def _too_few(metric: str, sizes: tuple[int, int]) -> Effect:
    nan = float("nan")
    reason = f"{sizes[0]} treated and {sizes[1]} held out; {FEWEST} of each are needed."
    return Effect(metric, nan, nan, *sizes, None, None, "insufficient_data", reason)


def _unsound(effect: Effect, ratio: SampleRatio) -> Effect:
    reason = f"The arms have not the sizes they were drawn with (p = {ratio.p_value:.1e}): something else chose, too."
    return Effect(
        effect.metric,
        effect.treated,
        effect.control,
        effect.treated_count,
        effect.control_count,
        None,
        None,
        "not_identified",
        reason,
    )


def _check(shares: Mapping[str, float]) -> None:
    if not shares or min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 1e-9:
        raise ValueError("The shares of the arms add up to 1, none below nought.")
