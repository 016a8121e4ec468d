"""What our own tables tell: signing keys, workers, jobs, daily facts, the outbox."""

from datetime import timedelta
from typing import Final

from ...access.keys import can_read
from ...core.clock import now
from ...jobs.rules import WORKER_SILENCE
from ..home import program
from .findings import Finding, Patient, size, span


async def check_signing_keys(patient: Patient) -> list[Finding]:
    """Try the secret key on the key that tokens are signed with."""
    looked_at = "CRM_SECRET_KEY and table signing_key"
    newest = await patient.database.fetchrow(
        "SELECT kid, private_jwk_encrypted FROM signing_key WHERE retired_at IS NULL ORDER BY created_at DESC LIMIT 1"
    )
    if newest is None:
        cause, cure = "The database was migrated, but not prepared.", f"{program()} migrate"
        return [Finding("signing keys", "wrong", looked_at, "there is no signing key", cause, cure)]
    restore = "Restore the secret key that was used before"
    otherwise = f"If it is lost: set a new one, {program()} keys rotate --secret-lost, and start the API again."
    if patient.secret is None:
        cause = f"CRM_SECRET_KEY is not given, and {patient.home.folder / 'secret.key'} is not there."
        return [Finding("signing keys", "wrong", looked_at, "no secret key", cause, f"{restore}. {otherwise}")]
    if not can_read(patient.secret, newest["private_jwk_encrypted"]):
        cause = "The signing key was encrypted with another secret key."
        finding = "the secret key does not decrypt the signing key"
        return [Finding("signing keys", "wrong", looked_at, finding, cause, f"{restore}. {otherwise}")]
    return [Finding("signing keys", "ok", looked_at, "the signing key can be decrypted")]


async def check_worker(patient: Patient) -> list[Finding]:
    """Look whether a worker asks for work; if none does, why it may not."""
    looked_at, at = "table worker_seen", now()
    row = await patient.database.fetchrow(
        "SELECT count(*) FILTER (WHERE seen_at >= $1) AS alive, max(seen_at) AS last FROM worker_seen",
        at - WORKER_SILENCE,
    )
    if row["alive"]:
        return [
            Finding(
                "worker",
                "ok",
                looked_at,
                f"{row['alive']} alive, heard of {span((at - row['last']).total_seconds())} ago",
            )
        ]
    silent = f"for {span((at - row['last']).total_seconds())}" if row["last"] else "in the last day"
    cause, cure = await _why_no_worker(patient)
    return [Finding("worker", "wrong", looked_at, f"no worker asked for work {silent}", cause, cure)]


_CLIENT: Final = """
SELECT scopes, revoked_at, CASE WHEN former_secret_until > $2 THEN ARRAY[secret_hash, former_secret_hash]
    ELSE ARRAY[secret_hash] END AS hashes
FROM client WHERE client_id = $1
"""


async def _why_no_worker(patient: Patient) -> tuple[str, str]:
    settings = patient.settings
    client = await patient.database.fetchrow(_CLIENT, settings.worker_client_id, now())
    name = f"The worker's client {settings.worker_client_id!r}"
    if client is None:
        return f"{name} is not registered.", f"{program()} migrate"
    if client["revoked_at"] is not None:
        return f"{name} was revoked.", "Set another CRM_WORKER_CLIENT_ID, `crm migrate`, and start the workers again."
    if "jobs:work" not in client["scopes"]:
        return f"{name} was not granted jobs:work.", f"{program()} migrate"
    if not _fits(patient, client["hashes"]):
        return f"{name} has another secret than the settings say.", f"{program()} migrate, and start the workers again."
    cause = "No worker runs, or it cannot reach the API."
    return cause, f"Start one: {program()} up, or python -m workers.main. Its log is {patient.home.log('worker')}."


def _fits(patient: Patient, stored: list[str]) -> bool:
    """Say whether the secret that is known here is one of those that were stored; yes, when none is known here."""
    from ...access.tokens import hasher

    given, kept = patient.settings.worker_client_secret, patient.home.folder / "worker.secret"
    if given is None and not kept.exists():
        return True
    secret = kept.read_text().strip() if given is None else given.get_secret_value()
    return any(hasher.verify(secret, each) for each in stored)


