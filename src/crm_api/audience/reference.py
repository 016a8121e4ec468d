"""The words of the language, each with an example and what it means: for form builders, and for people."""

from typing import Final, NamedTuple


class Word(NamedTuple):
    """An operator or an aggregate: its name in trees, an example of it as text, what it means."""

    name: str
    example: str
    meaning: str


OPERATOR_WORDS: Final = (
    Word("eq", 'country = "DE"', "The same"),
    Word("ne", 'country != "DE"', "Another; who has none is no match"),
    Word("in", 'country in ("DE", "AT")', "One of these"),
    Word("gt", "age > 30", "More, or later"),
    Word("gte", "age >= 30", "As much or more, or as late or later"),
    Word("lt", "age < 30", "Less, or earlier"),
    Word("lte", "age <= 30", "As much or less, or as early or earlier"),
    Word("between", "age between 30 and 39", "In the range, both ends included"),
    Word("like", 'postal_code like "80*"', "Looks like that; * stands for any characters"),
    Word("has", 'tags has "vip"', "The set has this element"),
    Word("known", "birth_date is known", "There is a value; false: there is none"),
    Word("within_last", "created_at within last 7 days", "In so many days up to today, which is one of them"),
    Word("within_next", "birth_date within next 7 days", "In so many days from today, which is one of them"),
    Word(
        "anniversary_within_next",
        "birth_date anniversary within next 7 days",
        "Day and month come round in so many days from today, on the calendar of the customer's time zone",
    ),
)
AGGREGATE_WORDS: Final = (
    Word("count", "count(page.viewed, last 14 days) >= 3", "How many there are; none is 0"),
    Word("sum", "sum(amount of order.placed, last 365 days) >= 500.00 EUR", "What an amount adds up to; of none 0"),
    Word(
        "average",
        "average(amount of order.placed, last 12 months) >= 40.00 EUR",
        "What an amount is on average; without any no match",
    ),
    Word(
        "share",
        'share(items.paid of order.placed with items (category = "MEAT"), last 12 months) >= 30%',
        "What some lines are of all lines of the same touchpoints, 0 to 1",
    ),
    Word("never", "never(order.placed, last 90 days)", "There is none"),
    Word("first", "first(order.placed) >= 2026-01-01", "When the first one was; without any no match"),
    Word("latest", "latest(order.placed) within last 30 days", "When the latest one was; without any no match"),
)
CONDITION_WORDS: Final = (
    Word(
        "household_any",
        "household any (age < 12)",
        "Somebody in the customer's household meets it; who is in none is one alone",
    ),
    Word("household_all", "household all (age >= 18)", "Everybody in the customer's household meets it"),
    Word(
        "distance",
        "distance(address, 52.52, 13.405) <= 25 km",
        "How far it is to a point, in degrees north and east, from a field of the type place; without one no match",
    ),
    Word("bucket", 'bucket("spring test", 100) < 10', "A stable random number from 0 up to, without, the second one"),
    Word("segment_name", 'in_segment("churn-risk")', "A member of another segment, as last published"),
)
