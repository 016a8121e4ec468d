"""What is true of jobs without a database, and of workers without an API."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from crm_api.access.scopes import WORKER_SCOPES
from crm_api.core.clock import now
from crm_api.jobs.kinds import JobKind
from crm_api.jobs.rules import added, pause_before_retry, waiting_reason
from workers.hands import SCOPES


def test_pauses_double_up_to_five_minutes() -> None:
    seconds = [pause_before_retry(failures).total_seconds() for failures in (1, 2, 3, 4, 8, 9, 1000)]
    assert seconds == [2, 4, 8, 16, 256, 300, 300]


@pytest.mark.parametrize(
    ("state", "due_in", "seen_ago", "reason"),
    [
        ("queued", 0, 1, None),
        ("queued", 0, 6, "no-worker-alive"),
        ("queued", 9, 6, "no-worker-alive"),
        ("queued", 0, None, "no-worker-alive"),
        ("queued", 9, 1, "retry-later"),
        ("running", 0, 6, None),
        ("succeeded", 0, None, None),
    ],
)
def test_waiting_has_its_reason(state: str, due_in: int, seen_ago: int | None, reason: str | None) -> None:
    at = now()
    seen_at = None if seen_ago is None else at - timedelta(seconds=seen_ago)
    assert waiting_reason(state, at + timedelta(seconds=due_in), seen_at, at) == reason


def test_counts_add_up() -> None:
    assert added({"a": 1, "b": 2}, {"b": 3, "c": 4}) == {"a": 1, "b": 5, "c": 4}


def test_a_kind_has_a_step_if_it_is_a_set_kind() -> None:
    with pytest.raises(TypeError, match="a set kind has a step"):
        JobKind("stepless", "set")


def test_the_worker_asks_for_nothing_it_is_not_granted() -> None:
    assert set(SCOPES) <= set(WORKER_SCOPES)


def test_a_worker_cannot_open_a_database() -> None:
    check = "import sys, workers.main; print(sorted({'sqlalchemy', 'asyncpg', 'crm_api.core.db'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "CRM_WORKER_CLIENT_SECRET: missing"),
        ({"CRM_WORKER_CLIENT_SECRET": "x", "CRM_WORKER_JOBS": "many"}, "CRM_WORKER_JOBS: "),
    ],
)
def test_a_worker_that_cannot_start_names_the_variable(tmp_path: Path, environment: dict[str, str], told: str) -> None:
    known = {"CRM_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    ended = subprocess.run([sys.executable, "-m", "workers.main"], env=known, capture_output=True, text=True)
    assert ended.returncode == 1
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
