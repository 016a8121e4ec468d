"""Reading back: what adds up the loaded year finds the published totals, and notices what differs."""

from collections import Counter
from pathlib import Path

import orjson
import pytest

from crm_api.cli import completejourney as mapping
from crm_api.cli.readback import EXPECTED, Figure, add_up


@pytest.fixture(scope="module")
def orders(data: Path) -> mapping.Feed:
    return mapping.orders(data)


def test_what_is_sent_adds_up_to_the_published_totals(orders: mapping.Feed) -> None:
    found: Counter[str] = Counter()
    for part in orders.parts(20_000):
        found.update(add_up(part))
    assert found == {name: value for name, value in EXPECTED.items() if name not in {"targeted", "redemptions"}}


@pytest.mark.parametrize(
    ("old", "new", "figure", "less"),
    [
        (b'"amount":{"amount":"73.77"', b'"amount":{"amount":"73.76"', "sales", 1),
        (b'"amount":{"amount":"73.77"', b'"amount":{"amount":"73.770000001"', "sales", 7377),
        (b'"coupon_discount":"5.30"', b'"coupon_discount":5.3', "coupon_discount", 530),
        (b'"paid_amount":"2.99"', b'"paid_amount":"1.99"', "line_sales", 100),
        (b'"week":2', b'"week":3', "orders_in_the_week_of_new_york", 1),
    ],
)
def test_a_changed_order_is_noticed(orders: mapping.Feed, old: bytes, new: bytes, figure: str, less: int) -> None:
    order = orders.lines(0, 1)
    changed = order.replace(old, new, 1)
    assert changed != order
    assert add_up(order)[figure] - add_up(changed)[figure] == less


def test_only_the_fields_that_count_are_read(orders: mapping.Feed) -> None:
    order = orjson.loads(orders.lines(0, 1))
    more = orjson.dumps({"id": "0198", **order, "recorded_at": "2026-01-01T00:00:00Z", "cost": None}) + b"\n"
    assert add_up(more) == add_up(orders.lines(0, 1))


def test_a_figure_is_written_as_money_or_as_a_count() -> None:
    assert Figure("sales", 459_603_958, 459_603_958).facts() == {
        "name": "sales",
        "expected": "4,596,039.58",
        "found": "4,596,039.58",
        "is_met": True,
    }
    assert Figure("orders", 155_848, 155_847).facts()["found"] == "155,847"
    assert not Figure("orders", 155_848, 155_847).is_met
