"""What the models say of customers. Pure: workers, clients and the API read the same declarations."""

from typing import Final

from .churn import CHURN
from .growth import GROWTH
from .lifetime_value import LIFETIME_VALUE
from .price_sensitivity import PRICE_SENSITIVITY
from .rfm import RFM
from .taste import SENSITIVE_TASTE, TASTE
from .values import DIGITS, NAME, Given, Kind, Output, Status, Value, stored_name

__all__ = [
    "CHURN",
    "DIGITS",
    "GROWTH",
    "LIFETIME_VALUE",
    "NAME",
    "OUTPUTS",
    "PRICE_SENSITIVITY",
    "RFM",
    "SENSITIVE_TASTE",
    "TASTE",
    "TASTES",
    "Given",
    "Kind",
    "Output",
    "Status",
    "Value",
    "stored_name",
]

OUTPUTS: Final[dict[str, Output]] = {
    output.model: output
    for output in (
        RFM,
        LIFETIME_VALUE,
        CHURN,
        PRICE_SENSITIVITY,
        TASTE,
        SENSITIVE_TASTE,
        GROWTH,
    )
}
"""Every model there is, by its name; in this order they are answered."""
TASTES: Final = (TASTE.model, SENSITIVE_TASTE.model)
"""Models whose subjects are looked at before a run is taken."""
