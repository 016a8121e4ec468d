"""Statements about scores, and which run they are read from."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    exists,
    literal,
    select,
    tuple_,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from ..core.clock import now
from ..core.money import decimal_text
from ..core.read import Prepared, Reader, Together, raw_json
from ..core.streams import instant_text, money_object
from ..customers.models import Customer
from .models import SCORES, AnalyticsModel, AnalyticsPlan, AnalyticsRun
from .outputs import OF_CUSTOMERS, OUTPUTS, PROFILED, Output, Value, stored_name
from .problems import NothingPublished, RowsDropped, RunNotFound
from .rules import stale_since
from .score_tables import ScoreTable
from .sensitive import BOUND, agreed

Document = dict[str, Any]
AFTER: Final = ("after", "after_key")
"""Where a page goes on: as many of these are bound as there are columns that tell rows apart."""

_IS_CURRENT_RUN: Final = exists().where(AnalyticsModel.current_run_id == AnalyticsRun.id).correlate(AnalyticsRun)
IS_PLANNED: Final = exists().where(AnalyticsPlan.model == AnalyticsRun.model, AnalyticsPlan.enabled)
_CHOSEN: Final = (
    AnalyticsRun.id,
    AnalyticsRun.model,
    AnalyticsRun.state,
    AnalyticsRun.parameters,
    AnalyticsRun.as_of,
    AnalyticsRun.finished_at,
    AnalyticsRun.rows_dropped_at,
    and_(_IS_CURRENT_RUN, IS_PLANNED.correlate(AnalyticsRun)).label("is_planned"),
)
_IS_CURRENT: Final = and_(
    AnalyticsModel.current_run_id == AnalyticsRun.id, AnalyticsModel.model == bindparam("model", type_=Text)
)
_NAMED: Final = Prepared(
    select(*_CHOSEN).where(AnalyticsRun.id == bindparam("run_id", type_=Uuid), AnalyticsRun.model == bindparam("model"))
)
_CURRENT: Final = Prepared(select(*_CHOSEN).join(AnalyticsModel, _IS_CURRENT))
_AS_OF: Final = Prepared(
    select(*_CHOSEN)
    .where(
        AnalyticsRun.model == bindparam("model"),
        AnalyticsRun.as_of == bindparam("as_of"),
        AnalyticsRun.state == "published",
    )
    .order_by(AnalyticsRun.created_at.desc(), AnalyticsRun.id.desc())
    .limit(1)
)
IS_CUSTOMER: Final = Prepared(
    select(Customer.customer_id).where(Customer.customer_id == bindparam("customer_id", type_=Uuid))
)


def _columns(output: Output) -> list[ColumnElement[Any]]:
    """What is answered of a row, but for whose it is."""
    kept = SCORES[output.model].c
    currency = ("currency",) if output.has_money else ()
    names = ("status", "reason", "observation_count", *map(stored_name, output.all_values), *currency)
    return [kept[name] for name in names]


def _whose(output: Output) -> list[ColumnElement[Any]]:
    return [] if output.subject is not None else [SCORES[output.model].c.customer_id]


def _row_of_one(output: Output) -> Select[*tuple[Any, ...]]:
    kept = SCORES[output.model]
    is_current = and_(AnalyticsModel.current_run_id == AnalyticsRun.id, AnalyticsModel.model == output.model)
    is_theirs = and_(kept.c.run_id == AnalyticsRun.id, kept.c.customer_id == bindparam("customer_id", type_=Uuid))
    if output.is_sensitive:
        is_theirs = and_(is_theirs, agreed(kept.c.customer_id))
    statement = (
        select(AnalyticsRun.id.label("run_id"))
        .add_columns(
            AnalyticsRun.as_of, AnalyticsRun.finished_at, AnalyticsRun.audience.is_not(None).label("is_partial")
        )
        .add_columns(IS_PLANNED.correlate(AnalyticsRun).label("is_planned"), kept.c.customer_id, *_columns(output))
        .join(AnalyticsModel, is_current)
        .outerjoin(kept, is_theirs)
    )
    return statement if output.key is None else statement.order_by(kept.c[output.key.name])


OF_ONE: Final = {output.model: _row_of_one(output) for output in OF_CUSTOMERS.values()}
"""What the current run of each model says of one customer; binds `customer_id` and `sensitive.BOUND`. No row without
such a run, nulls without a score; of a model with a key, a row for each.
"""
ALL_OF_ONE: Final = Together({model: OF_ONE[model] for model in PROFILED})


async def chosen_run(reader: Reader, model: str, run_id: UUID | None, as_of: date | None) -> Mapping[str, Any]:
    """Answer the run to read from. Errors: RunNotFound, NothingPublished, RowsDropped."""
    if run_id is not None:
        run = await reader.row(_NAMED, run_id=run_id, model=model)
        if run is None:
            raise RunNotFound(f"No run of {model} is called {run_id}")
    elif as_of is not None:
        run = await reader.row(_AS_OF, model=model, as_of=as_of)
    else:
        run = await reader.row(_CURRENT, model=model)
    if run is None or run["state"] != "published":
        told = f"as of {as_of}" if as_of else f"under {run_id}" if run_id else "yet"
        raise NothingPublished(f"No scores of {model} have been published {told}")
    if run["rows_dropped_at"] is not None:
        raise RowsDropped(f"The rows of run {run['id']} were dropped at {run['rows_dropped_at']:%Y-%m-%dT%H:%M:%SZ}")
    found: Mapping[str, Any] = run
    return found


@lru_cache
def page(model: str, given: frozenset[str]) -> Prepared:
    """Rows of one run in order; binds `run_id`, `limit` and the filters that are given."""
    kept, output = SCORES[model].c, OUTPUTS[model]
    statement = select(*_whose(output), *_columns(output))
    ordered = _of_run(statement, model, given).order_by(*(kept[name] for name in output.identity))
    return Prepared(ordered.limit(bindparam("limit")))


def stream(table: ScoreTable, run: Mapping[str, Any], values: Mapping[str, Any], *, as_json: bool) -> Select[Any]:
    """All rows of one run, filtered, in order, as they are streamed."""
    kept, output = table.kept.c, table.output
    as_of = literal(run["as_of"]).label("as_of")
    if as_json:
        computed_at = instant_text(literal(run["finished_at"])).label("computed_at")
        model = literal(table.model).label("model")
        rest = [_as_json(value, table) for value in output.all_values]
        told = (*_stored_state(kept, run), kept.observation_count, *rest)
        statement = select(*_whose(output), model, kept.run_id, as_of, computed_at, *told)
    else:
        statement = select(as_of, kept.run_id).add_columns(*(column.as_written for column in table.columns))
    ordered = _of_run(statement, table.model, frozenset(values) - {BOUND}).order_by(*table.identity)
    return ordered.params(run_id=run["id"], **values)


def _stored_state(kept: ReadOnlyColumnCollection[str, Column[Any]], run: Mapping[str, Any]) -> list[ColumnElement[Any]]:
    if not is_stale(run):
        return [kept.status, kept.reason]
    aged = (("status", "stale"), ("reason", _staleness(run)))
    return [case((kept.status == "ok", literal(told)), else_=kept[name]).label(name) for name, told in aged]


def _as_json(value: Value, table: ScoreTable) -> ColumnElement[Any]:
    stored = table.kept.c[stored_name(value)]
    if value.kind == "money":
        return money_object(stored, table.kept.c.currency).label(value.name)
    return stored


def _of_run(statement: Select[Any], model: str, given: frozenset[str]) -> Select[Any]:
    """Narrow to one run and to the filters that are given, each bound under its name."""
    kept = SCORES[model].c
    filters = (_filter(kept, name, OUTPUTS[model]) for name in sorted(given))
    allowed = (agreed(kept.customer_id),) if OUTPUTS[model].is_sensitive else ()
    return statement.where(kept.run_id == bindparam("run_id", type_=Uuid), *filters, *allowed)


def _filter(kept: ReadOnlyColumnCollection[str, Column[Any]], name: str, output: Output) -> ColumnElement[bool]:
    match name:
        case "after":
            places = [kept[each] for each in output.identity]
            after = zip(places, AFTER, strict=False)
            return tuple_(*places) > tuple_(*(bindparam(bound, type_=place.type) for place, bound in after))
        case "customer_from":
            return kept.customer_id >= bindparam("customer_from", type_=Uuid)
        case "customer_before":
            return kept.customer_id < bindparam("customer_before", type_=Uuid)
        case "status":
            return kept.status == bindparam("status")
    item = Text() if isinstance(kept[name].type, Text) else kept[name].type
    return kept[name] == any_(bindparam(name, type_=ARRAY(item)))


@lru_cache
def all_rows(table: ScoreTable) -> Prepared:
    """All rows of one run as they are written, in order; binds `run_id`. The hash of a run is taken of these."""
    columns = [column.as_written for column in table.columns]
    return Prepared(select(*columns).where(table.run_id == bindparam("run_id", type_=Uuid)).order_by(*table.identity))


def document(output: Output, row: Mapping[str, Any], run: Mapping[str, Any]) -> Document:
    """Answer a row as the object callers see."""
    return {
        **({"customer_id": row["customer_id"]} if output.subject is None else {}),
        "model": output.model,
        "run_id": run["id"],
        "as_of": run["as_of"],
        "computed_at": run["finished_at"],
        **state_of(row, run),
        "observation_count": row["observation_count"],
        **{value.name: _answered(value, row) for value in output.all_values},
    }


def state_of(row: Mapping[str, Any], run: Mapping[str, Any]) -> Document:
    """Answer the state a score is in: its own, or that it has become older than its plan promises."""
    if row["status"] == "ok" and is_stale(run):
        return {"status": "stale", "reason": _staleness(run)}
    return {"status": row["status"], "reason": row["reason"]}


def is_stale(run: Mapping[str, Any]) -> bool:
    """Say whether the scores of a run are older than its model's plan promises."""
    return stale_since(run["finished_at"], run["is_planned"], now()) is not None


