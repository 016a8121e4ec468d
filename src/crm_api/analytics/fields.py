"""What analytics adds to the field catalog: the scores of the current run of each model."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Text, cast, select

from ..audience import Field, FieldType, Rows
from ..customers.models import Customer
from .models import SCORES, AnalyticsModel, AnalyticsRun
from .outputs import OF_CUSTOMERS, Kind, Output, Value, stored_name
from .sensitive import agreed

_TYPES: Final[dict[Kind, FieldType]] = {
    "score": "integer",
    "count": "integer",
    "days": "integer",
    "number": "number",
    "rate": "number",
    "money": "money",
    "choice": "choice",
    "name": "text",
    "text": "choice",
}


def _fields(output: Output, purpose: str | None) -> Iterator[Field]:
    kept = SCORES[output.model].c
    current = select(AnalyticsModel.current_run_id).where(AnalyticsModel.model == output.model).scalar_subquery()
    conditions, depends_on = [kept.run_id == current], {f"score:{output.model}"}
    if output.is_sensitive:
        conditions.append(agreed(kept.customer_id, purpose))
        depends_on.add("consent")
    rows = Rows(key=kept.customer_id, of=Customer.customer_id, conditions=tuple(conditions))
    values = output.values if output.key is None else ()
    for value in values:
        more: dict[str, Any] = {"currency": kept.currency} if value.kind == "money" else {}
        if value.kind == "choice":
            more["choices"] = value.choices
        yield Field(
            name=f"{output.model}.{value.field or value.name}",
            type=_TYPES[value.kind],
            column=kept[stored_name(value)],
            rows=rows,
            depends_on=frozenset(depends_on),
            label=value.label,
            unit=value.unit,
            source="score",
            **more,
        )
    yield from _source(output, rows, frozenset(depends_on))
    if output.is_list:
        yield from _listed(output, rows)
    if output.key is not None and output.key.kind == "name":
        yield from _sets(output, output.key, rows, frozenset(depends_on))


def _source(output: Output, rows: Rows, depends_on: frozenset[str]) -> Iterator[Field]:
    """Which run says so, and since when: of every customer with a row, scored or not."""
    its = AnalyticsRun.id == SCORES[output.model].c.run_id
    computed_at = select(AnalyticsRun.finished_at).where(its).scalar_subquery()
    title = f"{output.title[0].upper()}{output.title[1:]}"
    told: dict[str, Any] = {"rows": rows, "depends_on": depends_on, "source": "score"}
    yield Field(
        name=f"{output.model}.computed_at", type="datetime", column=computed_at, label=f"{title}: computed at", **told
    )
    yield Field(
        name=f"{output.model}.run_id",
        type="choice",
        column=cast(SCORES[output.model].c.run_id, Text),
        operators=("eq", "in", "known"),
        label=f"{title}: run",
        **told,
    )


def _listed(output: Output, rows: Rows) -> Iterator[Field]:
    """Of a list: what is on it, and for each word that tells its places apart, what is on it under that word."""
    kept = SCORES[output.model].c
    words = [(value.name, choice) for value in output.values for choice in value.choices]
    for where in ([], *([word] for word in words)):
        told = where[0][1] if where else "item"
        yield Field(
            name=f"{output.model}.{told}",
            type="choice",
            column=kept.item,
            rows=rows,
            where=tuple((kept[name], choice) for name, choice in where),
            operators=("eq", "in", "known"),
            depends_on=frozenset({f"score:{output.model}"}),
            label=f"{output.title[0].upper()}{output.title[1:]}: {told.replace('_', ' ')}",
            source="score",
        )


def _sets(output: Output, key: Value, rows: Rows, depends_on: frozenset[str]) -> Iterator[Field]:
    """Where a model says several things of a customer: for each word it can say, of what it says it."""
    kept = SCORES[output.model].c
    for value in output.values:
        for choice in value.choices:
            yield Field(
                name=f"{output.model}.{choice}",
                type="set",
                column=kept[key.name],
                rows=rows,
                where=((kept[value.name], choice),),
                depends_on=depends_on,
                label=f"{output.title[0].upper()}{output.title[1:]}: {choice.replace('_', ' ')}",
                source="score",
            )


def score_fields(purpose: str | None) -> Iterator[Field]:
    """Answer the fields of all models; of sensitive ones only when a purpose is named."""
    for output in OF_CUSTOMERS.values():
        if purpose is not None or not output.is_sensitive:
            yield from _fields(output, purpose)
