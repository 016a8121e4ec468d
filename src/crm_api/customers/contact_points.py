"""The compared form of e-mail addresses and telephone numbers, made without asking anybody."""

import re
from functools import lru_cache
from typing import Final

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from email_validator.rfc_constants import EMAIL_MAX_LENGTH
from phonenumbers import (
    NumberParseException,
    PhoneNumberFormat,
    ValidationResult,
    format_number,
    is_possible_number_with_reason,
    parse,
)

_EXAMPLES: Final = {"email": "ann@example.com", "phone": "+1 202-555-0123"}

_PLAIN: Final = re.compile(
    r"([A-Za-z0-9_%+'&=-]+(\.[A-Za-z0-9_%+'&=-]+)*)"
    r"@(?P<domain>([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63})",
    re.ASCII,
)
_SPECIAL: Final = tuple(f".{name}" for name in SPECIAL_USE_DOMAIN_NAMES)
_REMEMBERED: Final = 16_384
"""A chunk of a batch asks for the same form more than once."""


class Unreachable(ValueError):
    """The text is no e-mail address, or no telephone number."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def normalized_contact(kind: str, value: str, phone_region: str) -> str:
    """Answer the compared form: an e-mail address casefolded, a telephone number in E.164. Errors: Unreachable."""
    return normalized_email(value) if kind == "email" else normalized_phone(value, phone_region)


@lru_cache(maxsize=_REMEMBERED)
def normalized_email(value: str) -> str:
    """Answer the compared form of an e-mail address: no provider that matters tells letter case apart.

    Dots and what follows a plus are kept, since they mean something at some providers. DNS is not asked.
    Source: RFC 5321, section 2.4; RFC 6531 for letters beyond ASCII. Errors: Unreachable.
    """
    value = value.strip()
    if (plain := _PLAIN.fullmatch(value)) and _is_usual(value, plain["domain"].lower()):
        return value.lower()
    try:
        found = validate_email(value, check_deliverability=False)
        folded = f"{found.local_part.casefold()}@{found.domain.lower()}"
        return validate_email(folded, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise Unreachable("no-email-address", str(error)) from None


def _is_usual(value: str, domain: str) -> bool:
    """Say whether all the library would look at is right, at a twentieth of its cost."""
    return len(value) <= EMAIL_MAX_LENGTH and "--" not in domain and not f".{domain}".endswith(_SPECIAL)


@lru_cache(maxsize=_REMEMBERED)
def normalized_phone(value: str, region: str) -> str:
    """Answer a telephone number in E.164; one without a country code is of the region (ISO 3166-1).

    Its length must be one the country has. Whether a range is in use is not asked: ranges are opened every month.
    Errors: Unreachable.
    """
    try:
        number = parse(value, region)
    except NumberParseException:
        raise Unreachable("no-phone-number", f"write a telephone number like {_EXAMPLES['phone']}") from None
    if number.extension:
        raise Unreachable("phone-extension", "leave the extension out; the label can hold it")
    if is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        raise Unreachable("no-phone-number", "the number has too few or too many digits for its country")
    form = format_number(number, PhoneNumberFormat.E164)
    if format_number(parse(form), PhoneNumberFormat.E164) != form:
        raise Unreachable("no-phone-number", "it begins with digits that are a prefix in its country; leave them out")
    return form
