"""What is said of products and not of customers: related items, and rules of baskets."""

from typing import Final

from .lists import RANK
from .values import Output, Value

_NOTHING: Final = "No order line with it before {as_of} had been recorded when the run began"
RELATED_PRODUCTS: Final = Output(
    model="related_products",
    title="related products",
    about="the items bought by the customers of an item, nearest first",
    nothing=_NOTHING,
    observations="Customers who bought the item",
    subject=Value("item", "text", "What the row is about", "always"),
    key=RANK,
    values=(
        Value("related_item", "text", "What is related"),
        Value("similarity", "rate", "Cosine of the two items' customers, shrunk when few bought both"),
    ),
    example={
        "item": "SALTED BUTTER",
        "rank": 1,
        "related_item": "RYE BREAD",
        "similarity": 0.412905,
        "observation_count": 812,
    },
)
ASSOCIATION: Final = Output(
    model="association",
    title="association",
    about="rules of what baskets hold when they hold something else, strongest lift first",
    nothing=_NOTHING,
    observations="Baskets",
    empty="No rule with so much support and confidence was found before {as_of}",
    subject=Value("rank", "count", "Place by lift, from 1", "always", least=1),
    values=(
        Value("if_items", "texts", "Left side: what a basket holds", "always"),
        Value("then_item", "text", "Right side: what it then holds too", "always"),
        Value("support", "rate", "Share of all baskets with all of the items", "always"),
        Value("confidence", "rate", "Share of the baskets with the left side that have the right side too", "always"),
        Value("lift", "number", "Confidence over the right side's share of all baskets", "always", about="1 is chance"),
        Value("basket_count", "count", "Baskets with all of the items", "always", least=1),
        Value("left_count", "count", "Baskets with the left side", "always", least=1),
        Value("right_count", "count", "Baskets with the right side", "always", least=1),
        Value(
            "p_value",
            "rate",
            "Chance of so many baskets if the sides were independent",
            "always",
            about="Fisher's exact test, one-sided, to 6 digits; of one rule: many are looked at",
        ),
    ),
    example={
        "rank": 1,
        "if_items": ["ONIONS", "VEGETABLES"],
        "then_item": "ROOT VEGETABLES",
        "support": 0.012905,
        "confidence": 0.452311,
        "lift": 4.141256,
        "basket_count": 127,
        "left_count": 281,
        "right_count": 1072,
        "p_value": 0.0,
        "observation_count": 9835,
    },
)
