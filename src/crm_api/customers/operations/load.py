"""Load: a chunk of a batch is read, judged and written set-wise; its lines meet each other in memory, in order."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import asyncpg

from ...core.batch import Intake, Outcome, Stored
from ...core.changes import CUSTOMER, PRESENCE, mark_many
from ...core.clock import now
from ...core.db import driver
from ...core.problems import NotAvailable, Problem
from .. import queries
from ..contact_points import Unreachable, normalized_contact
from ..rules import Document, Ground, changed, external_key, merged, nobody
from ..schemas import CustomerFields, listed
from . import keys, store
from .change import next_version
from .ground import DeclaredFields
from .register import identified, newborn
from .rows import loaded

_MOST_ATTEMPTS: Final = 5
_LINES_AT_ONCE: Final = 100


class _Raced(Exception):
    """Somebody else wrote one of these customers, or took one of these keys, after they were read."""


async def store_customers(intake: Intake, wishes: Sequence[CustomerFields]) -> Sequence[Outcome]:
    """Register or change the customers of a chunk, each identified by its external ids. Errors: NotAvailable."""
    connection = await driver(intake.session)
    declared = await DeclaredFields().refresh(intake.session)
    ground = Ground(intake.settings.phone_region, declared, now().astimezone(intake.settings.zone).date())
    for _ in range(_MOST_ATTEMPTS):
        desk = await _Desk.read(connection, wishes, ground)
        outcomes = await desk.judge(wishes)
        try:
            async with connection.transaction():
                await desk.write(connection)
        except _Raced:
            continue
        made, changed = desk.made.keys() - desk.stored.keys(), desk.made.keys() & desk.stored.keys()
        await mark_many(intake.session, {PRESENCE: made, CUSTOMER: changed})
        return outcomes
    raise NotAvailable("Others keep changing the same customers", headers={"Retry-After": "1"})


@dataclass(slots=True)
class _Desk:
    """The customers of a chunk as they are stored, as the lines make them, and whose keys are whose."""

    ground: Ground
    stored: dict[UUID, Document]
    ids: dict[str, UUID]
    points: dict[str, UUID]
    made: dict[UUID, Document] = field(default_factory=dict)

    @classmethod
    async def read(cls, connection: asyncpg.Connection, wishes: Sequence[CustomerFields], ground: Ground) -> "_Desk":
        """Look up everything the lines name, and read the customers they mean."""
        ids = await keys.EXTERNAL_IDS.owners(connection, {key for wish in wishes for key in _external_keys(wish)})
        named = {key for wish in wishes for key in _contact_keys(wish, ground.phone_region)}
        points = await keys.CONTACT_POINTS.owners(connection, named)
        rows = await connection.fetch(queries.BY_IDS.sql, list(set(ids.values())))
        return cls(ground, {document["id"]: document for document in map(loaded, rows)}, ids, points)

    async def judge(self, wishes: Sequence[CustomerFields]) -> list[Outcome]:
        """Let each line change the customer it means, letting other requests in between."""
        outcomes: list[Outcome] = []
        for number, wish in enumerate(wishes):
            if number % _LINES_AT_ONCE == 0:
                await asyncio.sleep(0)
            try:
                outcomes.append(self._judge(wish))
            except Problem as problem:
                outcomes.append(problem)
        return outcomes

    def _judge(self, wish: CustomerFields) -> Stored:
        """Errors: InvalidRequest, ExternalIdTaken, ContactPointTaken."""
        meant = self._meant(wish)
        before = nobody() if meant is None else self.made.get(meant) or self.stored[meant]
        after = merged(before, wish, self.ground, adding=True)
        if meant is not None and not changed(before, after):
            return Stored("repeated", meant)
        after = newborn(after) if meant is None else identified(after)
        self._take_keys(before, after, wish)
        self.made[after["id"]] = after
        return Stored("created" if meant is None else "updated", after["id"])

    def _meant(self, wish: CustomerFields) -> UUID | None:
        """Answer the customer the external ids of a line name. Errors: ExternalIdTaken, when they name two."""
        owners = {key: self.ids[key] for key in _external_keys(wish) if key in self.ids}
        if len(set(owners.values())) > 1:
            first, *others = owners.items()
            raise keys.external_id_taken(wish, dict(other for other in others if other[1] != first[1]))
        return next(iter(owners.values()), None)

    def _take_keys(self, before: Document, after: Document, wish: CustomerFields) -> None:
        """Errors: ContactPointTaken, when another customer, or another line, has a contact point."""
        added = keys.contact_keys(after) - keys.contact_keys(before)
        if taken := {key: self.points[key] for key in added if self.points.get(key, after["id"]) != after["id"]}:
            raise keys.contact_point_taken(wish, taken, self.ground.phone_region)
        customer_id: UUID = after["id"]
        self.points.update((key, customer_id) for key in added)
        self.ids.update((key, customer_id) for key in keys.external_keys(after))

    async def write(self, connection: asyncpg.Connection) -> None:
        """Take the keys and write the customers. Errors: _Raced."""
        changes = list(self._changes())
        if not changes:
            return
        ids = {key: each.after["id"] for each in changes for key in _added(keys.external_keys, each)}
        points = {key: each.after["id"] for each in changes for key in _added(keys.contact_keys, each)}
        if await keys.EXTERNAL_IDS.claim(connection, ids) or await keys.CONTACT_POINTS.claim(connection, points):
            raise _Raced
        if len(await store.write(connection, changes, self.ground.declared)) < len(changes):
            raise _Raced

    def _changes(self) -> Iterator[store.Change]:
        for customer_id, document in self.made.items():
            before = self.stored.get(customer_id)
            yield store.Change(before, document if before is None else next_version(document))


def _added(keys_of: Callable[[Document], set[str]], change: store.Change) -> set[str]:
    """Answer the keys a change adds."""
    return keys_of(change.after) - (keys_of(change.before) if change.before else set())


def _external_keys(wish: CustomerFields) -> list[str]:
    return [external_key(each.system, each.external_id) for each in listed(wish.external_ids)]


def _contact_keys(wish: CustomerFields, phone_region: str) -> Iterator[str]:
    """Answer the keys of a line's contact points; those that are none are found when the line is judged."""
    for point in listed(wish.contact_points):
        try:
            yield f"{point.kind}:{normalized_contact(point.kind, point.value, phone_region)}"
        except Unreachable:
            continue
