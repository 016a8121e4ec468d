"""Statements about runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal, TypeVarTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    DateTime,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from ..audience import Catalog, Moment, condition, print_text, read_tree
from ..audience.problems import audience_at
from ..core.read import Prepared, Reader, raw_json
from ..customers.models import Customer
from ..touchpoints.models import OrderItem, Product, Touchpoint
from .models import AnalyticsBacktest, AnalyticsModel, AnalyticsPlan, AnalyticsRun, AnalyticsRunPart
from .problems import BacktestNotFound, RunNotFound
from .rules import KEPT_RUNS, NOBODY_SCORED

Document = dict[str, Any]
Columns = TypeVarTuple("Columns")

_AS_JSON: Final = ("parameters", "timing", "quality", "problem", "approval")
_IS_CURRENT: Final = exists().where(AnalyticsModel.current_run_id == AnalyticsRun.id).correlate(AnalyticsRun)
_RUN: Final = select(
    AnalyticsRun.id,
    AnalyticsRun.model,
    AnalyticsRun.state,
    _IS_CURRENT.label("is_current"),
    AnalyticsRun.parameters,
    AnalyticsRun.audience,
    AnalyticsRun.as_of,
    AnalyticsRun.watermark,
    AnalyticsRun.code_version,
    AnalyticsRun.input_hash,
    AnalyticsRun.output_hash,
    AnalyticsRun.row_count,
    AnalyticsRun.timing,
    AnalyticsRun.peak_memory_bytes,
    AnalyticsRun.quality,
    AnalyticsRun.job_id,
    AnalyticsRun.created_by,
    AnalyticsRun.created_at,
    AnalyticsRun.started_at,
    AnalyticsRun.finished_at,
    AnalyticsRun.rows_dropped_at,
    AnalyticsRun.problem,
    AnalyticsRun.approval,
)
_ONE: Final = Prepared(_RUN.where(AnalyticsRun.id == bindparam("run_id", type_=Uuid)))

OPENED_RUN: Final = Prepared(
    select(AnalyticsRun.model, AnalyticsRun.parameters, AnalyticsRun.watermark)
    .add_columns(AnalyticsRun.audience, AnalyticsRun.created_at, AnalyticsRun.state)
    .where(AnalyticsRun.id == bindparam("run_id", type_=Uuid))
)
"""What has to be known of a run before its rows can be looked at."""


@lru_cache
def listed(given: frozenset[str]) -> Prepared:
    """List runs, the newest first; binds `limit`, and of `model`, `state`, `after` (an id) those that are given."""
    statement = _RUN.order_by(AnalyticsRun.id.desc()).limit(bindparam("limit"))
    if "model" in given:
        statement = statement.where(AnalyticsRun.model == bindparam("model"))
    if "state" in given:
        statement = statement.where(AnalyticsRun.state == bindparam("state"))
    if "after" in given:
        statement = statement.where(AnalyticsRun.id < bindparam("after", type_=Uuid))
    return Prepared(statement)


async def read_run(reader: Reader, run_id: UUID) -> Document | None:
    """Read one run as it is answered, or nothing."""
    row = await reader.row(_ONE, run_id=run_id)
    return None if row is None else document(row)


async def written_run(session: AsyncSession, run_id: UUID) -> Document:
    """Read a run inside the transaction that changed it."""
    await session.flush()
    return document(dict((await session.execute(_RUN.where(AnalyticsRun.id == run_id))).mappings().one()))


def document(row: Mapping[str, Any]) -> Document:
    """Answer a row as the object callers see."""
    found = dict(row)
    for name in _AS_JSON:
        if isinstance(found[name], str):
            found[name] = raw_json(found[name])
    _tell_audience(found)
    found["job"] = f"/v1/jobs/{found['job_id']}"
    return found


def _tell_audience(found: Document) -> None:
    """Put the text of an audience beside it."""
    if isinstance(found["audience"], str):
        found["audience"] = orjson.loads(found["audience"])
    found["audience_text"] = None if found["audience"] is None else print_text(read_tree(found["audience"]))


FIRST_IDS_OF_RANGES: Final = Prepared(
    text(
        """
        WITH RECURSIVE first AS (
          (SELECT customer_id FROM customer ORDER BY customer_id LIMIT 1)
          UNION ALL
          SELECT (
            SELECT c.customer_id FROM customer c WHERE c.customer_id > first.customer_id
            ORDER BY c.customer_id OFFSET :customers - 1 LIMIT 1
          ) FROM first WHERE first.customer_id IS NOT NULL
        )
        SELECT customer_id FROM first WHERE customer_id IS NOT NULL
        """
    ).bindparams(bindparam("customers", type_=BigInteger))
)
"""Every so many customers the id of one, in order: the bounds of ranges of about that many; binds `customers`.

