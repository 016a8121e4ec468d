"""Who will not buy again for a while."""

from typing import Final

from .values import Output, Value

CHURN: Final = Output(
    model="churn",
    title="churn",
    about="the chance that a customer buys nothing in the horizon, without a contract that could end",
    nothing="No purchase before {as_of} had been recorded when the run began",
    observations="Purchases and refunds that the estimate rests on",
    values=(
        Value("churn_probability", "rate", "Probability of no purchase in the horizon", field="probability"),
        Value("expected_purchases", "number", "Purchases expected in the horizon", unit="purchases"),
        Value(
            "churn_quartile",
            "count",
            "Quarter by purchases to come, 4 the fewest",
            field="quartile",
            least=1,
            about="1 for the quarter of customers with most purchases to be expected, 4 for that with the fewest",
        ),
        Value("days_since_purchase", "days", "Days since the last purchase", "sometimes", least=1, unit="days"),
    ),
    example={
        "churn_probability": 0.312905,
        "expected_purchases": 1.204113,
        "churn_quartile": 2,
        "days_since_purchase": 12,
        "observation_count": 12,
    },
    statuses=("ok", "insufficient_data", "not_converged", "not_identified"),
)
