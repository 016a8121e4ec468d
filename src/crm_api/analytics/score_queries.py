"""Statements about scores, and which run they are read from."""

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    SmallInteger,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    literal,
    select,
)

from ..core.money import decimal_text
from ..core.read import Prepared, Reader
from ..core.streams import instant_text, money_object
from ..customers.models import Customer
from .models import AnalyticsModel, AnalyticsRun, RfmScore
from .problems import NothingPublished, RowsDropped, RunNotFound
from .score_tables import ScoreTable

Document = dict[str, Any]

_CHOSEN: Final = (
    AnalyticsRun.id,
    AnalyticsRun.model,
    AnalyticsRun.state,
    AnalyticsRun.parameters,
    AnalyticsRun.as_of,
    AnalyticsRun.finished_at,
    AnalyticsRun.rows_dropped_at,
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

_RFM: Final = select(RfmScore.customer_id).add_columns(
    RfmScore.status,
    RfmScore.reason,
    RfmScore.observation_count,
    RfmScore.recency_score,
    RfmScore.frequency_score,
    RfmScore.monetary_score,
    RfmScore.recency_days,
    RfmScore.order_count,
    RfmScore.amount_minor,
    RfmScore.currency,
)
_UNSEEN: Final[Document] = {
    "observation_count": 0,
    "recency_score": None,
    "frequency_score": None,
    "monetary_score": None,
    "recency_days": None,
    "order_count": 0,
    "amount": None,
}
RFM_ROW: Final[Select[*tuple[Any, ...]]] = (
    select(AnalyticsRun.id.label("run_id"))
    .add_columns(AnalyticsRun.as_of, AnalyticsRun.finished_at, *_RFM.selected_columns)
    .join(AnalyticsModel, and_(AnalyticsModel.current_run_id == AnalyticsRun.id, AnalyticsModel.model == "rfm"))
    .outerjoin(
        RfmScore,
        and_(RfmScore.run_id == AnalyticsRun.id, RfmScore.customer_id == bindparam("customer_id", type_=Uuid)),
    )
)
"""What the current run says of one customer: no row without such a run, nulls without a score."""
RFM_OF_ONE: Final = Prepared(RFM_ROW)


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
def rfm_page(given: frozenset[str]) -> Prepared:
    """Rows of one run by customer_id; binds `run_id`, `limit` and the filters that are given."""
    return Prepared(_of_run(_RFM, given).order_by(RfmScore.customer_id).limit(bindparam("limit")))


def rfm_stream(table: ScoreTable, run: Mapping[str, Any], values: Mapping[str, Any], *, as_json: bool) -> Select[Any]:
    """All rows of one run, filtered, by customer_id, as they are streamed."""
    head = [literal(run["as_of"]).label("as_of"), RfmScore.run_id]
    if as_json:
        computed_at = instant_text(literal(run["finished_at"])).label("computed_at")
        amount = money_object(RfmScore.amount_minor, RfmScore.currency).label("amount")
        dropped = ("customer_id", "amount_minor", "currency")
        rest = [column for column in _RFM.selected_columns if column.name not in dropped]
        model = literal("rfm").label("model")
        statement = select(RfmScore.customer_id).add_columns(model, *reversed(head), computed_at, *rest, amount)
    else:
        statement = select(*head).add_columns(*(column.as_written for column in table.columns))
    return _of_run(statement, frozenset(values)).order_by(RfmScore.customer_id).params(run_id=run["id"], **values)


def _of_run(statement: Select[Any], given: frozenset[str]) -> Select[Any]:
    """Narrow to one run and to the filters that are given, each bound under its name."""
    return statement.where(
        RfmScore.run_id == bindparam("run_id", type_=Uuid), *(_filter(name) for name in sorted(given))
    )


def _filter(name: str) -> ColumnElement[bool]:
    match name:
        case "after":
            return RfmScore.customer_id > bindparam("after", type_=Uuid)
        case "customer_from":
            return RfmScore.customer_id >= bindparam("customer_from", type_=Uuid)
        case "customer_before":
            return RfmScore.customer_id < bindparam("customer_before", type_=Uuid)
        case "status":
            return RfmScore.status == bindparam("status")
    column: ColumnElement[Any] = RfmScore.__table__.c[name]
    return column == any_(bindparam(name, type_=ARRAY(SmallInteger)))


@lru_cache
def all_rows(table: ScoreTable) -> Prepared:
    """All rows of one run as they are written, by customer_id; binds `run_id`. The hash of a run is taken of these."""
    columns = [column.as_written for column in table.columns]
    return Prepared(select(*columns).where(table.run_id == bindparam("run_id", type_=Uuid)).order_by(table.customer_id))


def rfm_document(row: Mapping[str, Any], run: Mapping[str, Any]) -> Document:
    """Answer a row as the object callers see."""
    found = dict(row)
    currency = found.pop("currency")
    amount = {"amount": decimal_text(found.pop("amount_minor"), currency), "currency": currency}
    told = {"model": "rfm", "run_id": run["id"], "as_of": run["as_of"], "computed_at": run["finished_at"]}
    return {"customer_id": found.pop("customer_id"), **told, **found, "amount": amount}


def rfm_of_one(customer_id: UUID, row: Mapping[str, Any] | None) -> Document:
    """Answer what is known of one customer, which may be nothing: then the reason says why."""
    if row is not None and row["status"] is not None:
        found = dict(row)
        run = {"id": found.pop("run_id"), "as_of": found.pop("as_of"), "finished_at": found.pop("finished_at")}
        return rfm_document(found, run)
    told: Document = {"customer_id": customer_id, "model": "rfm", "run_id": None, "as_of": None, "computed_at": None}
    reason = "No run of rfm has been published yet."
    if row is not None:
        told |= {"run_id": row["run_id"], "as_of": row["as_of"], "computed_at": row["finished_at"]}
        reason = (
            f"No purchase before {row['as_of']} had been recorded when the run began, or the customer was archived."
        )
    return {**told, "status": "insufficient_data", "reason": reason, **_UNSEEN}
