"""Counts what goes through the edge, at half a microsecond a request: plain numbers, read when somebody asks."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

BOUNDS: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the buckets of the latency, in seconds."""
_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_CLASSES: Final = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")


class _Answers:
    """What one route answered to one method."""

    __slots__ = ("buckets", "classes", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.classes = [0] * len(_CLASSES)
        self.seconds = 0.0


class Traffic:
    """The requests of one process. A route is told by its template, never by the path that was asked for, and a method
    nobody knows is `other`: callers cannot make labels up.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self._answers: dict[tuple[str, str], _Answers] = {}
        self._problems: Counter[str] = Counter()

    def note(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        """Count an answer; the status is 0 when nothing was answered."""
        key = (getattr(scope.get("route"), "path_format", "none"), scope["method"])
        answers = self._answers.get(key)
        if answers is None:
            route, method = key
            key = (route, method if method in _METHODS else "other")
            answers = self._answers.setdefault(key, _Answers())
        answers.buckets[bisect_left(BOUNDS, seconds)] += 1
        answers.classes[status // 100] += 1
        answers.seconds += seconds
        code = scope["state"].get("problem_code")
        if code is not None:
            self._problems[code] += 1

    def families(self) -> Iterator["Metric"]:
        """Tell what was counted, as prometheus-client takes it; may be called in another thread."""
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        labels = ("route", "method")
        requests = CounterMetricFamily("crm_requests", "Requests answered.", labels=(*labels, "status"))
        seconds = HistogramMetricFamily("crm_request_seconds", "Time from request to answer.", labels=labels)
        for key, answers in list(self._answers.items()):
            for name, count in zip(_CLASSES, answers.classes, strict=True):
                if count:
                    requests.add_metric((*key, name), count)
            seconds.add_metric(key, _cumulated(answers.buckets), answers.seconds)
        problems = CounterMetricFamily("crm_problems", "Problems answered, by code.", labels=("code",))
        for code, count in list(self._problems.items()):
            problems.add_metric((code,), count)
        yield from (requests, seconds, problems)
        yield GaugeMetricFamily("crm_requests_in_flight", "Requests being answered now.", value=self.in_flight)


def _cumulated(buckets: list[int]) -> list[tuple[str, float]]:
    """Write the buckets as Prometheus wants them: each with all that took less."""
    total, lines = 0, []
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), buckets, strict=True):
        total += count
        lines.append((bound, float(total)))
    return lines
