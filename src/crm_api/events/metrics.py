"""What operations wants to know about the change feed, beside the backlog of the outbox."""

from collections.abc import Sequence
from typing import Final

from ..core.clock import now
from ..core.metrics import Gauge, Reading, Sample
from ..core.read import Reader
from .queries import read_state

POSITION: Final = Gauge("crm_feed_position", "Position of the newest event in the change feed.")
KEPT: Final = Gauge("crm_feed_kept", "Events of the change feed that can be read.")
PLACED: Final = Gauge(
    "crm_feed_placement_seconds", "Time since events were last given their places; missing when none ever were."
)


async def _read(reader: Reader) -> Sequence[Sample]:
    state = await read_state(reader)
    samples = [Sample(POSITION, state.last_position), Sample(KEPT, state.last_position - state.dropped_until)]
    if state.placed_at is not None:
        samples.append(Sample(PLACED, max(0.0, (now() - state.placed_at).total_seconds())))
    return samples


FEED_METRICS: Final = Reading((POSITION, KEPT, PLACED), _read)
