"""Recency, frequency and money."""

from typing import Final

from .values import Output, Value

RFM: Final = Output(
    model="rfm",
    title="RFM",
    about="recency, frequency and monetary scores",
    nothing="No purchase before {as_of} had been recorded when the run began",
    observations="Purchases and refunds that the scores rest on",
    values=(
        Value("recency_score", "score", "Recency score, 1 to 5", field="recency"),
        Value("frequency_score", "score", "Frequency score, 1 to 5", field="frequency"),
        Value("monetary_score", "score", "Monetary score, 1 to 5", field="monetary"),
        Value(
            "recency_days",
            "days",
            "Days since the last purchase",
            least=1,
            unit="days",
            about="Days from the last purchase to `as_of`",
        ),
        Value("order_count", "count", "Purchases", "always", unit="purchases"),
        Value(
            "amount",
            "money",
            "Money spent less refunds",
            "always",
            about="Sum of the purchases less refunds; null when nothing was seen",
        ),
    ),
    example={
        "recency_score": 5,
        "frequency_score": 4,
        "monetary_score": 5,
        "recency_days": 2,
        "order_count": 86,
        "amount": "4330.16",
        "observation_count": 86,
    },
    unseen=(("order_count", 0),),
)
