"""Money is exact, and has the digits of ISO 4217."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from crm_api.core.money import Money, currencies, decimal_text, minor_digits, minor_units


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("12.30", "EUR", 1230),
        ("12.3", "EUR", 1230),
        ("12", "EUR", 1200),
        ("-0.05", "EUR", -5),
        ("1500", "JPY", 1500),
        ("1.234", "KWD", 1234),
        ("1.2345", "CLF", 12345),
        ("-0", "USD", 0),
        ("99999999999999.99", "USD", 9_999_999_999_999_999),
    ],
)
def test_amounts_become_minor_units(amount: str, currency: str, minor: int) -> None:
    assert minor_units(amount, currency) == minor


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("12.345", "EUR"),
        ("1.5", "JPY"),
        ("1.0", "JPY"),
        ("1", "XYZ"),
        ("1", "XAU"),
        ("1", "eur"),
        ("1e3", "EUR"),
        ("+1", "EUR"),
        ("01", "EUR"),
        (".5", "EUR"),
        ("1.", "EUR"),
        ("1,50", "EUR"),
        ("١", "EUR"),
        ("NaN", "EUR"),
        ("", "EUR"),
        ("1" * 15, "EUR"),
        ("1\n", "EUR"),
    ],
)
def test_what_is_no_amount_is_refused(amount: str, currency: str) -> None:
    with pytest.raises(ValueError):
        minor_units(amount, currency)
    with pytest.raises(ValidationError):
        Money(amount=amount, currency=currency)


@pytest.mark.parametrize(("currency", "digits"), [("IQD", 3), ("RSD", 2), ("KRW", 0), ("HRK", 2), ("ITL", 0)])
def test_digits_are_those_of_iso_4217_not_of_displays(currency: str, digits: int) -> None:
    assert minor_digits(currency) == digits


@given(st.integers(-(10**17), 10**17), st.sampled_from(sorted(currencies())))
def test_minor_units_survive_the_wire(minor: int, currency: str) -> None:
    text = decimal_text(minor, currency)
    if len(text.lstrip("-").split(".")[0]) <= 14:
        money = Money.model_validate_json(Money.from_minor(minor, currency).model_dump_json())
        assert (money.minor, money.currency, money.amount) == (minor, currency, text)


def test_two_spellings_of_one_amount_are_equal() -> None:
    assert Money(amount="12.3", currency="EUR") == Money(amount="12.30", currency="EUR")
    assert Money(amount="-0", currency="EUR").amount == "0.00"


def test_the_refusal_says_what_is_wrong() -> None:
    with pytest.raises(ValidationError) as refused:
        Money.model_validate_json('{"amount": "1.5", "currency": "JPY"}')
    assert refused.value.errors()[0]["msg"] == "JPY has no digits after the point, not 1"
