"""Lists of items for each customer: what to buy again, and what to discover."""

from typing import Final

from .values import Output, Value

RANK: Final = Value("rank", "count", "Place in the list, from 1", "always", least=1)
_NOTHING: Final = "No order line with a product before {as_of} had been recorded when the run began"
DISCOVER: Final = Output(
    model="discover",
    title="discover",
    about="the items that a customer never bought and will like, best first",
    nothing=_NOTHING,
    observations="Items known of the customer",
    key=RANK,
    values=(
        Value(
            "kind",
            "choice",
            "Cross-sell, up-sell, alternative or new",
            choices=("cross_sell", "up_sell", "alternative", "new"),
            about="`cross_sell`: from a parent (the category of a product or type, the department of a category) that "
            "is new to the customer; `up_sell`: dearer than what they bought there on average; `alternative`: not "
            "dearer; `new`: it stands in no tree, so that one cannot tell",
        ),
        Value("item", "text", "What is listed"),
        Value("appeal", "number", "What the list is ordered by", about="No probability, and only to compare by"),
        Value("because_item", "text", "Bought item that says most for it"),
    ),
    example={
        "rank": 1,
        "kind": "cross_sell",
        "item": "RYE BREAD",
        "appeal": 0.312905,
        "because_item": "SALTED BUTTER",
        "observation_count": 48,
    },
)
BUY_AGAIN: Final = Output(
    model="buy_again",
    title="buy again",
    about="the items that a customer bought on several days and is most likely to buy in the horizon",
    nothing=_NOTHING,
    observations="Days on which the customer bought the item; without one, items known of the customer",
    key=RANK,
    values=(
        Value("item", "text", "What is listed"),
        Value("buy_probability", "rate", "Probability that it is bought in the horizon"),
        Value("usual_gap_days", "number", "Usual time between two purchases", unit="days"),
        Value("elapsed_days", "days", "Days since the last purchase", unit="days"),
    ),
    example={
        "rank": 1,
        "item": "FLUID MILK",
        "buy_probability": 0.712905,
        "usual_gap_days": 6.25,
        "elapsed_days": 5,
        "observation_count": 31,
    },
)
