"""How much more, or less, of something a customer buys than others do."""

from typing import Final

from .values import Output, Value

AFFINITY: Final = Output(
    model="affinity",
    title="affinity",
    about="how much more or less customers buy than all do of the subjects a run names, parts of the product tree",
    nothing="No order line that counts before {as_of} had been recorded when the run began",
    observations="Order lines that the index rests on, in the subject or not",
    key=Value(
        "subject", "name", "Subject", "always", about="Part of the product tree, as the run's parameters name it"
    ),
    values=(
        Value("level", "choice", "Far more than others, as others, far less", choices=("strong", "usual", "weak")),
        Value(
            "affinity_index", "number", "Index", "sometimes", about="100 is like everybody, 200 twice as much; shrunk"
        ),
        Value("share_rate", "rate", "Expected share of the lines that are in it", "sometimes"),
        Value("line_count", "count", "Order lines in it", "always"),
    ),
    example={
        "subject": "garden",
        "level": "strong",
        "affinity_index": 241.317,
        "share_rate": 0.171422,
        "line_count": 28,
        "observation_count": 148,
    },
    statuses=("ok", "insufficient_data", "not_converged", "not_identified"),
)
