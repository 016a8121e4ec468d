"""`crm doctor` on a service that is well, and as a command."""

import asyncio
import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from crm_api.cli.diagnosis import examine
from crm_api.core.clock import now
from crm_api.core.db import Database

from .planting import JOB, plant

DOCS = Path(__file__).parents[2] / "docs" / "operations.md"


async def test_nothing_is_found_where_nothing_is_wrong_and_nothing_is_changed(well: Path) -> None:
    found = await examine()
    assert [finding for finding in found if finding.state != "ok"] == []
    assert list(well.iterdir()) == []
    table = DOCS.read_text().partition("## What is wrong?")[2].partition("\n## ")[0]
    assert re.findall(r"^\| ([a-z ]+) \| ", table, re.MULTILINE)[1:] == [finding.check for finding in found]


async def test_the_command_tells_it_in_both_forms_and_by_its_exit_code(well: Path, plants: Database) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "crm_api.cli", "doctor", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    async def alive() -> None:
        await plant(plants, "UPDATE worker_seen SET seen_at = :at", at=now() + timedelta(seconds=10))

    await alive()
    healthy = await asyncio.to_thread(run, "-o", "json")
    assert (healthy.returncode, json.loads(healthy.stdout)["healthy"]) == (0, True), healthy
    await plant(plants, JOB, state="failed", waits=0, expired=0)
    await alive()
    warned = await asyncio.to_thread(run, "-o", "json")
    assert (warned.returncode, json.loads(warned.stdout)["healthy"]) == (0, True), warned
    await plant(plants, "DELETE FROM worker_seen")
    ill = await asyncio.to_thread(run, "-o", "json")
    told = {each["check"]: each for each in json.loads(ill.stdout)["findings"]}
    assert (ill.returncode, json.loads(ill.stdout)["healthy"]) == (1, False), ill
    assert set(told["worker"]) == {"check", "state", "looked_at", "finding", "cause", "cure"}
    people = await asyncio.to_thread(run)
    assert people.returncode == 1
    for word in ("wrong     worker", "looked at", "cause", "cure"):
        assert word in people.stdout