_JOBS: Final = """
SELECT count(*) FILTER (WHERE state = 'running' AND leased_until < $1) AS abandoned,
    count(*) FILTER (WHERE state = 'queued' AND run_after < $2) AS waiting,
    string_agg(DISTINCT kind, ', ') FILTER (WHERE state = 'running' AND leased_until < $1) AS abandoned_kinds,
    string_agg(DISTINCT kind, ', ') FILTER (WHERE state = 'queued' AND run_after < $2) AS waiting_kinds
FROM job WHERE state IN ('queued', 'running')
"""
_FAILED: Final = """
SELECT kind, count(*) AS count FROM job WHERE state = 'failed' AND finished_at >= $1 GROUP BY kind ORDER BY kind
"""


async def check_jobs(patient: Patient) -> list[Finding]:
    """Look for jobs that nobody goes on with, that nobody begins, and that failed."""
    looked_at, at, limits = "table job", now(), patient.limits
    expired = at - timedelta(seconds=limits.lease_expired_seconds)
    row = await patient.database.fetchrow(_JOBS, expired, at - timedelta(seconds=limits.job_waits_seconds))
    found = []
    if row["abandoned"]:
        cause = "Their worker died, and no other one has asked for work since, or none can take them back."
        cure = "Start a worker: it takes them over within seconds. If one runs, the API's log says job_not_taken_back."
        finding = f"{row['abandoned']} running without a lease: {row['abandoned_kinds']}"
        found.append(Finding("jobs", "wrong", looked_at, finding, cause, cure))
    if row["waiting"]:
        cause = "No worker runs, all are busy, or none of them has hands for this kind."
        cure = "Start more workers, of this version of the code; `GET /v1/jobs?state=queued` says what each waits for."
        finding = f"{row['waiting']} due for more than {span(limits.job_waits_seconds)}: {row['waiting_kinds']}"
        found.append(Finding("jobs", "wrong", looked_at, finding, cause, cure))
    failed = await patient.database.fetch(_FAILED, at - timedelta(hours=limits.failed_jobs_hours))
    if failed:
        told = ", ".join(f"{each['kind']} {each['count']}" for each in failed)
        cause = "Each says why: `problem`, and `attempts` with their reasons."
        cure = "Look: GET /v1/jobs?state=failed. Correct what they name, then start the work anew."
        finding = f"failed within {limits.failed_jobs_hours:.0f} h: {told}"
        found.append(Finding("jobs", "warning", looked_at, finding, cause, cure))
    return found or [Finding("jobs", "ok", looked_at, "none is stuck, none failed lately")]


async def check_daily_facts(patient: Patient) -> list[Finding]:
    """Count the days whose facts are still to be recomputed."""
    most = patient.limits.dirty_days
    count = await patient.database.fetchval(
        "SELECT count(*) FROM (SELECT FROM customer_day_dirty LIMIT $1) AS marked", most + 1
    )
    looked_at = "table customer_day_dirty"
    if count <= most:
        return [Finding("daily facts", "ok", looked_at, f"{count} days are to be recomputed")]
    cause = "Much was just loaded, or the workers do not get on with it. Audiences and scores recompute what they read."
    cure = "Wait, and look again. If the number does not fall: see `worker` and `jobs`, and start more workers."
    return [Finding("daily facts", "warning", looked_at, f"more than {most:,} days are to be recomputed", cause, cure)]


_OUTBOX: Final = """
SELECT pg_total_relation_size('outbox_event') AS bytes,
    (SELECT occurred_at FROM outbox_event WHERE position IS NULL ORDER BY sequence_number, id LIMIT 1) AS waiting_since
"""


async def check_outbox(patient: Patient) -> list[Finding]:
    """Look how large the outbox has grown."""
    row = await patient.database.fetchrow(_OUTBOX)
    looked_at = "table outbox_event"
    told = f"it takes {size(row['bytes'])}"
    if row["bytes"] <= patient.limits.outbox_bytes:
        return [Finding("outbox", "ok", looked_at, told)]
    since = f", the oldest event waits since {row['waiting_since']:%Y-%m-%d}" if row["waiting_since"] else ""
    cause = "Events are kept for CRM_EVENTS_KEPT_DAYS; a worker's tick gives them their places and drops the old ones."
    cure = "See that a worker runs, or keep events for fewer days: the space is used again by those to come."
    return [Finding("outbox", "warning", looked_at, told + since, cause, cure)]
