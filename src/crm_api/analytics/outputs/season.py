"""Who comes in a season, and who comes now and then."""

from typing import Final

from .values import Output, Value

SEASON: Final = Output(
    model="season",
    title="season",
    about="seasonal, occasional and regular shoppers, by the months and the days on which each customer buys",
    nothing="No purchase in the years before {as_of} that the run looks at had been recorded when it began",
    observations="Days with a purchase",
    values=(
        Value(
            "shopper_class",
            "choice",
            "Comes in a season, now and then, or all the time",
            field="class",
            choices=("seasonal", "occasional", "regular"),
        ),
        Value(
            "peak_month",
            "count",
            "Busiest month of a seasonal shopper",
            "sometimes",
            least=1,
            about="1 is January; null for whoever has no season",
        ),
        Value(
            "peak_index", "number", "How busy that month is", "sometimes", about="100 is like all customers together"
        ),
        Value("false_discovery_rate", "rate", "Share of false seasons among all as clear as this one", "sometimes"),
        Value("days_in_30", "number", "Days with a purchase in 30 days", "always", unit="days"),
    ),
    example={
        "shopper_class": "seasonal",
        "peak_month": 12,
        "peak_index": 412.5,
        "false_discovery_rate": 0.000412,
        "days_in_30": 1.479452,
        "observation_count": 18,
    },
)