def _staleness(run: Mapping[str, Any]) -> str:
    return f"Computed at {run['finished_at']:%Y-%m-%dT%H:%M:%SZ}; a run is planned for every day."


def _answered(value: Value, row: Mapping[str, Any]) -> Any:
    found = row[stored_name(value)]
    if found is None:
        return None
    if value.kind == "money":
        return {"amount": decimal_text(found, row["currency"]), "currency": row["currency"]}
    if value.kind == "texts":
        return raw_json(found)
    return float(found) if value.kind in ("rate", "number") else found


def of_one(output: Output, customer_id: UUID, rows: Sequence[Mapping[str, Any]]) -> list[Document]:
    """Answer what a model's current run says of one customer, an entry for each key where there is one; when that is
    nothing, one entry whose reason says why.
    """
    if not rows:
        return [_unseen(output, customer_id, {}, f"No run of {output.model} has been published yet.")]
    run = {**rows[0], "id": rows[0]["run_id"]}
    if rows[0]["status"] is None:
        why = output.nothing.format(as_of=run["as_of"])
        whom = ", or is not in its audience" if run["is_partial"] else ""
        return [_unseen(output, customer_id, run, f"{why}, or the customer was archived{whom}.")]
    return [document(output, row, run) for row in rows]


def _unseen(output: Output, customer_id: UUID, run: Mapping[str, Any], reason: str) -> Document:
    return {
        "customer_id": customer_id,
        "model": output.model,
        "run_id": run.get("id"),
        "as_of": run.get("as_of"),
        "computed_at": run.get("finished_at"),
        "status": "insufficient_data",
        "reason": reason,
        "observation_count": 0,
        **dict.fromkeys(value.name for value in output.all_values),
        **dict(output.unseen),
    }
