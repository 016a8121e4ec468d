"""Who buys little, and what customers like them buy that they do not."""

from typing import Final

from .values import Output, Value

GROWTH: Final = Output(
    model="growth",
    title="growth potential",
    about="light, medium or heavy by recent spend, what is missing to the peers, and what most of them buy besides",
    nothing="No order line in the days looked back on before {as_of} had been recorded when the run began",
    observations="Order lines in the days looked back on",
    values=(
        Value(
            "growth_class",
            "choice",
            "Light, medium or heavy buyer",
            field="class",
            choices=("light", "medium", "heavy"),
            about="By thirds of the customers who bought, by spend; equal spends stay together",
        ),
        Value("spend", "money", "Spend less refunds in the days looked back on"),
        Value("peer_spend", "money", "Spend that only the highest of the peers exceed"),
        Value("gap", "money", "What is missing to that spend", about="Zero for who spends as much; no forecast"),
        Value("white_space_count", "count", "Categories that most peers buy and the customer does not"),
        Value(
            "white_space", "money", "What peers who buy those categories spend on them", about="Sum of their medians"
        ),
        Value("top_white_space", "text", "The category among them that is worth most", "sometimes"),
    ),
    example={
        "growth_class": "medium",
        "spend": "412.07",
        "peer_spend": "1030.55",
        "gap": "618.48",
        "white_space_count": 2,
        "white_space": "38.20",
        "top_white_space": "CHEESE",
        "observation_count": 148,
    },
)
