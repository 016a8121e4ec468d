"""Every domain's tables, for alembic and the mapper set-up only."""

from .access import models as access
from .advertising import models as advertising
from .analytics import models as analytics
from .core import changes, idempotency, trail
from .core.db import Base
from .customers import models as customers
from .events import models as events
from .jobs import models as jobs
from .offers import models as offers
from .outreach import campaign_models as campaigns
from .outreach import models as templates
from .privacy import models as privacy
from .segments import models as segments
from .touchpoints import models as touchpoints

__all__ = [
    "Base",
    "access",
    "advertising",
    "analytics",
    "campaigns",
    "changes",
    "customers",
    "events",
    "idempotency",
    "jobs",
    "offers",
    "privacy",
    "segments",
    "templates",
    "touchpoints",
    "trail",
]
