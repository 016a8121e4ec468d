"""Tastes that may reveal health, belief or the like: told only for a purpose that the deployment names, and only of
customers who agreed to it.
"""

import re
from typing import Any, Final

from sqlalchemy import ColumnElement, Text, and_, bindparam, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from ..privacy.models import Consent, Purpose
from .outputs import OUTPUTS, Output
from .parameters import RunParameters, Subject, SubjectParameters
from .problems import SensitiveTaste

SETTING: Final = "CRM_SENSITIVE_TASTE_PURPOSE"
BOUND: Final = "sensitive_purpose"
"""What statements that read such scores bind the purpose as; where it is not bound they find nothing."""
_WORDS: Final = frozenset(
    re.findall(
        "[a-z]+",
        """
        alcohol alcoholic baby bacon beef beer beers cigarettes contraceptives diabetic diapers diet dietary fish gluten
        halal ham infant kosher lactose liquor meat meats medicine medicines pharmacy pork poultry pregnancy sausage
        sausages seafood spirits tobacco vegan vegetarian wine wines
        """,
    )
)
"""In any of these words of a subject an honest mistake is seen. They are a net and no lock: what else may reveal
something has to be asked for as `sensitive_taste` by whoever knows the products.
"""


def agreed(customer_id: ColumnElement[Any], purpose: str | None = None) -> ColumnElement[bool]:
    """Test whether a customer agreed to the purpose in a channel and refused it in none; it is bound as `BOUND` unless
    given.
    """
    told = bindparam(BOUND, type_=Text) if purpose is None else literal(purpose, Text)

    def some(state: str) -> ColumnElement[bool]:
        consent = aliased(Consent)
        theirs = and_(consent.customer_id == customer_id, consent.purpose == told, consent.state == state)
        return select(consent.customer_id).where(theirs).correlate_except(consent).exists()

    return and_(some("granted"), ~some("withdrawn"))


def check_purpose(output: Output, purpose: str | None) -> None:
    """Errors: SensitiveTaste, when the model may be used for a named purpose only and none is named."""
    if output.is_sensitive and purpose is None:
        raise SensitiveTaste(f"{output.model} is off: {SETTING} names no purpose that it is told for")


async def check_asked(session: AsyncSession, model: str, parameters: RunParameters, purpose: str | None) -> None:
    """Errors: SensitiveTaste, when what is asked for needs a purpose and the model that takes one."""
    check_purpose(OUTPUTS[model], purpose)
    if OUTPUTS[model].is_sensitive:
        if await session.get(Purpose, purpose) is None:
            raise SensitiveTaste(f"{SETTING} names {purpose!r}, which is no purpose of `GET /v1/purposes`")
    elif isinstance(parameters, SubjectParameters):
        for subject in parameters.subjects:
            if word := revealing(subject):
                raise SensitiveTaste(
                    f"{word!r} in the subject {subject.subject!r} may reveal health or belief: ask for it as a run of "
                    f"sensitive_taste, which takes a purpose named by {SETTING}"
                )


def revealing(subject: Subject) -> str | None:
    """Answer a word of a subject that may reveal something."""
    told = (subject.subject, *subject.departments, *subject.categories, *subject.product_types)
    words = re.findall("[a-z]+", " ".join(told).lower())
    return next((word for word in words if word in _WORDS), None)
