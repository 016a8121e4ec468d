"""What the pages of models say of a real grocer's year is what the worker computes of it today, and so are pictures."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any, Final

import orjson
import polars as pl
import pytest

from crm_api.analytics import pictures
from crm_api.analytics.parameters import PARAMETERS
from crm_api.cli.completejourney import DataMissing, folder
from workers.analytics import MODELS
from workers.models import Block, Outcome

DOCS: Final = Path(__file__).parents[2] / "docs"
LEFT_OUT: Final = {"without_departments": ["FUEL", "COUPON", "MISCELLANEOUS"]}
FOOD: Final = {
    "departments": [
        *("GROCERY", "PRODUCE", "MEAT", "MEAT-PCKGD", "DELI", "PASTRY", "SEAFOOD", "SEAFOOD-PCKGD", "NUTRITION"),
        *("SALAD BAR", "CHEF SHOPPE", "FROZEN GROCERY"),
    ]
}
MEAT: Final = {
    "subject": "meat",
    "departments": ["MEAT", "MEAT-PCKGD", "SEAFOOD", "SEAFOOD-PCKGD"],
    "categories": [
        *("DELI MEATS", "CHICKEN/POULTRY", "FRZN MEAT/MEAT DINNERS", "MEAT - SHELF STABLE", "SEAFOOD - SHELF STABLE"),
        *("FROZEN CHICKEN", "FRZN SEAFOOD"),
    ],
}
GROCERIES: Final = [
    {"subject": subject, "categories": categories}
    for subject, categories in {
        "coffee": ["COFFEE"],
        "frozen_pizza": ["FROZEN PIZZA"],
        "pet_food": ["CAT FOOD", "DOG FOODS"],
        "yogurt": ["YOGURT"],
    }.items()
]
Counts = dict[Any, int]


@dataclass(frozen=True)
class Page:
    """The page of a model, what is asked for there, and the phrases that stand on it, by what came out."""

    name: str
    asked: Mapping[str, Any]
    phrases: Callable[[Outcome], list[str]]
    picture: str | None = None


def figures(outcome: Outcome) -> Mapping[str, float]:
    assert outcome.backtest is not None
    return outcome.backtest.figures


def counted(outcome: Outcome, column: str) -> Counts:
    return dict(outcome.rows.whole()[column].value_counts().iter_rows())


def rfm(outcome: Outcome) -> list[str]:
    def row(name: str) -> str:
        found = counted(outcome, f"{name}_score")
        return " | ".join([f"| {name}", *(str(found[score]) for score in range(1, 6))])

    earlier = outcome_of("rfm", {"as_of": "2017-10-01"}).rows.whole()
    both = earlier.join(outcome.rows.whole(), on="customer_id", suffix="_now")

    def kept(name: str) -> str:
        count = both.filter(pl.col(f"{name}_score") == pl.col(f"{name}_score_now")).height
        return f"{count:,} ({count / both.height:.0%})"

    return [
        *map(row, ("recency", "frequency", "monetary")),
        f"{outcome.rows.count:,} households",
        f"Of {both.height:,} households scored three months earlier {kept('frequency')} kept their frequency and "
        f"{kept('monetary')} their money, but {kept('recency')} their recency",
    ]


def lifetime_value(outcome: Outcome) -> list[str]:
    told = figures(outcome)
    purchases, value = told["purchases_in_interval_rate"], told["value_in_interval_rate"]
    return [
        f"{told['customer_count']:,.0f} households",
        f"{told['predicted_purchases']:,.0f} purchases were foretold and {told['observed_purchases']:,.0f} made",
        f"{told['purchase_bias']:.0%} too many, and {-told['value_bias']:.1%} too little money",
        f"missed by {told['mean_absolute_error']:.1f} purchase days, going on as before by "
        f"{told['mean_absolute_error_of_past_rate']:.1f}",
        f"{purchases:.0%} of the purchases and {value:.0%} of the money",
    ]


def churn(outcome: Outcome) -> list[str]:
    told = figures(outcome)
    return [
        f"{told['customer_count']:,.0f} households",
        f"{told['churn_rate']:.1%} then bought nothing",
        f"{told['auc']:.1%} of the pairs",
        f"by P(alive) alone it would be {told['auc_of_alive_probability']:.1%}",
        f"by days since the last purchase {told['auc_of_recency']:.1%}",
    ]


def price_sensitivity(outcome: Outcome) -> list[str]:
    told, classes = figures(outcome), counted(outcome, "price_class")
    full, discount = told["full_price_buyers_later_rate"], told["discount_buyers_later_rate"]
    missed, of_one, of_bare = (100 * told[f"mean_absolute_error{of}"] for of in ("", "_of_one_share", "_of_bare_share"))
    return [
        f"{outcome.counts['customers_scored']:,} households with 20 lines or more",
        f"{classes['full_price_buyer']} are full-price buyers, {classes['discount_buyer']} discount buyers and "
        f"{classes['undecided']:,} undecided",
        f"on {told['customer_count']:,.0f} households",
        f"paid list price for {full:.0%} of their lines, discount buyers for {discount:.0%}",
        f"missed by {missed:.1f} points, by {of_one:.1f} with one share for all (`loss` {missed / of_one:.2f}), and by "
        f"{of_bare:.1f} with each household's bare share",
        f"Only {told['in_interval_rate']:.0%} of the later shares",
    ]


def season(outcome: Outcome) -> list[str]:
    found = counted(outcome, "shopper_class")
    return [
        f"{found['seasonal']} households are seasonal, {found['occasional']} occasional, {found['regular']:,} regular, "
        f"and of {found[None]} nothing can be said"
    ]


def sensitive_taste(outcome: Outcome) -> list[str]:
    told, found = figures(outcome), counted(outcome, "opinion")
    avoiding = told["avoiding_count"]
    return [
        f"{outcome.rows.count:,} households at 2018-01-01) {found['avoids']} households avoid meat, "
        f"{found['likes']} like it, {found['buys']:,} merely buy it, and of {found[None]} nothing can be said",
        f"on {told['customer_count']:,.0f} households, {avoiding:.0f} were said to avoid it, and "
        f"{avoiding * told['avoiding_bought_rate']:.0f} of these bought some",
        f"off by {100 * told['calibration_error']:.1f} points on average",
    ]


def affinity(outcome: Outcome) -> list[str]:
    told = figures(outcome)
    missed, of_one, of_bare = (100 * told[f"mean_absolute_error{of}"] for of in ("", "_of_one_share", "_of_bare_share"))
    levels = dict(outcome.rows.whole().filter(pl.col("subject") == "coffee")["level"].value_counts().iter_rows())
    return [
        f"{told['customer_count']:,.0f} households with 20 lines",
        f"missed by {missed:.1f} points, by {of_one:.1f} with one share for all (`loss` {missed / of_one:.2f}), and by "
        f"{of_bare:.2f} with the bare share",
        f"{levels['strong']} households have a strong affinity to coffee, {levels['usual']} a usual and "
        f"{levels['weak']:,} a weak one",
    ]


def growth(outcome: Outcome) -> list[str]:
    told = figures(outcome)
    return [
        f"{outcome.rows.count:,} households who bought",
        f"on {told['customer_count']:,.0f} households, {told['heavy_stay_heavy_rate']:.0%} of the heavy ones",
        f"in {told['auc_of_spend_for_heavy']:.0%} of comparisons",
        f"Only {told['gap_halved_rate']:.0%} of those below their peers",
        f"by {told['white_space_bought_rate']:.0%}, any other not bought before by "
        f"{told['other_category_bought_rate']:.0%}",
    ]


def divisions(outcome: Outcome) -> list[str]:
    told, both = figures(outcome), outcome.rows.whole().select("actual_value", "potential_value")
    stay, chance = told["need_stays_rate"], told["need_by_chance_rate"]
    high = both.filter(pl.col("actual_value") == "high")
    return [
        f"{outcome.rows.count:,} households with a purchase",
        f"{stay:.0%} of {told['customer_count']:,.0f} households had the same need half a year later, where chance "
        f"would have left {chance:.0%}; {told['actual_value_stays_rate']:.0%} had the same actual value, where chance "
        f"would have left {told['actual_value_by_chance_rate']:.0%}",
        f"Of {high.height} households of high actual value "
        f"{high.filter(pl.col('potential_value') == 'high').height} are of high potential",
    ]


PAGES: Final = {
    "rfm": Page("rfm", {}, rfm),
    "lifetime_value": Page("lifetime-value", {}, lifetime_value, "lifetime-value"),
    "churn": Page("churn", {}, churn, "churn"),
    "price_sensitivity": Page("price-sensitivity", LEFT_OUT, price_sensitivity, "price-sensitivity"),
    "season": Page("season", {"currency": None}, season),
    "sensitive_taste": Page("taste", {"currency": None, "among": FOOD, "subjects": [MEAT]}, sensitive_taste, "taste"),
    "affinity": Page(
        "affinity",
        {"currency": None, "among": {"departments": ["GROCERY"]}, "subjects": GROCERIES},
        affinity,
        "affinity",
    ),
    "growth": Page("growth", LEFT_OUT, growth, "growth"),
    "divisions": Page("divisions", LEFT_OUT, divisions, "divisions"),
}


@cache
def feed(reads: str) -> pl.DataFrame:
    """The demo as the API streams it: what `crm load completejourney` records, as facts or as lines."""
    try:
        path = folder()
    except DataMissing as missing:
        if os.environ.get("CRM_TEST_REQUIRE"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    cents = {name: (pl.col(name) * 100).round().cast(pl.Int64) for name in ("sales_value", "retail_disc")}
    match = (pl.col("coupon_match_disc") * 100).round().cast(pl.Int64)
    order = {
        "customer_id": pl.col("household_id").cast(pl.String),
        "kind": pl.lit("order.placed"),
        "occurred_us": pl.col("transaction_timestamp").dt.replace_time_zone("UTC").dt.epoch("us"),
    }
    sold = pl.scan_parquet(path / "transactions.parquet")
    if reads == "facts":
        paid = sold.group_by("basket_id", "household_id", "transaction_timestamp").agg(cents["sales_value"].sum())
        return paid.select(**order, amount_minor="sales_value", currency=pl.lit("USD")).collect()
    tree = pl.scan_parquet(path / "products.parquet").select(
        "product_id", "department", "product_type", category="product_category"
    )
    thousandths = pl.col("quantity") * pl.when(pl.col("department") == "FUEL").then(1).otherwise(1000)
    return (
        sold.join(tree, on="product_id", how="left")
        .select(
            **order,
            currency=pl.lit("USD"),
            sku=pl.col("product_id").cast(pl.String),
            quantity_thousandths=thousandths.cast(pl.Int64),
            paid_minor=cents["sales_value"],
            list_minor=cents["sales_value"] + cents["retail_disc"] + match,
            department="department",
            category="category",
            product_type="product_type",
        )
        .collect()
    )


def outcome_of(model: str, asked: Mapping[str, Any]) -> Outcome:
    """Compute a model as a worker does, without a service."""
    wish = {"as_of": "2018-01-01", "currency": "USD", **asked}
    given = orjson.dumps({name: value for name, value in wish.items() if value is not None})
    parameters = PARAMETERS[model].model_validate_json(given).model_dump(mode="json")
    made = MODELS[model]({**parameters, "time_zone": "America/New_York"})
    lines = feed(made.reads)
    parts = (part.write_csv(include_header=False).encode() for part in lines.iter_slices(200_000))
    made.keep([made.condense(Block(part, lines.columns)) for part in parts])
    return made.finish()


@pytest.mark.parametrize("model", PAGES)
def test_a_page_says_what_comes_out_today(model: str) -> None:
    page = PAGES[model]
    outcome = outcome_of(model, page.asked)
    text = re.sub(r"\s+", " ", (DOCS / f"analytics-{page.name}.md").read_text())
    assert [phrase for phrase in page.phrases(outcome) if phrase not in text] == []
    if page.picture is None:
        assert outcome.backtest is None or outcome.backtest.status == "insufficient_data"
        return
    assert f"(pictures/{page.picture}.svg)" in text
    assert outcome.backtest is not None
    drawn = unescape((DOCS / "pictures" / f"{page.picture}.svg").read_text())
    assert f">{pictures.TELLING[outcome.backtest.model](outcome.backtest).title}<" in drawn
