"""The statements of a profile: those of the domains, put together into one."""

from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Select

from ..analytics.outputs import PROFILED
from ..analytics.score_queries import OF_ONE
from ..core.read import Together
from ..customers import queries as customers
from ..privacy import queries as privacy
from ..segments import queries as segments
from ..touchpoints import summary
from .rules import Part

MOST_SEGMENTS: Final = 200
_STATEMENTS: Final[dict[Part, dict[str, Select[Any]]]] = {
    "consents": {"purposes": privacy.DECLARED, "answers": privacy.ANSWERS},
    "scores": {f"score_{model}": OF_ONE[model] for model in PROFILED},
    "segments": {"segments": segments.OF_CUSTOMER.limit(MOST_SEGMENTS + 1)},
    "last_touches": {"touches": summary.LAST_TOUCHES},
    "totals": {"totals": summary.TOTALS, "pending_days": summary.PENDING_DAYS},
}


@lru_cache
def of_one(parts: frozenset[Part]) -> Together:
    """Read a customer, and the rows of some parts; binds `customer_id`."""
    statements = [_STATEMENTS[part] for part in sorted(parts) if part in _STATEMENTS]
    return Together({"customer": customers.ONE, **{name: each for part in statements for name, each in part.items()}})
