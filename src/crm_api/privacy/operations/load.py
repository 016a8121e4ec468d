"""Load: a chunk of reports, with a handful of statements however many they are."""

from collections.abc import Sequence

from ...core.batch import Intake, Outcome, Stored
from ...core.clock import now
from ...core.db import driver
from ...core.problems import Problem
from ...touchpoints.operations.owners import find_owners, named, unknown
from .. import queries
from ..rules import ConsentChange, Report, purpose_unknown, report_of
from ..schemas import ConsentCreate
from .report import change_of
from .set import Outcome as Written
from .set import write_consents


def shape_consent(wish: ConsentCreate) -> Report:
    """Look at a line, as far as it can be done without the database. Errors: InvalidRequest."""
    return report_of(wish, now())


async def store_consents(intake: Intake, reports: Sequence[Report]) -> list[Outcome]:
    """Store a chunk of a batch."""
    placed = await _placed(intake, reports)
    changes = [each for each in placed if isinstance(each, ConsentChange)]
    written = iter(await write_consents(intake.session, changes, by=intake.client_id))
    return [each if isinstance(each, Problem) else _stored(next(written)) for each in placed]


def _stored(outcome: Written) -> Stored:
    return Stored(outcome.result, outcome.id)


async def _placed(intake: Intake, reports: Sequence[Report]) -> list[ConsentChange | Problem]:
    """Find the customers and the purposes of reports."""
    connection = await driver(intake.session)
    names = [named(report.wish) for report in reports]
    owners = await find_owners(connection, names)
    purposes = [row["name"] for row in await connection.fetch(queries.PURPOSES.sql)]
    declared = frozenset(purposes)
    placed: list[ConsentChange | Problem] = []
    for name, report in zip(names, reports, strict=True):
        owner = owners.get(name if isinstance(name, str) else name.int)
        if owner is None:
            placed.append(unknown(name))
        elif report.wish.purpose not in declared:
            placed.append(purpose_unknown(report.wish.purpose, purposes))
        else:
            placed.append(change_of(report.wish, owner, report.occurred_at))
    return placed
