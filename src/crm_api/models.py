"""Every domain's tables, for alembic and the mapper set-up only."""

from .access import models as access
from .analytics import models as analytics
from .core import idempotency, trail
from .core.db import Base
from .customers import models as customers
from .jobs import models as jobs
from .offers import models as offers
from .privacy import models as privacy
from .segments import models as segments
from .touchpoints import models as touchpoints

__all__ = [
    "Base",
    "access",
    "analytics",
    "customers",
    "idempotency",
    "jobs",
    "offers",
    "privacy",
    "segments",
    "touchpoints",
    "trail",
]
