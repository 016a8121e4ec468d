"""Money: exact decimal text with its currency on the wire, integer minor units inside."""

import re
from functools import cache, lru_cache
from typing import Annotated, Final, Self

from babel.core import get_global
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

# Minor units of ISO 4217; every other currency has two. CLDR's figures are not used: they say how prices are displayed,
# for example without cents in Iraq or Serbia. Retired currencies keep the digits of their time. None: metals, funds and
# test codes, which no price is in, and CNH, which is no code of ISO 4217.
_CODES_BY_DIGITS: Final[dict[int | None, str]] = {
    0: "ADP BEF BIF BYB BYR CLP DJF ESP GNF GRD ISK ITL JPY KMF KRW LUF MGF PTE PYG RWF TPE TRL UGX UYI VND VUV XAF "
    "XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
    None: "CNH XAG XAU XBA XBB XBC XBD XDR XFO XFU XPD XPT XRE XSU XTS XUA XXX",
}
_DIGITS: Final = {code: digits for digits, codes in _CODES_BY_DIGITS.items() for code in codes.split()}

AMOUNT_PATTERN: Final = r"^-?(0|[1-9][0-9]{0,13})(\.[0-9]{1,4})?$"
_AMOUNT: Final = re.compile(AMOUNT_PATTERN[1:-1])


@cache
def currencies() -> frozenset[str]:
    """Answer all currency codes that can be used, retired ones of old orders included."""
    return frozenset(code for code in get_global("all_currencies") if _DIGITS.get(code, 2) is not None)


@cache
def minor_digits(currency: str) -> int:
    """Answer how many digits a currency has after the point (ISO 4217). Errors: ValueError for an unknown currency."""
    digits = _DIGITS.get(currency, 2)
    if digits is None or currency not in currencies():
        raise ValueError(f"{currency} is no currency of ISO 4217")
    return digits


@lru_cache(maxsize=16_384)  # the same prices come again and again
def minor_units(amount: str, currency: str) -> int:
    """Turn a decimal text into minor units, exactly: "12.30" EUR is 1230, "12" EUR is 1200.

    Errors: ValueError for an unknown currency, for what is no decimal number, for more digits than the currency has.
    """
    digits = minor_digits(currency)
    if not _AMOUNT.fullmatch(amount):
        raise ValueError(
            'an amount is a decimal number as text, for example "12.30", with at most 14 digits before the point'
        )
    whole, _, fraction = amount.partition(".")
    if len(fraction) > digits:
        raise ValueError(f"{currency} has {digits or 'no'} digits after the point, not {len(fraction)}")
    return int(whole + fraction.ljust(digits, "0"))


@lru_cache(maxsize=16_384)
def decimal_text(minor: int, currency: str) -> str:
    """Write minor units as decimal text with all digits of the currency: 1230 EUR is "12.30"."""
    digits = minor_digits(currency)
    if not digits:
        return str(minor)
    text = str(abs(minor)).rjust(digits + 1, "0")
    return f"{'-' if minor < 0 else ''}{text[:-digits]}.{text[-digits:]}"


class Money(BaseModel):
    """An amount of money, exact."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={"examples": [{"amount": "12.30", "currency": "EUR"}]},
    )

    amount: Annotated[
        str,
        Field(
            pattern=AMOUNT_PATTERN,
            description="Decimal number as text, with at most the digits that ISO 4217 gives the currency",
        ),
    ]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$", description="ISO 4217 code", examples=["EUR"])]

    @model_validator(mode="after")
    def _all_digits_of_the_currency(self) -> Self:
        try:
            minor = minor_units(self.amount, self.currency)
        except ValueError as error:
            raise PydanticCustomError("money", "{reason}", {"reason": str(error)}) from None
        # "12.3" and "12.30" are one amount, so they get one text: equality and round trips rest on it.
        object.__setattr__(self, "amount", decimal_text(minor, self.currency))
        return self

    @property
    def minor(self) -> int:
        """The amount in minor units."""
        return minor_units(self.amount, self.currency)

    @classmethod
    def from_minor(cls, minor: int, currency: str) -> "Money":
        """Make money of stored minor units."""
        return cls.model_construct(amount=decimal_text(minor, currency), currency=currency)
