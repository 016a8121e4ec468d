"""Laws that every model obeys, whatever it says: computed as a worker does, from feeds as the API streams them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

import orjson
import polars as pl
import pytest

from crm_api.analytics.outputs import OUTPUTS
from crm_api.analytics.parameters import PARAMETERS
from workers.analytics import MODELS
from workers.models import Block, Outcome
from workers.work import CannotBeDone

from .test_contract_churn import contracts
from .test_lifetime_value import trade

CUSTOMERS: Final = 150
_SUBJECTS: Final = {"subjects": [{"subject": "drug", "departments": ["DRUG"]}], "min_lines": 5}
_MONEY: Final = {"currency": "USD"}
ASKED: Final[dict[str, Mapping[str, Any]]] = {
    "rfm": _MONEY,
    "lifetime_value": _MONEY,
    "churn": _MONEY,
    "contract_churn": {"horizon_days": 30, "min_at_risk": 10},
    "price_sensitivity": _MONEY,
    "taste": _SUBJECTS,
    "sensitive_taste": _SUBJECTS,
    "affinity": _SUBJECTS,
    "season": {},
    "climate": {},
    "growth": _MONEY,
    "divisions": {**_MONEY, "min_lines": 2},
    "discover": {**_MONEY, "min_customers": 2, "min_products": 1},
    "buy_again": {**_MONEY, "horizon_days": 30},
    "related_products": {**_MONEY, "min_customers": 2},
    "association": {**_MONEY, "min_support": 0.05},
}
PURCHASES: Final = [model for model in OUTPUTS if model not in ("contract_churn", "climate")]
_PLACES: Final = [(33.4484, -112.074, "US", None), (None, None, "US", "86001"), (0.0, -150.0, None, None)]
_TREE: Final = {"soap": ("DRUG", "Soap", "BAR"), "bread": ("BAKERY", "Bread", "RYE"), "milk": ("DAIRY", "Milk", None)}
_TREE_OF_MORE: Final = {**_TREE, "jam": ("BAKERY", "Jam", "PLUM"), "odd": (None, None, None)}
ZONE: Final = "America/New_York"
FACTS: Final = {
    "customer_id": pl.String,
    "kind": pl.String,
    "occurred_us": pl.Int64,
    "amount_minor": pl.Int64,
    "currency": pl.String,
}
LINES: Final = {
    **{name: FACTS[name] for name in ("customer_id", "kind", "occurred_us", "currency")},
    "sku": pl.String,
    "quantity_thousandths": pl.Int64,
    "paid_minor": pl.Int64,
    "list_minor": pl.Int64,
    "department": pl.String,
    "category": pl.String,
    "product_type": pl.String,
}
ADDRESSES: Final = {
    "customer_id": pl.String,
    "latitude": pl.Float64,
    "longitude": pl.Float64,
    "country": pl.String,
    "postal_code": pl.String,
}


def us(at: str) -> int:
    return round(datetime.fromisoformat(at).astimezone(UTC).timestamp()) * 1_000_000


def fact(customer: str, at: str, amount: int | None, kind: str = "order.placed", currency: str = "USD") -> Any:
    return customer, kind, us(at), amount, currency


def line(
    customer: str, at: str, sku: str, paid: int, listed: int, kind: str = "order.placed", currency: str = "USD"
) -> Any:
    return (customer, kind, us(at), currency, sku, 1000, paid, listed, *_TREE_OF_MORE[sku])


def name(number: int) -> str:
    return f"0198c5a0-5d3f-7c3a-9f0e-{number:012x}"


def _contracts() -> list[Any]:
    told = enumerate(contracts())
    kinds = ("contract.started", "contract.ended")
    return [
        fact(name(number), f"{on}T12:00:00Z", None, kind)
        for number, days in told
        for kind, on in zip(kinds, days, strict=True)
        if on is not None
    ]


def _baskets() -> list[Any]:
    """Two years of baskets, one or two a month: everybody likes products more or less and waits for discounts more or
    less; the first 20 buy no soap.
    """
    random, told = Random(11), []
    for number in range(CUSTOMERS):
        tastes = {sku: random.gammavariate(3, 1) for sku in _TREE_OF_MORE}
        if number < 20:
            tastes["soap"] = 0.0
        dear = random.random()
        for month in range(24):
            for day in random.sample(range(1, 29), random.choice((1, 2))):
                at = f"{2022 + month // 12}-{month % 12 + 1:02}-{day:02}T15:00:00Z"
                skus = set(random.choices(list(tastes), list(tastes.values()), k=3))
                told += [
                    line(name(number), at, sku, 200 if random.random() < dear else 150, 200) for sku in sorted(skus)
                ]
    return told


def _feeds() -> dict[str, pl.DataFrame]:
    orders = [
        fact(name(number), at, int(str(amount).replace(".", "")), kind) for number, kind, at, amount in trade(CUSTOMERS)
    ]
    lived = [(name(number), *_PLACES[number % 3]) for number in range(CUSTOMERS)]
    return {
        "facts": framed(orders, FACTS),
        "contracts": framed(_contracts(), FACTS),
        "lines": framed(_baskets(), LINES),
        "addresses": framed(lived, ADDRESSES),
    }


def framed(rows: list[Any], schema: Mapping[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict(schema), orient="row")


@pytest.fixture(scope="module")
def feeds() -> dict[str, pl.DataFrame]:
    """What each kind of feed holds."""
    return _feeds()


def made_of(model: str) -> Any:
    given = orjson.dumps({"as_of": "2024-01-01", **ASKED[model]})
    parameters = PARAMETERS[model].model_validate_json(given).model_dump(mode="json")
    return MODELS[model]({**parameters, "time_zone": ZONE})


def which(model: str) -> str:
    return "contracts" if model == "contract_churn" else made_of(model).reads


def computed(model: str, feed: pl.DataFrame, *, ranges: int = 1, block: int = 1_000_000) -> Outcome:
    """Have a worker's model read a feed in ranges of customers and blocks of lines, in the order it is in."""
    work = made_of(model)
    place = feed["customer_id"].rank("dense") - 1
    of_range = place * ranges // max(feed["customer_id"].n_unique(), 1)
    for turn in range(ranges):  # any may be taken in first
        theirs = feed.filter(of_range == (turn * 3 + 1) % ranges)
        lines = (part.write_csv(include_header=False).encode() for part in theirs.iter_slices(block))
        work.keep([work.condense(Block(text, feed.columns)) for text in lines])
    outcome: Outcome = work.finish()
    return outcome


