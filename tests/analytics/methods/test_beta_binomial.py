"""Beta-binomial shares: known parameters come back, hard data gets a status."""

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.stats import betabinom

from crm_api.analytics.methods import beta_binomial
from crm_api.analytics.methods.beta_binomial import Fit


def planted(seed: int, people: int, alpha: float, beta: float, never: float) -> tuple[np.ndarray, np.ndarray]:
    source = np.random.default_rng(seed)
    n = source.integers(5, 300, people)
    k = source.binomial(n, source.beta(alpha, beta, people))
    k[source.random(people) < never] = 0
    return n, k


def fitted(n: np.ndarray, k: np.ndarray, *, with_zeros: bool = True) -> Fit:
    return beta_binomial.fit(n, k, np.ones_like(n), with_zeros=with_zeros)


@pytest.mark.parametrize(("alpha", "beta", "never"), [(4.0, 20.0, 0.05), (1.0, 30.0, 0.3), (8.0, 3.0, 0.1)])
def test_planted_parameters_are_found(alpha: float, beta: float, never: float) -> None:
    found = fitted(*planted(1, 20_000, alpha, beta, never))
    assert found.status == "ok"
    assert (found.alpha, found.beta) == pytest.approx((alpha, beta), rel=0.1)
    assert found.never_rate(np.array([50.0]))[0] == pytest.approx(never, abs=0.015)


def test_who_leaves_it_out_may_have_fewer_trials() -> None:
    source = np.random.default_rng(5)
    n = source.integers(10, 400, 30_000)
    k = source.binomial(n, source.beta(5, 25, 30_000))
    k[source.random(30_000) < np.where(n < 60, 0.2, 0.02)] = 0
    found = fitted(n, k)
    few, many = found.never_rate(np.array([30.0, 300.0]))
    assert found.slope < -0.5
    assert few > 0.12 > 0.05 > many


def test_nobody_is_said_never_to_do_it_when_the_shares_alone_explain_the_zeros() -> None:
    """In 100 populations without such people, at most a twentieth (and some luck) may look as if there were some."""
    statuses = [fitted(*planted(seed, 400, 0.8, 12, 0)).status for seed in range(100)]
    assert statuses.count("ok") <= 14


def test_the_likelihood_is_the_one_of_scipy() -> None:
    n, k = planted(3, 300, 3, 9, 0)
    found = fitted(n, k, with_zeros=False)
    binomial = betabinom.logpmf(k, n, found.alpha, found.beta).sum()
    constant = betabinom.logpmf(k, n, 1, 1).sum() - (-np.log(n + 1)).sum()
    coefficients = (betabinom.logpmf(k, n, 1, 1) - beta_binomial.betaln(k + 1, n - k + 1)).sum()
    assert constant == pytest.approx(0, abs=1e-8)
    assert found.log_likelihood == pytest.approx(binomial - coefficients, abs=1e-6)


@pytest.mark.parametrize("theta", [[-1.7, 2.5], [-1.7, 2.5, -3.0], [-1.0, 1.0, -2.0, 0.4]])
def test_the_gradient_is_the_slope_of_the_loss(theta: list[float]) -> None:
    n, k = planted(4, 500, 2, 12, 0.1)
    logs = np.log(n)
    rows = beta_binomial._Rows(n * 1.0, k * 1.0, np.ones(500), logs - logs.mean())
    loss, slope = (lambda t, part=part: beta_binomial._loss(t, rows)[part] for part in (0, 1))
    assert check_grad(loss, slope, np.array(theta)) < 1e-4


@pytest.mark.parametrize(
    ("n", "k", "status"),
    [
        ([], [], "insufficient_data"),
        ([30], [0], "insufficient_data"),
        ([30, 40], [0, 0], "insufficient_data"),
        ([30, 40], [30, 40], "insufficient_data"),
        ([40] * 50, [10] * 50, "not_identified"),
        ([100_000], [7], "not_identified"),
    ],
)
@pytest.mark.parametrize("with_zeros", [True, False])
def test_hard_data_gets_a_status(n: list[int], k: list[int], status: str, with_zeros: bool) -> None:
    found = fitted(np.array(n, dtype=np.int64), np.array(k, dtype=np.int64), with_zeros=with_zeros)
    assert found.status == status
    assert found.reason


def test_the_order_of_rows_and_collapsing_change_nothing() -> None:
    n, k = planted(6, 5000, 4, 20, 0.1)
    shuffle = np.random.default_rng(1).permutation(5000)
    assert fitted(n[shuffle], k[shuffle]) == fitted(n, k)
    pairs, counts = np.unique(np.stack([n, k]), axis=1, return_counts=True)
    collapsed = beta_binomial.fit(pairs[0], pairs[1], counts, with_zeros=True)
    assert collapsed.alpha == pytest.approx(fitted(n, k).alpha, rel=1e-4)
