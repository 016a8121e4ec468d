"""Purchases and money to be expected in a horizon."""

from typing import Final

from .values import Output, Value

LIFETIME_VALUE: Final = Output(
    model="lifetime_value",
    title="lifetime value",
    about="purchases and money to be expected of each customer in the horizon, with intervals, and the chance that the "
    "customer still buys",
    nothing="No purchase before {as_of} had been recorded when the run began",
    observations="Purchases and refunds that the estimate rests on",
    values=(
        Value("expected_purchases", "number", "Purchases expected in the horizon", "sometimes", unit="purchases"),
        Value("purchases_low", "count", "Low end of the interval of purchases", "sometimes", unit="purchases"),
        Value("purchases_high", "count", "High end of the interval of purchases", "sometimes", unit="purchases"),
        Value(
            "alive_probability",
            "rate",
            "Probability of still being a customer",
            "sometimes",
            about="P(alive); null after one purchase only, of which the model cannot tell",
        ),
        Value("mean_value", "money", "Expected value of one purchase", "sometimes"),
        Value("lifetime_value", "money", "Money expected in the horizon, discounted", "sometimes", field="value"),
        Value("value_low", "money", "Low end of the interval of money", "sometimes"),
        Value("value_high", "money", "High end of the interval of money", "sometimes"),
    ),
    example={
        "expected_purchases": 3.412905,
        "purchases_low": 0,
        "purchases_high": 7,
        "alive_probability": 0.871034,
        "mean_value": "35.20",
        "lifetime_value": "114.87",
        "value_low": "0.00",
        "value_high": "253.10",
        "observation_count": 12,
    },
    statuses=("ok", "insufficient_data", "not_converged", "not_identified"),
)
