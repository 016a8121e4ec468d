"""What the timeline adds to the field catalog: touchpoints, their lines, and what of both can be counted and summed."""

from functools import lru_cache
from typing import Any, Final

from ..audience import Amount, Catalog, Countable, Field, FieldType, Items, Operator, Rows
from ..audience.catalog import Column
from ..customers.models import Customer
from .models import OrderItem, Product, Touchpoint

PROPERTIES: Final = "properties."
_EXACTLY: Final[tuple[Operator, ...]] = ("eq", "ne", "in", "like", "known")
"""Text that has no normalized form is compared letter by letter."""


def _of_touchpoint(name: str, column: Column, label: str, kind: FieldType = "choice", **more: Any) -> Field:
    return Field(
        name=name,
        type=kind,
        column=column,
        depends_on=frozenset({"touchpoint"}),
        label=label,
        source="touchpoint",
        **more,
    )


@lru_cache(maxsize=1024)
def _property(name: str) -> Field:
    """Make the field of a property that touchpoints may have, whatever its name."""
    key = name.removeprefix(PROPERTIES)
    return _of_touchpoint(name, Touchpoint.properties[key], f"Property {key}", "json")


def _of_line(name: str, column: Column, label: str, kind: FieldType = "choice", **more: Any) -> Field:
    return _of_touchpoint(name, column, label, kind, **more)


_PRODUCTS: Final = Rows(key=Product.sku, of=OrderItem.sku)


def _of_product(name: str, column: Column, label: str) -> Field:
    return Field(
        name=name,
        type="choice",
        column=column,
        rows=_PRODUCTS,
        depends_on=frozenset({"product"}),
        label=label,
        operators=_EXACTLY,
        source="product",
    )


_ITEMS: Final = Items(
    customer_id=OrderItem.customer_id,
    touchpoint_id=OrderItem.touchpoint_id,
    fields=(
        _of_line("sku", OrderItem.sku, "SKU of the product", operators=_EXACTLY),
        _of_line("quantity", OrderItem.quantity, "Quantity", "number"),
        _of_line("paid", OrderItem.paid_minor, "Paid", "money", currency=Touchpoint.currency),
        _of_line("list", OrderItem.list_minor, "List price", "money", currency=Touchpoint.currency),
        _of_line(
            "discount",
            OrderItem.list_minor - OrderItem.paid_minor,
            "List price less paid",
            "money",
            currency=Touchpoint.currency,
        ),
        _of_product("name", Product.name, "Name of the product"),
        _of_product("brand", Product.brand, "Brand"),
        _of_product("department", Product.department, "Department"),
        _of_product("category", Product.category, "Category"),
        _of_product("product_type", Product.product_type, "Type of product"),
        _of_product("size", Product.size, "Size"),
    ),
)


def _of_lines(name: str, column: Column, label: str, *, is_money: bool = True, unit: str | None = None) -> Amount:
    currency = Touchpoint.currency if is_money else None
    return Amount(name=f"items.{name}", column=column, currency=currency, of_items=True, label=label, unit=unit)


COUNTABLE: Final = Countable(
    customer_id=Touchpoint.customer_id,
    outer_customer_id=Customer.customer_id,
    id=Touchpoint.id,
    kind=Touchpoint.kind,
    occurred_at=Touchpoint.occurred_at,
    fields=(
        _of_touchpoint("channel", Touchpoint.channel, "Channel"),
        _of_touchpoint("direction", Touchpoint.direction, "Direction", choices=("inbound", "outbound")),
        _of_touchpoint("department", Touchpoint.department, "Department"),
        _of_touchpoint("source", Touchpoint.source, "System that reported it"),
        _of_touchpoint("campaign", Touchpoint.campaign, "Campaign"),
        _of_touchpoint("subject", Touchpoint.subject, "Subject", operators=_EXACTLY),
        _of_touchpoint("amount", Touchpoint.amount_minor, "Amount", "money", currency=Touchpoint.currency),
        _of_touchpoint("cost", Touchpoint.cost_minor, "Cost", "money", currency=Touchpoint.cost_currency),
    ),
    open={PROPERTIES: _property},
    amounts=(
        Amount(name="amount", column=Touchpoint.amount_minor, currency=Touchpoint.currency, label="Amount"),
        Amount(name="cost", column=Touchpoint.cost_minor, currency=Touchpoint.cost_currency, label="Cost"),
        _of_lines("paid", OrderItem.paid_minor, "Paid for lines"),
        _of_lines("list", OrderItem.list_minor, "List price of lines"),
        _of_lines("discount", OrderItem.list_minor - OrderItem.paid_minor, "List price less paid of lines"),
        _of_lines("quantity", OrderItem.quantity, "Quantity of lines", is_money=False),
    ),
    items=_ITEMS,
)
SEARCHED: Final = Catalog(
    (
        *COUNTABLE.fields,
        _of_touchpoint("kind", Touchpoint.kind, "Kind", operators=_EXACTLY),
        _of_touchpoint("occurred_at", Touchpoint.occurred_at, "Happened at", "datetime"),
        _of_touchpoint("recorded_at", Touchpoint.recorded_at, "Recorded at", "datetime"),
    ),
    open_to=COUNTABLE.open,
)
"""What a search over touchpoints can ask for: also what conditions over a customer's touchpoints say beside `where`."""
