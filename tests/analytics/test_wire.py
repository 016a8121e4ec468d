"""CSV between API and worker: what the API writes is read exactly, what is written is what the API would write."""

from datetime import UTC, datetime
from typing import get_args

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_api.analytics import rfm, wire
from crm_api.analytics.outputs import OUTPUTS, RFM
from crm_api.analytics.parameters import EXAMPLES, PARAMETERS
from crm_api.analytics.schemas import Model
from crm_api.core.money import decimal_text
from workers.analytics import MODELS

COLUMNS = ["customer_id", "kind", "occurred_us", "amount_minor", "currency"]


def scores(*amounts: int) -> pl.DataFrame:
    """Scores of customers who differ in nothing but the amount."""
    rows = [
        {
            "customer_id": f"c{number}",
            **dict.fromkeys(("recency_score", "frequency_score", "monetary_score"), 3),
            "recency_days": 1,
            "order_count": 1,
            "amount_minor": amount,
            "observation_count": 1,
            "status": "ok",
            "reason": None,
        }
        for number, amount in enumerate(amounts)
    ]
    return pl.DataFrame(rows, schema_overrides={"amount_minor": pl.Int64, "reason": pl.String})


def test_facts_are_read_as_the_api_streams_them() -> None:
    lines = (
        b"a,order.placed,1769851800000000,1230,EUR\n"
        b"a,order.refunded,1769851800000001,-5,EUR\n"
        b"b,order.placed,946684799999000,,\n"
    )
    facts = wire.read_facts(lines, COLUMNS)
    assert facts["amount"].to_list() == [1230, -5, None]
    assert facts["occurred_at"].to_list() == [
        datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
        datetime(2026, 1, 31, 9, 30, 0, 1, tzinfo=UTC),
        datetime(1999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    ]
    assert facts["currency"].to_list() == ["EUR", "EUR", None]
    assert facts.schema == {name: wire.no_facts().schema[name] for name in facts.columns}


@given(amounts=st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=20))
@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD", "CLF"])
def test_money_is_written_as_everywhere(currency: str, amounts: list[int]) -> None:
    rows = wire.Rows(RFM, scores(*amounts), currency).whole()
    assert rows["amount"].to_list() == [decimal_text(amount, currency) for amount in amounts]
    assert rows["currency"].unique().to_list() == [currency]


def test_the_columns_are_those_the_api_keeps() -> None:
    assert set(rfm.OUTPUT_COLUMNS) - {"amount_minor"} <= set(RFM.names)


@pytest.mark.parametrize("size", [1, 3, 10, 100])
def test_parts_under_one_header_are_the_whole(size: int) -> None:
    rows = wire.Rows(RFM, scores(*range(10)), "EUR")
    lines = b"".join(rows.parts(size))
    assert rows.header + lines == rows.whole().write_csv().encode()
    assert lines.count(b"\n") == rows.count == 10


def test_every_model_is_declared_everywhere() -> None:
    assert set(get_args(Model)) == set(OUTPUTS) == set(MODELS) == set(PARAMETERS) == set(EXAMPLES)
