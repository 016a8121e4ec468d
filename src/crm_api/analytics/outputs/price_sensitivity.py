"""Who buys at list price, and who waits for discounts."""

from typing import Final

from .values import Output, Value

_CLASSES: Final = ("full_price_buyer", "discount_buyer", "undecided")
PRICE_SENSITIVITY: Final = Output(
    model="price_sensitivity",
    title="price sensitivity",
    about="the share of the lines that a customer bought at list price, shrunk to that of all, and the class it makes",
    nothing="No order line with a list price before {as_of} had been recorded when the run began",
    observations="Order lines with a list price",
    values=(
        Value(
            "price_class",
            "choice",
            "Buys at list price, waits for discounts, or cannot be told",
            field="class",
            choices=_CLASSES,
        ),
        Value("full_price_rate", "rate", "Share of lines at list price", "sometimes"),
        Value("full_price_rate_low", "rate", "Low end of the interval of that share", "sometimes"),
        Value("full_price_rate_high", "rate", "High end of the interval of that share", "sometimes"),
        Value("discount_rate", "rate", "Share of the list value given away", "sometimes"),
        Value("list", "money", "Sum of the list prices", "always"),
        Value("discount", "money", "Sum of the discounts", "always"),
    ),
    example={
        "price_class": "full_price_buyer",
        "full_price_rate": 0.81244,
        "full_price_rate_low": 0.752311,
        "full_price_rate_high": 0.866012,
        "discount_rate": 0.052318,
        "list": "1204.10",
        "discount": "63.00",
        "observation_count": 148,
    },
    statuses=("ok", "insufficient_data", "not_converged", "not_identified"),
)
