"""Plants faults, and asks what `crm doctor` says to them."""

from typing import Any

from sqlalchemy import text

from crm_api.cli.diagnosis import Finding, Limits, examine
from crm_api.core.db import Database

JOB = """
INSERT INTO job (id, kind, nature, state, arguments, counts, created_by, created_at, run_after, attempt_count,
    failure_count, most_attempts, lease_id, leased_by, leased_until, finished_at)
VALUES (gen_random_uuid(), 'daily-facts', 'set', :state, '{}', '{}', 'tests', now(),
    now() - :waits * interval '1 second', 1,
    0, 5, CASE WHEN :state = 'running' THEN gen_random_uuid() END, 'w', now() - :expired * interval '1 second', now())
"""


async def ailing(limits: Limits | None = None) -> dict[str, Finding]:
    """What is not well, by the name of the check."""
    return {finding.check: finding for finding in await examine(limits) if finding.state != "ok"}


async def plant(plants: Database, sql: str, **values: Any) -> None:
    """Change the database."""
    async with plants.session() as session:
        await session.execute(text(sql), values)


def check_told(found: dict[str, Finding], check: str, state: str, *words: str) -> None:
    """Only this check complains, and says what it looked at, why, and what to do."""
    assert set(found) == {check}
    finding = found[check]
    assert finding.state == state
    assert finding.looked_at and finding.cause and finding.cure
    for word in words:
        assert word in f"{finding.finding} | {finding.cause} | {finding.cure}", finding
    assert "password" not in str(finding).replace("The password in", "")
