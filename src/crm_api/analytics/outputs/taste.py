"""What customers like, buy, and leave out."""

from dataclasses import replace
from typing import Final

from .values import Output, Value

TASTE: Final = Output(
    model="taste",
    title="taste",
    about="what customers like, buy and leave out of the subjects a run names, each a part of the product tree",
    nothing="No order line that counts before {as_of} had been recorded when the run began",
    observations="Order lines that the opinion rests on, in the subject or not",
    key=Value(
        "subject", "name", "Subject", "always", about="Part of the product tree, as the run's parameters name it"
    ),
    values=(
        Value("opinion", "choice", "Avoids, likes, or merely buys", choices=("avoids", "likes", "buys")),
        Value("avoid_probability", "rate", "Probability of never buying it", "sometimes"),
        Value("like_probability", "rate", "Probability of belonging to the fifth who buy most of it", "sometimes"),
        Value("share_rate", "rate", "Expected share of the lines that are in it", "sometimes"),
        Value("line_count", "count", "Order lines in it", "always"),
    ),
    example={
        "subject": "garden",
        "opinion": "avoids",
        "avoid_probability": 0.981422,
        "like_probability": 0.0,
        "share_rate": 0.000713,
        "line_count": 0,
        "observation_count": 148,
    },
    statuses=("ok", "insufficient_data", "not_converged", "not_identified"),
)

SENSITIVE_TASTE: Final = replace(
    TASTE,
    example={**TASTE.example, "subject": "meat"},
    model="sensitive_taste",
    title="sensitive taste",
    about="what customers who agreed to it like, buy and leave out of subjects that may reveal health or belief, such "
    "as a diet",
    nothing="No order line that counts before {as_of} had been recorded when the run began, or the customer did not "
    "agree to the purpose it is told for (CRM_SENSITIVE_TASTE_PURPOSE)",
    is_sensitive=True,
)
