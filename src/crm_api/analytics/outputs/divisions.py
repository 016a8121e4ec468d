"""Three divisions of the same customers: by need, by value now, by value to come."""

from typing import Final

from .values import Output, Value

_LEVELS: Final = ("low", "medium", "high")
DIVISIONS: Final = Output(
    model="divisions",
    title="divisions",
    about="what customers need, what they are worth now, and what they could be worth, each a division of its own",
    nothing="No order line in the days looked back on before {as_of} had been recorded when the run began",
    observations="Order lines in the days looked back on",
    values=(
        Value(
            "need",
            "text",
            "What is bought most above the average",
            "sometimes",
            about="A part of the product tree; `broad` where none stands out; null with too few lines to tell",
        ),
        Value("need_index", "number", "How much more of it than the average customer, shrunk", "sometimes"),
        Value("actual_value", "choice", "Value now", choices=_LEVELS, about="By thirds of recent spend less refunds"),
        Value(
            "potential_value",
            "choice",
            "Value to come",
            choices=_LEVELS,
            about="By thirds of what most customers buy besides and this one does not; no forecast",
        ),
        Value("actual", "money", "Spend less refunds in the days looked back on"),
        Value("potential", "money", "What those who buy it spend on what is missing"),
    ),
    example={
        "need": "PRODUCE",
        "need_index": 1.614205,
        "actual_value": "medium",
        "potential_value": "high",
        "actual": "412.07",
        "potential": "38.20",
        "observation_count": 148,
    },
)
