"""The rate limit gives what it promises, and no more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_api.core.limits import WINDOW_SECONDS, RateLimit
from crm_api.core.problems import TooManyRequests


@given(st.lists(st.floats(0, 3), min_size=1, max_size=200), st.integers(1, 30))
def test_never_more_than_the_quota_and_what_refilled(pauses: list[float], quota: int) -> None:
    limit, at, taken = RateLimit(quota, 1), 0.0, 0
    for pause in pauses:
        at += pause
        try:
            limit.take("ann", "read", at)
            taken += 1
        except TooManyRequests as refused:
            assert int(refused.headers["Retry-After"]) >= 1
    assert taken <= quota + at * quota / WINDOW_SECONDS + 1e-6


def test_after_the_wait_it_is_allowed_again() -> None:
    limit = RateLimit(2, 2)
    for _ in range(2):
        limit.take("ann", "write", 0.0)
    with pytest.raises(TooManyRequests) as refused:
        limit.take("ann", "write", 0.0)
    limit.take("ann", "write", float(refused.value.headers["Retry-After"]))


def test_clients_and_kinds_do_not_share() -> None:
    limit = RateLimit(1, 1)
    limit.take("ann", "read", 0.0)
    limit.take("ann", "write", 0.0)
    assert limit.take("bob", "read", 0.0).remaining == 0
