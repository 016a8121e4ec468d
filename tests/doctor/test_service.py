"""What `crm doctor` finds in our own tables, planted for real."""

from pathlib import Path

import pytest

from crm_api.cli.diagnosis import Limits
from crm_api.core.db import Database
from crm_api.core.secret_files import write_secret

from .conftest import SECRET_KEY
from .planting import JOB, ailing, check_told, plant


async def test_a_secret_key_that_does_not_fit(well: Path, plants: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_SECRET_KEY", "another key than the one the signing key was encrypted with")
    check_told(await ailing(), "signing keys", "wrong", "another secret key", "crm keys rotate")
    monkeypatch.delenv("CRM_SECRET_KEY")
    check_told(await ailing(), "signing keys", "wrong", "no secret key", "secret.key")
    write_secret(well / "secret.key", SECRET_KEY)
    assert await ailing() == {}
    await plant(plants, "UPDATE signing_key SET retired_at = created_at")
    check_told(await ailing(), "signing keys", "wrong", "crm migrate")
    await plant(plants, "UPDATE signing_key SET retired_at = NULL")


SILENT = "UPDATE worker_seen SET seen_at = seen_at - interval '1 minute'"


@pytest.mark.parametrize(
    ("sql", "undo", "words"),
    [
        (SILENT, "SELECT 1", ("No worker runs", "workers.main")),
        ("DELETE FROM worker_seen", "SELECT 1", ("in the last day",)),
        (
            "UPDATE client SET revoked_at = created_at",
            "UPDATE client SET revoked_at = NULL",
            ("was revoked", "CRM_WORKER_CLIENT_ID"),
        ),
        ("UPDATE client SET client_id = 'x'", "UPDATE client SET client_id = 'worker'", ("not registered", "migrate")),
        (
            "UPDATE client SET scopes = array_remove(scopes, 'jobs:work')",
            "UPDATE client SET scopes = scopes || '{jobs:work}'",
            ("jobs:work", "migrate"),
        ),
    ],
)
async def test_no_worker(well: Path, plants: Database, sql: str, undo: str, words: tuple[str, ...]) -> None:
    await plant(plants, SILENT)
    await plant(plants, sql)
    check_told(await ailing(), "worker", "wrong", *words)
    await plant(plants, undo)


async def test_a_worker_with_another_secret(well: Path, plants: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_WORKER_CLIENT_SECRET", "another")
    assert await ailing() == {}
    await plant(plants, SILENT)
    check_told(await ailing(), "worker", "wrong", "another secret", "migrate")


@pytest.mark.parametrize(
    ("state", "waits", "expired", "told", "words"),
    [
        ("running", 0, 90, "wrong", ("without a lease: daily-facts", "Start a worker")),
        ("queued", 400, 0, "wrong", ("daily-facts", "GET /v1/jobs?state=queued")),
        ("failed", 0, 0, "warning", ("daily-facts 1", "GET /v1/jobs?state=failed")),
    ],
)
async def test_jobs_that_are_stuck_or_failed(
    well: Path, plants: Database, state: str, waits: int, expired: int, told: str, words: tuple[str, ...]
) -> None:
    await plant(plants, JOB, state=state, waits=1, expired=1)
    assert set(await ailing()) == ({"jobs"} if state == "failed" else set())
    await plant(plants, "TRUNCATE job CASCADE")
    await plant(plants, JOB, state=state, waits=waits, expired=expired)
    check_told(await ailing(), "jobs", told, *words)


async def test_daily_facts_that_pile_up(well: Path, plants: Database) -> None:
    await plant(
        plants, "INSERT INTO customer_day_dirty SELECT gen_random_uuid(), '2024-05-01' FROM generate_series(1, 100001)"
    )
    check_told(await ailing(), "daily facts", "warning", "100,000", "more workers")


async def test_an_outbox_that_grows(well: Path, plants: Database) -> None:
    await plant(
        plants,
        "INSERT INTO outbox_event (id, type, data, occurred_at) "
        "SELECT gen_random_uuid(), 't', '{}', '2024-05-01Z' FROM generate_series(1, 1000)",
    )
    check_told(
        await ailing(Limits(outbox_bytes=50_000)), "outbox", "warning", "KiB", "2024-05-01", "CRM_EVENTS_KEPT_DAYS"
    )