def told(outcome: Outcome) -> Any:
    """All that is said of the data: bytes of rows, hash of the inputs, what is watched, how the method did."""
    test = outcome.backtest
    judged = None if test is None else (test.status, repr(sorted(test.figures.items())), test.table.write_csv())
    return outcome.rows.whole().write_csv(), outcome.input_hash, outcome.watched.write_csv(), judged


def is_sound(model: str, outcome: Outcome) -> bool:
    """No number that is none, none without a state, and a reason wherever nothing is said."""
    output, rows = OUTPUTS[model], outcome.rows.whole()
    assert rows.columns == list(output.names)
    assert set(rows["status"]) <= set(output.statuses)
    assert rows.select(output.identity).is_duplicated().sum() == 0
    text = rows.write_csv().lower()
    assert not any(word in text for word in ("nan,", ",inf", "-inf"))
    for row in rows.to_dicts():
        is_ok = row["status"] == "ok"
        assert (row["reason"] is None) is is_ok, row
        for value in output.values:
            if value.given == "scored":
                assert (row[value.name] is not None) is is_ok, row
    return True


@pytest.mark.parametrize("model", OUTPUTS)
def test_neither_order_nor_ranges_nor_blocks_change_a_byte(model: str, feeds: dict[str, pl.DataFrame]) -> None:
    feed = feeds[which(model)]
    whole = computed(model, feed)
    assert (whole.rows.whole()["status"] == "ok").any(), whole.rows.whole()
    assert is_sound(model, whole)
    shuffled = feed.sample(fraction=1, shuffle=True, seed=5)
    assert told(computed(model, shuffled, ranges=7, block=97)) == told(whole)


@pytest.mark.parametrize("model", PURCHASES)
def test_a_year_ends_where_the_business_is(model: str, feeds: dict[str, pl.DataFrame]) -> None:
    """New York's year ends at five in the morning, UTC."""
    feed, customer = feeds[which(model)], name(3)
    whole = told(computed(model, feed))

    def with_one_at(at: str) -> Any:
        rows = [fact(customer, at, 500)] if "sku" not in feed.columns else [line(customer, at, "jam", 150, 200)]
        return told(computed(model, pl.concat([feed, framed(rows, dict(feed.schema))])))

    assert with_one_at("2024-01-01T05:00:00Z") == whole
    assert with_one_at("2024-01-01T04:59:59Z")[1] != whole[1]


