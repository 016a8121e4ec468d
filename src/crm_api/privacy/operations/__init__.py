"""Use cases of consent and suppression."""

from .declare import put_purpose
from .load import shape_consent, store_consents
from .report import report_consent
from .set import Outcome, set_consents
from .suppress import lift_suppression, put_suppression, suppress

__all__ = [
    "Outcome",
    "lift_suppression",
    "put_purpose",
    "put_suppression",
    "report_consent",
    "set_consents",
    "shape_consent",
    "store_consents",
    "suppress",
]
