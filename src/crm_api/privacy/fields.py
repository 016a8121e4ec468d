"""What privacy adds to the field catalog: for every declared purpose and every channel, what the customer said."""

from collections.abc import Iterable, Iterator
from typing import Final

import orjson
from sqlalchemy import Text, cast, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from ..audience import Field, Rows
from ..customers.catalog import Declared
from ..customers.models import Customer
from .models import Consent, Purpose
from .schemas import CHANNELS, STATES, Channel

_SPOKEN: Final[dict[Channel, str]] = {
    "email": "by e-mail",
    "sms": "by text message",
    "phone": "by telephone",
    "letter": "by letter",
    "push": "by push message",
}
_CONSENTS: Final = Rows(key=Consent.customer_id, of=Customer.customer_id)


def consent_fields(purposes: Iterable[tuple[str, str]]) -> Iterator[Field]:
    """Answer the fields of purposes, given by name and label: `consent.<channel>.<name>`, missing without an answer."""
    for name, label in purposes:
        for channel in CHANNELS:
            yield _field(channel, name, label)


def _field(channel: Channel, purpose: str, label: str) -> Field:
    return Field(
        name=f"consent.{channel}.{purpose}",
        type="choice",
        choices=STATES,
        column=Consent.state,
        rows=_CONSENTS,
        where=((Consent.channel, channel), (Consent.purpose, purpose)),
        depends_on=frozenset({"consent"}),
        label=f"Consent to {label} {_SPOKEN[channel]}",
        source="consent",
    )


CONSENT_FIELDS: Final = Declared(
    select(
        cast(func.json_agg(aggregate_order_by(func.json_build_array(Purpose.name, Purpose.label), Purpose.name)), Text)
    ),
    lambda text: consent_fields(orjson.loads(text)),
)