@pytest.mark.parametrize("model", PURCHASES)
def test_currencies_never_mix(model: str, feeds: dict[str, pl.DataFrame]) -> None:
    feed, at = feeds[which(model)], "2023-05-05T12:00:00Z"
    is_lines = "sku" in feed.columns
    euros = line(name(3), at, "jam", 150, 200, currency="EUR") if is_lines else fact(name(3), at, 500, currency="EUR")
    mixed = pl.concat([feed, framed([euros], dict(feed.schema))])
    if "currency" in ASKED[model]:
        with pytest.raises(CannotBeDone, match=r"USD.*EUR"):
            computed(model, mixed)
    else:
        assert not OUTPUTS[model].has_money
        assert is_sound(model, computed(model, mixed))


@pytest.mark.parametrize("model", PURCHASES)
def test_who_only_took_things_back_changes_nobody_else(model: str, feeds: dict[str, pl.DataFrame]) -> None:
    feed, at, kind = feeds[which(model)], "2023-05-05T12:00:00Z", "order.refunded"
    is_lines = "sku" in feed.columns
    rows = [
        line(name(900 + each), at, "jam", 150, 200, kind) if is_lines else fact(name(900 + each), at, 500, kind)
        for each in range(5)
    ]
    before = computed(model, feed).rows.whole()
    after = computed(model, pl.concat([feed, framed(rows, dict(feed.schema))])).rows.whole()
    if "customer_id" in after.columns:
        new = after.filter(pl.col("customer_id").is_in([name(900 + each) for each in range(5)]))
        assert "ok" not in set(new["status"])
        after = after.filter(pl.col("customer_id") < name(900))
    assert after.write_csv() == before.write_csv()


@pytest.mark.parametrize("model", [model for model in PURCHASES if not OUTPUTS[model].has_money])
def test_what_is_taken_back_is_no_purchase(model: str, feeds: dict[str, pl.DataFrame]) -> None:
    """Models of money lower it, each by its own rule; to all others a refund is nothing that was bought."""
    feed = feeds[which(model)]
    back = feed.filter(pl.col("customer_id").is_in([name(number) for number in range(0, CUSTOMERS, 5)])).with_columns(
        kind=pl.lit("order.refunded"), occurred_us=pl.col("occurred_us") + 3_600_000_000
    )
    said = [column for column in OUTPUTS[model].names if column != "observation_count"]
    before, after = computed(model, feed).rows.whole(), computed(model, pl.concat([feed, back])).rows.whole()
    assert after.select(said).write_csv() == before.select(said).write_csv()


def alike(count: int) -> list[tuple[str, str]]:
    """Customers who all did the same: two purchases."""
    return [(name(number), at) for number in range(count) for at in ("2023-02-01T12:00:00Z", "2023-11-20T12:00:00Z")]


Bought = tuple[str, str, int, str]


def _many() -> list[Bought]:
    at = (datetime(2023, 1, 1, tzinfo=UTC) + timedelta(minutes=5 * number) for number in range(100_000))
    return [(name(0), each.isoformat(), 100 + each.minute, "milk") for each in at]


def _once() -> list[Bought]:
    at = (f"2023-{number % 12 + 1:02}-01T09:30:00Z" for number in range(CUSTOMERS))
    return [(name(number), each, 500 + number, "soap") for number, each in enumerate(at)]


HARD: Final[dict[str, Callable[[], list[Bought]]]] = {
    "nobody": list,
    "one customer": lambda: [(*each, 500, "soap") for each in alike(1)],
    "no repeat purchase": _once,
    "all ties": lambda: [(*each, 500, "soap") for each in alike(CUSTOMERS)],
    "zero and negative amounts": lambda: [
        (*each, (number % 3 - 1) * 500, "soap") for number, each in enumerate(alike(CUSTOMERS))
    ],
    "100,000 lines of one customer": lambda: [*_many(), *((*each, 500, "soap") for each in alike(30))],
}
"""Who bought when for how many cents what."""


@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize("model", PURCHASES)
def test_hard_data_is_said_to_be_so(model: str, case: str) -> None:
    bought = HARD[case]()
    if which(model) == "lines":
        feed = framed([line(whose, at, sku, cents, max(cents, 0)) for whose, at, cents, sku in bought], LINES)
    else:
        feed = framed([fact(whose, at, cents) for whose, at, cents, _ in bought], FACTS)
    outcome = computed(model, feed)
    assert is_sound(model, outcome)
    if case == "nobody":
        assert outcome.rows.count == 0
    if outcome.backtest is not None and outcome.backtest.status != "ok":
        assert outcome.backtest.reason


def test_every_model_is_asked_for() -> None:
    assert set(ASKED) == set(OUTPUTS)
