"""The members of a customer's household, as SQL."""

from typing import Any

from sqlalchemy import ColumnElement, Exists, Select, exists, select

from .catalog import Catalog
from .sql_touchpoints import table_of


def another_meets(catalog: Catalog, met: ColumnElement[bool]) -> Exists:
    """Answer that somebody of the customer's household meets a condition on customers.

    Members are looked for from the customer; who meets it is another SELECT from the customers' table, with no tie to
    the one outside.
    """
    household, countable = catalog.household, catalog.countable
    assert household is not None and countable is not None  # noqa: S101  # check() saw to it
    customer_id = countable.outer_customer_id
    pairs = household.pairs()
    deciding: Select[Any] = select(customer_id).where(household.is_present, met).correlate(None)
    found = exists().where(pairs.customer_id == customer_id, pairs.live_together, pairs.member_id.in_(deciding))
    return found.correlate(table_of(customer_id))
