"""The laws of sending hold when its parts are killed: a few scenarios of `make chaos`, with fewer recipients."""

from pathlib import Path

import pytest

from ..chaos import SCENARIOS, play

pytestmark = pytest.mark.xdist_group("live")
RECIPIENTS = 1_500
"""Several times as many as a killed worker may leave `unknown`."""
PLAYED = (
    "worker killed 3 times",
    "worker killed 3 times, into files",
    "PostgreSQL killed twice",
    "two workers, one killed, Redis flushed",
    "4xx, 5xx and slow answers",
)


@pytest.mark.parametrize("name", PLAYED)
async def test_nobody_gets_it_twice_and_every_message_ends(tmp_path: Path, name: str) -> None:
    [scenario] = [each for each in SCENARIOS if each.name == name]
    verdict = await play(scenario, RECIPIENTS, tmp_path)
    assert verdict.faults(RECIPIENTS) == [], verdict
