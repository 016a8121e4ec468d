"""Stable random numbers of customers: the same in SQL and in Python, and none that one could guess another by."""

from hashlib import md5
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Text, cast, func, literal
from sqlalchemy.dialects.postgresql import BIT

from .catalog import Column

_DIGITS: Final = 15
"""Hexadecimal digits of the digest that are taken for a number: 60 bits, which bigint holds without a sign."""


def bucket_of(name: str, buckets: int, customer_id: UUID) -> int:
    """Answer the number of a customer, 0 up to `buckets` less 1."""
    digest = md5(f"{name}:{customer_id}".encode(), usedforsecurity=False).hexdigest()
    return int(digest[:_DIGITS], 16) % buckets


def bucket_column(name: str, buckets: int, customer_id: Column) -> ColumnElement[Any]:
    """Answer the same as SQL."""
    salted = func.concat(literal(f"{name}:", Text()), cast(customer_id, Text))
    digits = func.concat(literal("x", Text()), func.left(func.md5(salted), _DIGITS))
    return cast(cast(digits, BIT(_DIGITS * 4)), BigInteger) % literal(buckets, BigInteger())
