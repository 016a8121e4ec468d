"""A simple rate limit: token buckets per client in each API process (IETF draft-ietf-httpapi-ratelimit-headers)."""

import time
from typing import Final, Literal, NamedTuple

from .metrics import Counter, Sample
from .problems import TooManyRequests

Kind = Literal["read", "write"]
WINDOW_SECONDS: Final = 60
_MOST_CLIENTS: Final = 10_000
REFUSALS: Final = Counter("crm_rate_limit_refusals_total", "Requests refused by the rate limit.", ("kind",))


class Allowance(NamedTuple):
    """What a client has left."""

    kind: Kind
    quota: int
    remaining: int
    reset_seconds: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Write the `RateLimit` fields."""
        policy = f'"{self.kind}";q={self.quota};w={WINDOW_SECONDS}'
        left = f'"{self.kind}";r={self.remaining};t={self.reset_seconds}'
        return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", left.encode())]


class RateLimit:
    """Buckets that refill evenly over the window; memory is bounded by forgetting everybody when too many clients
    came.
    """

    def __init__(self, read_rate: int, write_rate: int) -> None:
        self._quota: dict[Kind, int] = {"read": read_rate, "write": write_rate}
        self._buckets: dict[tuple[str, Kind], tuple[float, float]] = {}
        self._refused: dict[Kind, int] = {"read": 0, "write": 0}

    def take(self, client_id: str, kind: Kind, at: float | None = None) -> Allowance:
        """Spend one request. Errors: TooManyRequests."""
        at = time.monotonic() if at is None else at
        quota = self._quota[kind]
        level, since = self._buckets.get((client_id, kind), (float(quota), at))
        level = min(float(quota), level + (at - since) * quota / WINDOW_SECONDS)
        if level < 1:
            self._refused[kind] += 1
            wait = max(1, round((1 - level) * WINDOW_SECONDS / quota + 0.5))
            allowance = Allowance(kind, quota, 0, wait)
            headers = {name.decode(): value.decode() for name, value in allowance.headers()}
            raise TooManyRequests(f"{quota} {kind} requests a minute", headers={"Retry-After": str(wait), **headers})
        if len(self._buckets) >= _MOST_CLIENTS:
            self._buckets.clear()
        self._buckets[client_id, kind] = (level - 1, at)
        return Allowance(kind, quota, int(level - 1), WINDOW_SECONDS)

    def samples(self) -> list[Sample]:
        """Tell how often somebody was refused."""
        return [Sample(REFUSALS, count, (kind,)) for kind, count in self._refused.items()]
