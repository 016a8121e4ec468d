"""What the models say of customers and of products. Pure: workers, clients and the API read the same declarations."""

from typing import Final

from .affinity import AFFINITY
from .churn import CHURN
from .climate import CLIMATE
from .contract_churn import CONTRACT_CHURN
from .divisions import DIVISIONS
from .growth import GROWTH
from .lifetime_value import LIFETIME_VALUE
from .lists import BUY_AGAIN, DISCOVER
from .price_sensitivity import PRICE_SENSITIVITY
from .products import ASSOCIATION, RELATED_PRODUCTS
from .rfm import RFM
from .season import SEASON
from .taste import SENSITIVE_TASTE, TASTE
from .values import DIGITS, NAME, Given, Kind, Output, Status, Value, stored_name

__all__ = [
    "AFFINITY",
    "ASSOCIATION",
    "BUY_AGAIN",
    "CHURN",
    "CLIMATE",
    "CONTRACT_CHURN",
    "DIGITS",
    "DISCOVER",
    "DIVISIONS",
    "GROWTH",
    "LIFETIME_VALUE",
    "NAME",
    "OF_CUSTOMERS",
    "OUTPUTS",
    "PRICE_SENSITIVITY",
    "PROFILED",
    "RELATED_PRODUCTS",
    "RFM",
    "SEASON",
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
        CONTRACT_CHURN,
        PRICE_SENSITIVITY,
        TASTE,
        SENSITIVE_TASTE,
        AFFINITY,
        SEASON,
        CLIMATE,
        GROWTH,
        DIVISIONS,
        DISCOVER,
        BUY_AGAIN,
        RELATED_PRODUCTS,
        ASSOCIATION,
    )
}
"""Every model there is, by its name; in this order they are answered."""
TASTES: Final = (TASTE.model, SENSITIVE_TASTE.model, AFFINITY.model)
"""Models whose subjects are looked at before a run is taken."""
OF_CUSTOMERS: Final = {model: output for model, output in OUTPUTS.items() if output.subject is None}
"""Those that say something of customers."""
PROFILED: Final = {model: output for model, output in OF_CUSTOMERS.items() if not output.is_list}
"""Those whose rows are answered with all that is known of a customer."""
