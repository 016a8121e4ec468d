"""The row of the evaluator: 100 audiences decided in memory for one customer, beside one SQL statement that does so."""

import time
from statistics import median
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from crm_api.app import create_app
from crm_api.audience import Audience, Catalog, FactLoader, Moment, condition, judge, moving_bounds, windows_of
from crm_api.audience.tree import read_tree
from crm_api.core.clock import now
from crm_api.core.db import Database
from crm_api.core.read import Prepared, Reader
from crm_api.customers.models import Customer

from .report import Line, Round
from .seed import settings_for
from .stage import Stage

ROW: Final = "evaluate audiences"
AUDIENCES: Final = 100
VISITED: Final = 20
"""Customers that are decided in a round."""
_ID: Final = "('018f0000-0000-7000-8000-' || lpad(to_hex({n}), 12, '0'))::uuid"
# An order a week and a view every other day for a year, with two lines each order.
_PLANTED: Final = (
    f"""INSERT INTO touchpoint (customer_id, id, kind, channel, occurred_at, recorded_at, recorded_by, amount_minor, currency,
      properties, content_hash)
    SELECT {_ID.format(n="n")}, gen_random_uuid(), CASE WHEN k < 52 THEN 'order.placed' ELSE 'page.viewed' END, 'web',
      now() - CASE WHEN k < 52 THEN k * interval '7 days' ELSE (k - 52) * interval '2 days' END, now(), 'bench',
      CASE WHEN k < 52 THEN 1000 + k * 10 END, CASE WHEN k < 52 THEN 'EUR' END, '{{"path": "/bikes/1"}}', '\\x00'
    FROM generate_series(1, $1::int) AS n, generate_series(0, 51 + 182) AS k""",
    """INSERT INTO order_item (customer_id, touchpoint_id, line_number, sku, quantity, paid_minor, list_minor)
    SELECT t.customer_id, t.id, k, 'sku-' || k, 1, 500, 600 FROM touchpoint t, generate_series(1, 2) AS k
    WHERE t.recorded_by = 'bench' AND t.source IS NULL AND t.kind = 'order.placed' AND $1::int > 0""",
    "INSERT INTO product (id, sku, name, category, properties, version, created_at, updated_at) "
    "SELECT gen_random_uuid(), 'sku-1', 'One', 'MEAT', '{}', 1, now(), now() WHERE $1::int > 0",
)


async def measure_evaluation(stage: Stage, rounds: int) -> Line:
    """Measure how long it takes to decide the audiences, once what is known of the customer is loaded."""
    connection = await stage.connect()
    for statement in _PLANTED:
        await connection.execute(statement, VISITED)
    await connection.close()
    settings = settings_for(stage.postgres.url)
    line = Line(
        f"evaluate {AUDIENCES} audiences for one customer (CPU ms)",
        f"{stage.customers:,}",
        "≤ 2",
        note="absolute; beside: the same as one SQL statement",
    )
    async with Database(settings) as database:
        living = create_app(settings).state.catalog
        catalog = living.at(await database.reader.row(living.declarations) or ())
        moment = Moment(now(), settings.zone)
        asked = [_audience(number) for number in range(AUDIENCES)]
        await _decided(database.reader, asked, catalog, moment)
        for _ in range(rounds):
            mine = await _decided(database.reader, asked, catalog, moment)
            beside = await _asked_in_sql(database.reader, asked, catalog, moment)
            line.rounds.append(Round(mine["CPU ms"], mine, beside))
    return line


def _audience(number: int) -> Audience:
    """Make an audience of seven conditions; those of no two numbers are the same."""
    tree: dict[str, Any] = {
        "any": [
            {
                "all": [
                    {"field": "country", "in": ["DE", "AT", "CH", "US"]},
                    {"field": "display_name", "like": f"*{number % 10}*"},
                    {
                        "sum": "amount",
                        "of": {"touchpoint": "order.placed"},
                        "last": f"P{1 + number % 12}M",
                        "gte": {"amount": f"{number}.00", "currency": "EUR"},
                    },
                    {
                        "count": {
                            "touchpoint": "page.viewed",
                            "where": {"field": "properties.path", "like": "/bikes/*"},
                        },
                        "last": f"P{7 + number % 30}D",
                        "gte": number % 5,
                    },
                ]
            },
            {
                "count": {"touchpoint": "order.placed", "items": {"field": "category", "eq": "MEAT"}},
                "last": "P365D",
                "gte": 60 + number,
            },
            {"first": {"touchpoint": "order.placed"}, "within_last": f"P{1 + number}D"},
            {"bucket": f"test {number}", "of": 100, "lt": 10},
        ]
    }
    return read_tree(tree)


async def _decided(reader: Reader, asked: list[Audience], catalog: Catalog, moment: Moment) -> dict[str, float]:
    loader, judges = FactLoader(asked, catalog), [judge(tree, catalog) for tree in asked]
    loading, deciding = [], []
    for number in range(1, VISITED + 1):
        customer_id = UUID(f"018f0000-0000-7000-8000-{number:012x}")
        began = time.perf_counter()
        facts = (await loader.load(reader, [customer_id], moment))[customer_id]
        loading.append((time.perf_counter() - began) * 1000)
        began = time.process_time()
        met = sum(verdict.holds(facts) for verdict in judges)
        deciding.append((time.process_time() - began) * 1000)
        if not 0 < met < AUDIENCES:
            raise RuntimeError(f"{met} of {AUDIENCES} audiences hold: nothing is measured")
    return {"CPU ms": median(deciding), "load ms": median(loading)}


async def _asked_in_sql(reader: Reader, asked: list[Audience], catalog: Catalog, moment: Moment) -> dict[str, float]:
    conditions = [condition(tree, catalog, moment).label(f"met_{number}") for number, tree in enumerate(asked)]
    statement = Prepared(
        select(*conditions).where(Customer.customer_id == UUID("018f0000-0000-7000-8000-000000000001"))
    )
    bound = moving_bounds(frozenset().union(*map(windows_of, asked)), moment)
    await reader.row(statement, **bound)
    began = time.perf_counter()
    await reader.row(statement, **bound)
    return {"SQL ms": (time.perf_counter() - began) * 1000}
