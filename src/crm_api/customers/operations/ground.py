"""What wishes are judged by: settings, and the custom fields that are declared."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from ...core.clock import now
from ...core.db import driver
from ...core.problems import InvalidRequest
from ...settings import Settings
from ..custom_values import Declaration
from ..queries import DECLARATIONS, read_declarations
from ..rules import Document, Ground, merged
from ..schemas import CustomerFields

_OF_CUSTOM_FIELDS: Final = "/custom_fields/"


class DeclaredFields:
    """The declared custom fields, as this process remembers them.

    Fields and choices are never taken back, so what is remembered stays true; only a miss has to be looked up.
    """

    def __init__(self) -> None:
        self.known: Mapping[str, Declaration] = {}

    async def refresh(self, session: AsyncSession) -> Mapping[str, Declaration]:
        """Read the declarations anew."""
        rows = await (await driver(session)).fetch(DECLARATIONS.sql)
        self.known = {each.key: each for each in read_declarations(rows)}
        return self.known

    async def covering(self, session: AsyncSession, keys: Iterable[str]) -> Mapping[str, Declaration]:
        """Answer the declarations, read anew when a key is not among them."""
        return self.known if all(key in self.known for key in keys) else await self.refresh(session)


@dataclass(frozen=True, slots=True)
class Grounds:
    """Gives each request its ground."""

    settings: Settings
    fields: DeclaredFields

    def now(self) -> Ground:
        """Answer the ground as this process knows it."""
        return Ground(self.settings.phone_region, self.fields.known, now().astimezone(self.settings.zone).date())

    async def merged(
        self, session: AsyncSession, current: Document, wish: CustomerFields, *, adding: bool = False
    ) -> Document:
        """Answer what a wish makes of a customer. Errors: InvalidRequest.

        A custom field that does not fit may have been declared, or given more choices, by another process: declarations
        are read anew before it is refused.
        """
        if current["custom_fields"]:
            await self.fields.covering(session, current["custom_fields"])
        try:
            return merged(current, wish, self.now(), adding=adding)
        except InvalidRequest as refusal:
            if not any(found["pointer"].startswith(_OF_CUSTOM_FIELDS) for found in refusal.errors):
                raise
        await self.fields.refresh(session)
        return merged(current, wish, self.now(), adding=adding)
