"""What customers add to the field catalog: their profile, and the custom fields the business declared."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, ColumnElement, Date, Integer, Numeric, bindparam, cast, func
from sqlalchemy.types import TypeEngine

from ..audience import DAY, Field, Household, Moment, Rows
from ..audience.catalog import Column, FieldType
from ..audience.moving import TODAY
from ..core.changes import HOUSEHOLD
from .custom_values import Declaration
from .models import ContactPoint, Customer, ExternalId, HouseholdMember
from .places import COUNTRIES

_CUSTOMER: Final = frozenset({"customer"})
_STORED_AS: Final[dict[str, TypeEngine[Any] | None]] = {
    "text": None,
    "choice": None,
    "integer": BigInteger(),
    "number": Numeric(),
    "boolean": Boolean(),
    "date": Date(),
}


def profile_fields() -> Iterator[Field]:
    """Answer the fields of a customer's profile."""
    kinds = ("person", "organization")
    yield _field("kind", "choice", "Person or organization", Customer.kind, choices=kinds)
    yield _field("display_name", "text", "Display name", Customer.display_name_normalized)
    yield _field("given_name", "text", "Given name", Customer.given_name_normalized)
    yield _field("family_name", "text", "Family name", Customer.family_name_normalized)
    yield _field("organization_name", "text", "Organization", Customer.organization_name_normalized)
    yield _field("birth_date", "date", "Date of birth", Customer.birth_date)
    yield _field("age", "integer", "Age", _age_at, unit="years", depends_on=_CUSTOMER | {DAY})
    yield _field("language", "choice", "Language", Customer.language)
    yield _field("time_zone", "choice", "Time zone", Customer.time_zone)
    yield _field("country", "choice", "Country of the main address", Customer.country, choices=_COUNTRIES)
    yield _field("region", "text", "Region of the main address", Customer.region_normalized)
    yield _field("city", "text", "City of the main address", Customer.city_normalized)
    yield _field("postal_code", "text", "Postal code of the main address", Customer.postal_code_normalized)
    yield _field("address", "place", "Where the main address is", Customer.latitude, beside=Customer.longitude)
    yield _field("tags", "set", "Tags", Customer.tags_normalized)
    yield _field("created_at", "datetime", "Registered at", Customer.created_at)
    for kind, label in (("email", "E-mail address"), ("phone", "Telephone number in E.164")):
        yield _field(
            kind, "text", label, ContactPoint.normalized, rows=_CONTACT_POINTS, where=((ContactPoint.kind, kind),)
        )
    yield _field("known_in", "set", "Systems with an external id", ExternalId.system, rows=_EXTERNAL_IDS)


HOUSEHOLDS: Final = Household(
    customer_id=HouseholdMember.customer_id,
    household_id=HouseholdMember.household_id,
    is_present=Customer.archived_at.is_(None),
    depends_on=frozenset({HOUSEHOLD}),
)


def custom_fields(declarations: Iterable[Declaration]) -> Iterator[Field]:
    """Answer the declared fields, named `custom.<key>`."""
    return map(custom_field, declarations)


def custom_field(declared: Declaration) -> Field:
    """Answer a declared field."""
    text = Customer.custom_normalized[declared.key].astext
    stored_as = _STORED_AS[declared.type]
    column: ColumnElement[Any] = text if stored_as is None else cast(text, stored_as)
    name, more = f"custom.{declared.key}", {"choices": declared.choices, "source": "custom"}
    return _field(name, declared.type, declared.label, column, **more)


_COUNTRIES: Final = tuple(sorted(COUNTRIES))


_CONTACT_POINTS: Final = Rows(key=ContactPoint.customer_id, of=Customer.customer_id)
_EXTERNAL_IDS: Final = Rows(key=ExternalId.customer_id, of=Customer.customer_id)


def _field(name: str, kind: FieldType, label: str, column: Column | Callable[[Moment], Column], **more: Any) -> Field:
    more.setdefault("depends_on", _CUSTOMER)
    return Field(name=name, type=kind, label=label, column=column, **more)


def _age_at(moment: Moment) -> Column:
    """Answer the age on the business's local date, which has a name so that it can be bound anew."""
    return age_on(bindparam(TODAY, moment.today, Date()), Customer.birth_date)


def age_on(today: ColumnElement[Any], born: Column) -> ColumnElement[Any]:
    """Answer whole years from birth to a day; those born on 29 February turn on the 28th in common years."""
    years = cast(func.date_part("year", today) - func.date_part("year", born), Integer)
    birthday = born + func.make_interval(years)
    return years - cast(birthday > today, Integer)
