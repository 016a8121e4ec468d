"""What a run of each model can be asked for."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from ..core.money import currencies
from ..core.schemas import Day, Input
from .outputs import NAME

EARLIEST: Final = date(1900, 1, 1)
Kind = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$")]


def _known_currency(code: str) -> str:
    if code not in currencies():
        raise PydanticCustomError("currency", "{code} is no currency of ISO 4217", {"code": code})
    return code


def _each_once(what: str, name: Callable[[Any], Any] = lambda value: value) -> AfterValidator:
    """Refuse a tuple in which two values have the same name; `what` calls them by their kind."""

    def check(values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len({name(each) for each in values}) != len(values):
            raise PydanticCustomError("duplicate", "name each {what} once", {"what": what})
        return values

    return AfterValidator(check)


Currency = Annotated[
    str, AfterValidator(_known_currency), Field(pattern="^[A-Z]{3}$", description="ISO 4217", examples=["EUR"])
]

Departments = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1, max_length=200)], ...],
    Field(max_length=50, description="Departments whose lines say nothing here and do not count: fuel, vouchers"),
]


BacktestDays = Annotated[
    int,
    Field(
        ge=7, le=1825, description="The last so many days before `as_of` are held back, and predicted to be judged by"
    ),
]


class RunParameters(Input):
    """What a run of any model is asked for."""

    as_of: Annotated[
        Day | None,
        Field(
            ge=EARLIEST,
            description="Reference date: what happened before it, in the business's time zone, counts. Today when left "
            "out, tomorrow at the latest, so that today can count",
        ),
    ] = None


class TouchpointParameters(RunParameters):
    """What a run of any model over touchpoints is asked for."""

    kinds: Annotated[
        tuple[Kind, ...],
        Field(
            min_length=1,
            max_length=20,
            description="Touchpoints that count as purchases, but for `order.refunded`, which lowers the money",
        ),
        _each_once("kind"),
    ] = ("order.placed", "order.refunded")


class Parameters(TouchpointParameters):
    """What a run of any model over money is asked for."""

    currency: Annotated[
        Currency,
        Field(description="Of all purchases. The run fails, naming them, when it meets others; it never converts"),
    ]


class RfmParameters(Parameters):
    """What a run of `rfm` is asked for."""


class LifetimeValueParameters(Parameters):
    """What a run of `lifetime_value` is asked for."""

    horizon_days: Annotated[int, Field(ge=7, le=1825, description="How far to look ahead")] = 365
    discount_rate: Annotated[
        float, Field(ge=0, le=1, description="What money is worth less a year later: 0.1 is a tenth")
    ] = 0.1
    interval: Annotated[
        float, Field(ge=0.5, le=0.99, description="How likely what happens is to lie in the intervals")
    ] = 0.8
    unit: Annotated[
        Literal["day", "order"], Field(description="What one purchase is: a day with one, or each order")
    ] = "day"
    backtest_days: BacktestDays = 90


class ChurnParameters(Parameters):
    """What a run of `churn` is asked for."""

    horizon_days: Annotated[
        int, Field(ge=7, le=1825, description="Who buys nothing for so long has left; the backtest looks back as far")
    ] = 90
    unit: Annotated[
        Literal["day", "order"], Field(description="What one purchase is: a day with one, or each order")
    ] = "day"


class ContractChurnParameters(RunParameters):
    """What a run of `contract_churn` is asked for."""

    kinds: Annotated[
        tuple[Kind, ...],
        Field(
            min_length=2,
            max_length=2,
            description="Two: the touchpoint that begins a contract, and the one that ends it",
        ),
        _each_once("kind"),
    ] = ("contract.started", "contract.ended")
    horizon_days: Annotated[
        int, Field(ge=7, le=1825, description="How far to look ahead; the backtest looks back as far")
    ] = 90
    min_at_risk: Annotated[
        int, Field(ge=2, le=1_000_000, description="Contracts that must have been seen at an age for it to be known")
    ] = 30
    watched_from: Annotated[
        Day | None,
        Field(
            ge=EARLIEST,
            description="From when on ends of contracts were recorded; contracts that began before are looked at from "
            "then on. Null when all that ever ended are recorded",
        ),
    ] = None
    properties: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=100)], ...],
        Field(
            max_length=50,
            description="Properties of the touchpoint that begins a contract, by which contracts are told apart: the "
            "plan, its price, the way to pay. None: by their age alone",
            examples=[["plan", "monthly_price"]],
        ),
        _each_once("property"),
    ] = ()


class PriceSensitivityParameters(Parameters):
    """What a run of `price_sensitivity` is asked for."""

    interval: Annotated[
        float, Field(ge=0.5, le=0.99, description="How likely a customer's share is to lie in the interval")
    ] = 0.9
    min_lines: Annotated[int, Field(ge=2, le=1000, description="Order lines it takes to be judged")] = 20
    without_departments: Departments = ()
    backtest_days: BacktestDays = 90


Node = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Nodes = Annotated[tuple[Node, ...], Field(max_length=100)]


class Products(Input):
    """Parts of the product tree, as products are registered with them: what lies in any of them."""

    departments: Nodes = ()
    categories: Nodes = ()
    product_types: Nodes = ()

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not (self.departments or self.categories or self.product_types):
            raise PydanticCustomError("nothing", "name a department, a category or a product type")
        return self


class Subject(Products):
    """A part of the product tree, under a name that scores and audiences tell it by."""

    subject: Annotated[str, Field(pattern=NAME, examples=["garden"])]


class SubjectParameters(TouchpointParameters):
    """What a run over parts of the product tree is asked for."""

    among: Annotated[
        Products | None,
        Field(description="Of which lines shares are taken, all food for example. All there are when left out"),
    ] = None
    subjects: Annotated[
        tuple[Subject, ...],
        Field(
            min_length=1,
            max_length=20,
            description="What is looked at; of each, the products that lie in `among` count",
        ),
        _each_once("subject", lambda each: each.subject),
    ]
    min_lines: Annotated[int, Field(ge=2, le=1000, description="Order lines it takes to be judged")] = 20
    backtest_days: BacktestDays = 90


class TasteParameters(SubjectParameters):
    """What a run of `taste` is asked for."""

    certainty: Annotated[float, Field(ge=0.5, le=0.999, description="How probable what is said must be")] = 0.9


class AffinityParameters(SubjectParameters):
    """What a run of `affinity` is asked for."""

    strong_from: Annotated[
        float, Field(gt=100, le=10_000, description="Index from which an affinity is strong; weak is the reverse of it")
    ] = 150


class SeasonParameters(TouchpointParameters):
    """What a run of `season` is asked for."""

    years: Annotated[
        int,
        Field(
            ge=1,
            le=10,
            description="How many years of 365 days before `as_of` are looked at. The last one is what the method is "
            "judged by; one alone cannot tell a season from a single burst",
        ),
    ] = 2
    false_rate: Annotated[float, Field(gt=0, le=0.5, description="Share of busy months that may be so by chance")] = (
        0.05
    )
    min_index: Annotated[
        float, Field(ge=100, le=1200, description="How busy a month must be; 100 is like all customers together")
    ] = 150
    occasional_below: Annotated[
        float, Field(gt=0, le=30, description="Who surely buys on fewer days in 30 comes now and then")
    ] = 1


class ClimateParameters(RunParameters):
    """What a run of `climate` is asked for."""

    as_of: Annotated[
        Day | None,
        Field(
            ge=EARLIEST,
            description="Under which date the zones are kept. Addresses have no history: each is the one there is when "
            "the run reads it, whatever the date. Today when left out, tomorrow at the latest",
        ),
    ] = None


class GrowthParameters(Parameters):
    """What a run of `growth` is asked for."""

    window_days: Annotated[
        int,
        Field(ge=7, le=1825, description="How far to look back; the backtest is fitted on as many days before these"),
    ] = 182
    level: Annotated[
        Literal["department", "category", "product_type"], Field(description="What products are told apart by")
    ] = "category"
    without_departments: Departments = ()
    peer_quantile: Annotated[
        float, Field(ge=0.5, le=0.99, description="The gap is what is missing to the spend of so large a share of all")
    ] = 0.8
    common_rate: Annotated[
        float, Field(ge=0.05, le=1, description="White space is what at least such a share of all buy")
    ] = 0.5


Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ItemParameters(Parameters):
    """What a run of any model about products is asked for."""

    level: Annotated[
        Literal["sku", "product_type", "category"],
        Field(description="What is listed, called an item: products, or their types or categories"),
    ] = "sku"
    without_departments: Departments = ()


Length = Annotated[int, Field(ge=1, le=50, description="Length of the lists")]
NeverListed = Annotated[
    tuple[Name, ...],
    Field(max_length=1000, description="Items that are learned from and listed for nobody; lists are as long"),
]


class DiscoverParameters(ItemParameters):
    """What a run of `discover` is asked for."""

    length: Length = 20
    never_listed: NeverListed = ()
    min_customers: Annotated[int, Field(ge=1, le=1_000_000, description="Items that fewer bought are unknown")] = 10
    min_products: Annotated[int, Field(ge=1, le=1000, description="Who bought fewer of these items has no list")] = 3
    backtest_days: BacktestDays = 60


class BuyAgainParameters(ItemParameters):
    """What a run of `buy_again` is asked for."""

    length: Length = 20
    never_listed: NeverListed = ()
    horizon_days: Annotated[
        int, Field(ge=1, le=365, description="How far to look ahead; the backtest looks back as far")
    ] = 14


class RelatedParameters(ItemParameters):
    """What a run of `related_products` is asked for."""

    length: Length = 20
    min_customers: Annotated[int, Field(ge=1, le=1_000_000, description="Items that fewer bought are unknown")] = 10
    backtest_days: BacktestDays = 60


class AssociationParameters(ItemParameters):
    """What a run of `association` is asked for."""

    min_support: Annotated[float, Field(ge=0.0001, le=1, description="Share of all baskets a rule must hold in")] = 0.01
    min_confidence: Annotated[
        float, Field(ge=0.01, le=1, description="Share of the baskets with its left side a rule must hold in")
    ] = 0.25
    max_items: Annotated[int, Field(ge=2, le=6, description="Items of a rule, both sides together")] = 3
    backtest_days: BacktestDays = 60


_PURCHASES: Final[dict[str, Any]] = {
    "as_of": "2018-01-01",
    "kinds": ["order.placed", "order.refunded"],
    "currency": "USD",
}


class DivisionsParameters(Parameters):
    """What a run of `divisions` is asked for."""

    window_days: Annotated[
        int,
        Field(ge=7, le=1825, description="How far to look back; the backtest is fitted on as many days before these"),
    ] = 182
    need_level: Annotated[
        Literal["department", "category", "product_type"], Field(description="The part of the product tree a need is")
    ] = "department"
    level: Annotated[
        Literal["department", "category", "product_type"], Field(description="What is missing is told apart by")
    ] = "category"
    without_departments: Departments = ()
    least_index: Annotated[float, Field(ge=1, le=10, description="How far above the average a need stands out")] = 1.25
    min_lines: Annotated[int, Field(ge=1, le=1000, description="Order lines it takes to name a need")] = 10


PARAMETERS: Final[dict[str, type[RunParameters]]] = {
    "rfm": RfmParameters,
    "lifetime_value": LifetimeValueParameters,
    "churn": ChurnParameters,
    "contract_churn": ContractChurnParameters,
    "price_sensitivity": PriceSensitivityParameters,
    "taste": TasteParameters,
    "sensitive_taste": TasteParameters,
    "affinity": AffinityParameters,
    "season": SeasonParameters,
    "climate": ClimateParameters,
    "growth": GrowthParameters,
    "divisions": DivisionsParameters,
    "discover": DiscoverParameters,
    "buy_again": BuyAgainParameters,
    "related_products": RelatedParameters,
    "association": AssociationParameters,
}
"""What a run of each model can be asked for."""
EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "rfm": _PURCHASES,
    "lifetime_value": {**_PURCHASES, "horizon_days": 182},
    "churn": {**_PURCHASES, "horizon_days": 90},
    "contract_churn": {"as_of": "2026-01-01", "kinds": ["contract.started", "contract.ended"], "horizon_days": 90},
    "price_sensitivity": {**_PURCHASES, "without_departments": ["FUEL"]},
    "taste": {
        "as_of": "2018-01-01",
        "subjects": [
            {"subject": "garden", "departments": ["GARDEN CENTER"]},
            {"subject": "books", "categories": ["BOOKS AND MAGAZINES"]},
        ],
    },
    "sensitive_taste": {
        "as_of": "2018-01-01",
        "among": {"departments": ["GROCERY", "PRODUCE", "MEAT"]},
        "subjects": [{"subject": "meat", "departments": ["MEAT"], "categories": ["FROZEN CHICKEN"]}],
    },
    "affinity": {"as_of": "2018-01-01", "subjects": [{"subject": "garden", "departments": ["GARDEN CENTER"]}]},
    "season": {"as_of": "2018-01-01", "years": 2},
    "climate": {"as_of": "2018-01-01"},
    "growth": {**_PURCHASES, "without_departments": ["FUEL"]},
    "divisions": {**_PURCHASES, "without_departments": ["FUEL"]},
    "discover": {**_PURCHASES, "level": "product_type"},
    "buy_again": {**_PURCHASES, "level": "product_type", "horizon_days": 14},
    "related_products": {**_PURCHASES, "level": "product_type"},
    "association": {**_PURCHASES, "level": "category", "min_support": 0.02},
}
"""What each is asked for in examples."""
