"""The README takes a newcomer to the first decided offer, the guides further: their commands are run as printed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.xdist_group("live")


GUIDES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
PROMISES = {
    "customers.md": (
        '"result":"created"',
        '"changed":["contact_points","tags"]',
        '"custom_fields":{"shoe_size":42.5}',
        '"summary":{"received":3,"created":1,"updated":1,"repeated":0,"rejected":1}',
        '"summary":{"received":1,"created":1,"updated":0,"repeated":0,"rejected":0}',
        "id,kind,display_name,given_name",
        '"dry_run": true, "selected": ',
        '"dry_run": false, "selected": ',
        '"withheld":[]',
        '"customer":null,"consents":null,"scores":null,"segments":null,"last_touches":{"as_of":',
    ),
    "advertising.md": (
        '"addition_count":1,"removal_count":0',
        "change,identifier,sha256\naddition,email,391c15ea",
        '"status":"acknowledged"',
        '"addition_count":0,"removal_count":1',
        '{"change":"removal","identifier":"email","sha256":"391c15ea',
    ),
    "consents.md": (
        '"is_current":true,"result":"created"',
        '"result":"repeated"',
        "did you mean newsletter?",
        '"summary":{"received":3,"created":2,"repeated":0,"rejected":1}',
        '"channel":"phone","purpose":"service"',
        "id,customer_id,channel,purpose,state,occurred_at",
        '"display_name":"Dora Example"',  # the older withdrawal of the import does not count
        '"address":"dora@example.com"',
    ),
    "analytics-rfm.md": ('"model":"rfm","as_of":"2026-04-01","against_as_of":"2026-03-01"',),
    "touchpoints.md": (
        '"summary":{"received":3,"created":1,"repeated":0,"rejected":2}',
        '"summary":{"received":3,"created":0,"repeated":1,"rejected":2}',
        "customer_id,kind,occurred_at,amount,currency",
        '"paid_amount":"3.99"',
    ),
    "segments.md": (
        '"counted_how":"exact"',
        '"definition_text":"sum(amount of order.placed, last 365 days) >= 500.00 EUR"',
        '"definition_text":"count(order.placed) >= 2 and never(order.placed, last 90 days)"',
        '"kind":"segment.entered"',
    ),
    "events.md": (
        '"position":1,"type":"',
        '"next_after":2,"has_more":true',
        "retry: 2000\n\nid: 0\n\nid: 1\ndata: {",
        "segment.defined",
    ),
}
"""What the commands of a guide print, and what its prose says of them; more than that they succeed."""


def blocks(page: str) -> list[str]:
    """A page's shell blocks, in order."""
    return re.findall(r"^```sh\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def run(commands: list[str], environment: dict[str, str]) -> str:
    """Type the commands into one terminal, and answer what was printed."""
    script = "set -euo pipefail\n" + "\necho; echo ----\n".join(commands)
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def parsed(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects that stand in a text, in order."""
    decoder, place = json.JSONDecoder(), 0
    while (start := text.find("{", place)) >= 0:
        try:
            found, place = decoder.raw_decode(text, start)
        except json.JSONDecodeError:
            place = start + 1
        else:
            yield found


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A newcomer's terminal, with `make run` in another one: `crm up` is what it runs once everything is installed."""
    given = {key: value for key, value in os.environ.items() if not key.startswith("CRM_")}
    given |= {
        "CRM_HOME": str(tmp_path_factory.mktemp("home")),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    crm = [sys.executable, "-m", "crm_api.cli"]
    subprocess.run([*crm, "up", "--detach"], cwd=ROOT, env=given, check=True, timeout=120)
    yield given
    subprocess.run([*crm, "down"], cwd=ROOT, env=given, check=True, timeout=60)


@pytest.fixture(scope="module")
def printed(environment: dict[str, str]) -> str:
    """What the README's commands printed."""
    return run(blocks("README.md"), environment)


def test_every_command_works_and_ends_with_a_decided_offer(printed: str) -> None:
    *_, last = parsed(printed)
    assert [chosen["code"] for chosen in last["chosen"]] == ["lights"]


@pytest.mark.usefixtures("printed")
@pytest.mark.parametrize("guide", GUIDES)
def test_every_command_of_a_guide_works(environment: dict[str, str], guide: str) -> None:
    """The guides begin where the README ends, in a new terminal: its first block says address and token again."""
    told = run([blocks("README.md")[0], *blocks(f"docs/{guide}")], environment)
    for promise in PROMISES.get(guide, ()):
        assert promise in told


def test_what_is_promised_is_of_guides_that_exist() -> None:
    assert set(PROMISES) <= set(GUIDES)


def test_the_readme_names_the_commands_of_the_makefile() -> None:
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:^|`)make ([a-z]+)", readme, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_the_readme_links_to_pages_that_exist() -> None:
    for path in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / path).exists(), path
