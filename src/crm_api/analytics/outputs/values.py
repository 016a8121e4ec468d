"""What one run of a model says of one customer, or of one product or rule, declared once: tables, checks, answers,
fields and the worker's CSV follow from it.
"""

from dataclasses import dataclass
from typing import Final, Literal

Status = Literal["ok", "insufficient_data", "not_converged", "not_identified", "stale"]
Kind = Literal["score", "count", "days", "number", "rate", "money", "choice", "name", "text", "texts"]
"""`score` 1 to 5; `count` and `days` whole numbers; `number` zero or more, `rate` 0 to 1, both with `DIGITS` digits
after the point, so that they are the same bytes everywhere; `money` in the run's currency; `choice` one of a few words;
`name` a word that matches `NAME`; `text` as the business wrote it, on one line; `texts` several, as a JSON array.
"""
Given = Literal["always", "scored", "unscored", "sometimes"]
"""In every row; in those with status `ok` and no other; in all others; in those that have it."""
NAME: Final = "^[a-z][a-z0-9_]{0,49}$"
"""What names in rows look like: as audiences compare text, so that they can be asked for."""
DIGITS: Final = 6
"""After the point, of rates and of numbers that are no money."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a row.

    name: on the wire and in the table, where money ends in `_minor`. label: for people. field: its name in the field
    catalog after the model's, its own when left out. least: of whole numbers. unit: what numbers count, for people.
    """

    name: str
    kind: Kind
    label: str
    given: Given = "scored"
    field: str | None = None
    least: int = 0
    unit: str | None = None
    choices: tuple[str, ...] = ()
    about: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """The rows of one model.

    about: what the model is, a sentence. nothing: why a customer has no row, but for having been archived. example:
    the values of a row, with its `observation_count`. unseen: values of a customer without a row that are not null.
    key: what a row is about besides the customer, of models that say several things of each; in every row.
    is_sensitive: told only for a purpose that the deployment names, of customers who agreed to it.
    empty: what to say of a run without rows, a sentence without its end.
    of_purchases: whether the touchpoints that it rests on are purchases and refunds, and are summed up as such.
    subject: what a row is about instead of a customer, of models that say nothing of customers; in every row.
    """

    model: str
    title: str
    about: str
    nothing: str
    observations: str
    values: tuple[Value, ...]
    example: dict[str, object]
    statuses: tuple[Status, ...] = ("ok", "insufficient_data")
    unseen: tuple[tuple[str, int], ...] = ()
    key: Value | None = None
    is_sensitive: bool = False
    subject: Value | None = None
    empty: str = "No purchase was found before {as_of}"
    of_purchases: bool = True

    @property
    def all_values(self) -> tuple[Value, ...]:
        """The subject and the key, if there are such, and the values."""
        return tuple(value for value in (self.subject, self.key, *self.values) if value is not None)

    @property
    def identity(self) -> tuple[str, ...]:
        """What tells the rows of a run apart, in whose order they are read."""
        first = "customer_id" if self.subject is None else self.subject.name
        return (first,) if self.key is None else (first, self.key.name)

    @property
    def is_list(self) -> bool:
        """Whether rows are the places of a customer's list, which is long, and asked for by itself."""
        return self.subject is None and self.key is not None and self.key.name == "rank"

    @property
    def has_money(self) -> bool:
        """Whether rows are in a currency, which then stands behind the values."""
        return any(value.kind == "money" for value in self.values)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of a row on the wire, in order."""
        currency = ("currency",) if self.has_money else ()
        own = (value.name for value in self.all_values)
        whose = ("customer_id",) if self.subject is None else ()
        return (*whose, *own, *currency, "observation_count", "status", "reason")

    @property
    def filters(self) -> tuple[str, ...]:
        """Values that scores are filtered by."""
        return tuple(value.name for value in self.all_values if value.kind in ("score", "choice", "name", "text"))


def stored_name(value: Value) -> str:
    """Name the column a value is kept in."""
    return f"{value.name}_minor" if value.kind == "money" else value.name
