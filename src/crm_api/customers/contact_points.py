"""The compared form of e-mail addresses and telephone numbers, made without asking anybody."""

from functools import lru_cache
from typing import Final

from email_validator import EmailNotValidError, validate_email
from phonenumbers import (
    NumberParseException,
    PhoneNumberFormat,
    ValidationResult,
    format_number,
    is_possible_number_with_reason,
    parse,
)

_EXAMPLES: Final = {"email": "ann@example.com", "phone": "+1 202-555-0123"}


class Unreachable(ValueError):
    """The text is no e-mail address, or no telephone number."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def normalized_contact(kind: str, value: str, phone_region: str) -> str:
    """Answer the compared form: an e-mail address casefolded, a telephone number in E.164. Errors: Unreachable."""
    return normalized_email(value) if kind == "email" else normalized_phone(value, phone_region)


def normalized_email(value: str) -> str:
    """Answer the compared form of an e-mail address: no provider that matters tells letter case apart.

    Dots and what follows a plus are kept, since they mean something at some providers. DNS is not asked.
    Source: RFC 5321, section 2.4; RFC 6531 for letters beyond ASCII. Errors: Unreachable.
    """
    try:
        found = validate_email(value.strip(), check_deliverability=False)
        folded = f"{found.local_part.casefold()}@{found.domain.lower()}"
        return validate_email(folded, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise Unreachable("no-email-address", str(error)) from None


@lru_cache(maxsize=4096)
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
    return format_number(number, PhoneNumberFormat.E164)
