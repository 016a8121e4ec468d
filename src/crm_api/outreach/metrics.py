"""What operations wants to know about messages on their way."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Select, func, select

from ..core.metrics import Counter, Gauge, Reading, Sample
from ..core.read import Prepared, Reader
from .campaign_models import MessageDue

ON_THEIR_WAY: Final = Gauge("crm_messages_on_their_way", "Messages that have not ended.", ("state",))
OLDEST_DUE: Final = Gauge(
    "crm_message_oldest_due_seconds", "For how long the message that is due longest has waited; 0 when none does."
)
REPORTED: Final = Counter("crm_messages_reported_total", "What workers reported of messages.", ("result",))
STATES: Final = ("waiting", "claimed", "handing_over")

# By the database's clock, which the queue goes by.
_due: Final = func.extract("epoch", func.statement_timestamp() - func.min(MessageDue.due_at))
_BY_STATE: Final[Select[*tuple[Any, ...]]] = select(
    MessageDue.state, func.count().label("count"), _due.label("late_seconds")
).group_by(MessageDue.state)
_STATE: Final = Prepared(_BY_STATE)


async def _read(reader: Reader) -> Sequence[Sample]:
    counts, late = dict.fromkeys(STATES, 0), 0.0
    for row in await reader.rows(_STATE):
        counts[row["state"]] = row["count"]
        if row["state"] == "waiting":
            late = max(0.0, float(row["late_seconds"]))
    return [*(Sample(ON_THEIR_WAY, count, (state,)) for state, count in counts.items()), Sample(OLDEST_DUE, late)]


MESSAGE_METRICS: Final = Reading((ON_THEIR_WAY, OLDEST_DUE), _read)