Archived customers are counted too, so that the index alone answers.
"""


def was_active(watermark: datetime | ColumnElement[datetime], whom: type[Customer] = Customer) -> ColumnElement[bool]:
    """Whom a run is about: it tells how things stood at its watermark, so who is archived later stays in it."""
    return or_(whom.archived_at.is_(None), whom.archived_at > watermark)


def meant(audience: str, catalog: Catalog, moment: Moment) -> Select[UUID]:
    """Ids of the customers whom a run is about, by its audience as it is stored. Errors: InvalidAudience."""
    with audience_at("/audience"):
        return select(Customer.customer_id).where(condition(read_tree(orjson.loads(audience)), catalog, moment))


@dataclass(frozen=True, slots=True)
class Extract:
    """What a run is to read, of the customers in a range: recorded up to its watermark, of those kinds.

    whom: ids of the customers that the run is about, if not everybody. properties: those that `contracts` answers.
    """

    watermark: datetime
    kinds: Sequence[str] = ()
    first: UUID | None = None
    before: UUID | None = None
    whom: Select[UUID] | None = None
    properties: Sequence[str] = ()


def facts(extract: Extract) -> Select[*tuple[Any, ...]]:
    """Touchpoints that a run is to read, in no order: a sort would hold the first back.

    Times and money go as whole numbers. To write them as everywhere else took as long as all the rest together.
    """
    at = literal(extract.watermark, DateTime(timezone=True))
    # The archived are few and have an index: to look for them among these is quicker than for everybody else.
    archived = select(Customer.customer_id).where(
        Customer.customer_id == Touchpoint.customer_id, Customer.archived_at.is_not(None), Customer.archived_at <= at
    )
    microseconds = cast(func.date_part("epoch", Touchpoint.occurred_at) * 1_000_000, BigInteger)
    statement = select(
        Touchpoint.customer_id,
        Touchpoint.kind,
        microseconds.label("occurred_us"),
        Touchpoint.amount_minor,
        Touchpoint.currency,
    ).where(
        ~archived.exists(),
        Touchpoint.kind == any_(literal(extract.kinds, ARRAY(Text))),
        Touchpoint.recorded_at <= at,
    )
    return _of(extract, statement, Touchpoint.customer_id)


def contracts(extract: Extract) -> Select[*tuple[Any, ...]]:
    """What `facts` answers, with the properties of the first of the kinds, as `told`: a JSON array of their values."""
    asked = func.jsonb_build_array(
        *(Touchpoint.properties.op("->")(literal(name, Text)) for name in extract.properties)
    )
    begins = Touchpoint.kind == any_(literal(extract.kinds[:1], ARRAY(Text)))
    told = case((begins, cast(asked, Text)))
    return facts(extract).add_columns(told.label("told"))


def addresses(extract: Extract) -> Select[*tuple[Any, ...]]:
    """Main addresses with coordinates or a postal code, as they are now, in no order."""
    statement = select(
        Customer.customer_id,
        Customer.latitude,
        Customer.longitude,
        Customer.country,
        Customer.postal_code_normalized.label("postal_code"),
    ).where(
        was_active(extract.watermark),
        Customer.created_at <= literal(extract.watermark, DateTime(timezone=True)),
        or_(Customer.latitude.is_not(None), Customer.postal_code_normalized.is_not(None)),
    )
    return _of(extract, statement, Customer.customer_id)


def _of(extract: Extract, statement: Select[*Columns], customer_id: InstrumentedAttribute[UUID]) -> Select[*Columns]:
    """Keep what is of the customers that are meant."""
    statement = _within(statement, customer_id, extract.first, extract.before)
    if extract.whom is None:
        return statement
    whom = _within(extract.whom, Customer.customer_id, extract.first, extract.before)
    return statement.where(customer_id.in_(whom))


def _within(
    statement: Select[*Columns], customer_id: InstrumentedAttribute[UUID], first: UUID | None, before: UUID | None
) -> Select[*Columns]:
    if first is not None:
        statement = statement.where(customer_id >= literal(first, Uuid))
    if before is not None:
        statement = statement.where(customer_id < literal(before, Uuid))
    return statement


def lines(extract: Extract) -> Select[*tuple[Any, ...]]:
    """Lines of the orders that `facts` answers, each with the place of its product in the tree, in no order."""
    read = facts(extract).add_columns(Touchpoint.id.label("touchpoint_id")).subquery("read")
    is_its = and_(OrderItem.customer_id == read.c.customer_id, OrderItem.touchpoint_id == read.c.touchpoint_id)
    return (
        select(read.c.customer_id)
        .add_columns(
            read.c.kind,
            read.c.occurred_us,
            read.c.currency,
            OrderItem.sku,
            cast(OrderItem.quantity * 1000, BigInteger).label("quantity_thousandths"),
            OrderItem.paid_minor,
            OrderItem.list_minor,
            Product.department,
            Product.category,
            Product.product_type,
        )
        .join(OrderItem, is_its)
        .outerjoin(Product, Product.sku == OrderItem.sku)
    )


def _is_outlived() -> ColumnElement[bool]:
    """A run whose rows nobody needs: it published nothing, or enough newer ones did."""
    newer = aliased(AnalyticsRun)
    newer_count = (
        select(func.count())
        .where(
            newer.model == AnalyticsRun.model, newer.state == "published", newer.created_at > AnalyticsRun.created_at
        )
        .correlate(AnalyticsRun)
        .scalar_subquery()
    )
    useless = AnalyticsRun.state.in_(("failed", "cancelled", "rejected", *NOBODY_SCORED))
    outlived = and_(AnalyticsRun.state.in_(("published", "awaiting_approval")), newer_count >= KEPT_RUNS)
    return and_(AnalyticsRun.rows_dropped_at.is_(None), or_(useless, outlived))


OUTLIVED: Final = select(AnalyticsRun).where(_is_outlived()).with_for_update(skip_locked=True)
"""Runs whose rows are to be dropped, locked."""
DROPPABLE_PARTS: Final = (
    select(AnalyticsRunPart, AnalyticsRun.model)
    .join(AnalyticsRun, AnalyticsRun.id == AnalyticsRunPart.run_id)
    .where(AnalyticsRun.rows_dropped_at.is_not(None))
    .order_by(AnalyticsRunPart.run_id, AnalyticsRunPart.part)
)
"""Parts whose rows nobody can read any more."""
IS_ANYTHING_DROPPABLE: Final = select(
    or_(
        exists(select(literal(1)).select_from(AnalyticsRun).where(_is_outlived())),
        exists(
            select(literal(1))
            .select_from(AnalyticsRunPart)
            .join(AnalyticsRun, AnalyticsRun.id == AnalyticsRunPart.run_id)
            .where(AnalyticsRun.rows_dropped_at.is_not(None))
        ),
    )
)


_BACKTEST: Final = Prepared(
    select(AnalyticsRun.id.label("run_id"), AnalyticsRun.model)
    .add_columns(
        AnalyticsBacktest.cut_on,
        AnalyticsBacktest.until,
        AnalyticsBacktest.status,
        AnalyticsBacktest.reason,
        AnalyticsBacktest.title,
        AnalyticsBacktest.loss,
        AnalyticsBacktest.loss_name,
        AnalyticsBacktest.figures,
        AnalyticsBacktest.calibration,
    )
    .outerjoin(AnalyticsBacktest, AnalyticsBacktest.run_id == AnalyticsRun.id)
    .where(AnalyticsRun.id == bindparam("run_id", type_=Uuid))
)
_PICTURES: Final = {
    name: Prepared(
        select(AnalyticsRun.model, column.label("drawn"))
        .outerjoin(AnalyticsBacktest, AnalyticsBacktest.run_id == AnalyticsRun.id)
        .where(AnalyticsRun.id == bindparam("run_id", type_=Uuid))
    )
    for name, column in (("vega_lite", AnalyticsBacktest.vega_lite), ("svg", AnalyticsBacktest.svg))
}


async def read_backtest(reader: Reader, run_id: UUID) -> Document:
    """Answer a backtest. Errors: RunNotFound, BacktestNotFound."""
    row = await reader.row(_BACKTEST, run_id=run_id)
    if row is None:
        raise RunNotFound(f"No run {run_id}")
    if row["status"] is None:
        raise BacktestNotFound(f"No backtest came with this run of {row['model']}")
    found = dict(row)
    return {**found, "figures": raw_json(found["figures"]), "calibration": raw_json(found["calibration"])}


async def read_picture(reader: Reader, run_id: UUID, form: Literal["vega_lite", "svg"]) -> str:
    """Answer the picture of a backtest as text. Errors: RunNotFound, BacktestNotFound."""
    row = await reader.row(_PICTURES[form], run_id=run_id)
    if row is None:
        raise RunNotFound(f"No run {run_id}")
    if row["drawn"] is None:
        raise BacktestNotFound(f"Nothing was drawn in this run of {row['model']}")
    return str(row["drawn"])


PLANS: Final = Prepared(select(*AnalyticsPlan.__table__.c).order_by(AnalyticsPlan.model))
"""All plans."""


def plan_document(row: Mapping[str, Any], zone: ZoneInfo) -> Document:
    """Answer a plan as the object callers see."""
    found = {**row, "time_zone": zone.key}
    if isinstance(found["parameters"], str):
        found["parameters"] = raw_json(found["parameters"])
    _tell_audience(found)
    return found
