"""Metrics for operations: domains declare them as values, `/metrics` writes them in Prometheus' text.

A gauge says how much there is now. It is read from the database when somebody scrapes, with others of its domain in one
cheap statement, and `app.py` lists the reading in READINGS:

    MESSAGES = Gauge("crm_messages", "Messages that wait or are handed over.", ("state",))

    async def _read(reader: Reader) -> Sequence[Sample]:
        return [Sample(MESSAGES, row["count"], (row["state"],)) for row in await reader.rows(_BY_STATE)]

    MESSAGE_METRICS = Reading((MESSAGES,), _read)

A counter says how often something happened in this process. It is counted in the transaction in which that happened,
and only when that is durable; `app.py` lists it in COUNTERS:

    SENT = Counter("crm_messages_sent_total", "Messages handed over.", ("channel",))

    count(session, SENT, "email")

What a process knows without asking the database is told by a function that answers samples: `metrics.watch(…)`.
The values of a label are few and ours: states, kinds, codes. Never an id, a name, an address or anything a caller
chose. A metric stands in the table of docs/operations.md too; a test compares both.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from .db import Database, after_commit
from .read import Reader
from .traffic import Traffic

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

# prometheus-client is imported when it is first asked for: a process that nobody scrapes does without it.
FRESH_SECONDS: Final = 5.0
"""For so long what the database said is told again, however many scrapers ask."""
_LONGEST_READING_SECONDS: Final = 2.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Gauge:
    """How much there is now."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counter:
    """How often something happened in this process; the name ends in `_total`."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


class Sample(NamedTuple):
    """What a gauge or a counter says for one combination of its labels."""

    metric: Gauge | Counter
    value: float
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """Gauges that are read from the database together."""

    gauges: tuple[Gauge, ...]
    read: Callable[[Reader], Awaitable[Sequence[Sample]]]


DATABASE_UP: Final = Gauge(
    "crm_database_up", "1 when the database answered the last reading; at 0 the gauges read from it are missing."
)
CONNECTIONS: Final = Gauge(
    "crm_database_connections", "Connections this process holds to the database.", ("pool", "state")
)
MOST_CONNECTIONS: Final = Gauge(
    "crm_database_connections_most", "Connections this process may hold to the database.", ("pool",)
)


class Metrics:
    """All metrics of one service in one process."""

    def __init__(self, counters: Iterable[Counter], readings: Iterable[Reading]) -> None:
        self.traffic = Traffic()
        self._readings = tuple(readings)
        self._counted: dict[Counter, dict[tuple[str, ...], float]] = {counter: {} for counter in counters}
        self._watched: dict[tuple[Gauge | Counter, ...], Callable[[], Iterable[Sample]]] = {}
        self._read: list[Sample] = []
        self._fresh_until = 0.0
        self._reading = asyncio.Lock()
        self._registry: CollectorRegistry | None = None

    def watch(self, declared: Sequence[Gauge | Counter], look: Callable[[], Iterable[Sample]]) -> None:
        """Declare metrics that a function tells from memory, at once and without failing; it replaces one that told
        them before.
        """
        self._watched[tuple(declared)] = look

    def serve(self, database: Database) -> None:
        """Watch a database's connections, and let its sessions `count`."""
        database.equip(metrics=self)
        self.watch((CONNECTIONS, MOST_CONNECTIONS), partial(_connections, database))

    def counted(self, counter: Counter) -> dict[tuple[str, ...], float]:
        """Lend the numbers of a counter, by its labels. Errors: KeyError when app.py does not list it."""
        return self._counted[counter]

    async def text(self, reader: Reader) -> bytes:
        """Write all metrics in Prometheus' text format, version 0.0.4."""
        async with self._reading:
            if time.monotonic() >= self._fresh_until:
                self._read = await self._ask(reader)
                self._fresh_until = time.monotonic() + FRESH_SECONDS
        # Thousands of lines take milliseconds to write, in which the loop has others to serve.
        return await asyncio.to_thread(self._written)

    def _written(self) -> bytes:
        from prometheus_client import generate_latest

        return generate_latest(self._collectors())

    async def _ask(self, reader: Reader) -> list[Sample]:
        found: list[Sample] = []
        try:
            async with asyncio.timeout(_LONGEST_READING_SECONDS):
                for reading in self._readings:
                    found += await reading.read(reader)
        except Exception as error:
            # Whatever is wrong with the database, those who look after it need the other metrics now.
            log.warning("metrics_not_read", error=type(error).__name__)
            return [Sample(DATABASE_UP, 0)]
        return [Sample(DATABASE_UP, 1), *found]

    def _collectors(self) -> "CollectorRegistry":
        if self._registry is None:
            from prometheus_client import CollectorRegistry, ProcessCollector

            self._registry = CollectorRegistry()
            ProcessCollector(registry=self._registry)
            self._registry.register(self)
        return self._registry

    def collect(self) -> Iterator["Metric"]:
        """Tell all metrics, as prometheus-client asks for them."""
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

        yield from self.traffic.families()
        families: dict[Gauge | Counter, Any] = {}
        for metric in self._declared():
            kind = CounterMetricFamily if isinstance(metric, Counter) else GaugeMetricFamily
            families[metric] = kind(metric.name, metric.help, labels=metric.labels)
        for sample in self._samples():
            families[sample.metric].add_metric(sample.labels, sample.value)
        yield from families.values()

    def _declared(self) -> Iterator[Gauge | Counter]:
        yield DATABASE_UP
        yield from self._counted
        for gauges in (*(reading.gauges for reading in self._readings), *self._watched):
            yield from gauges

    def _samples(self) -> Iterator[Sample]:
        yield from self._read
        for look in self._watched.values():
            yield from look()
        for counter, values in self._counted.items():
            if not counter.labels:
                yield Sample(counter, values.get((), 0))
            else:
                yield from (Sample(counter, value, labels) for labels, value in list(values.items()))


def count(session: AsyncSession, counter: Counter, *labels: str) -> None:
    """Count something once it is durable; a session outside of the service has nobody to tell."""
    metrics: Metrics | None = session.info.get("metrics")
    if metrics is not None:
        after_commit(session, partial(_add, metrics.counted(counter), labels))


async def _add(numbers: dict[tuple[str, ...], float], labels: tuple[str, ...]) -> None:
    numbers[labels] = numbers.get(labels, 0) + 1


def _connections(database: Database) -> Iterator[Sample]:
    engine: Any = database.engine.pool
    reads = database.pool
    for name, held, idle, most in (
        ("write", engine.checkedout() + engine.checkedin(), engine.checkedin(), engine.size()),
        ("read", reads.get_size(), reads.get_idle_size(), reads.get_max_size()),
    ):
        yield Sample(CONNECTIONS, held - idle, (name, "in_use"))
        yield Sample(CONNECTIONS, idle, (name, "idle"))
        yield Sample(MOST_CONNECTIONS, most, (name,))
