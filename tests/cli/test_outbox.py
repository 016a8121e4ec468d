"""`crm outbox`: what the File gateway wrote, as people and programs see it."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from crm_api.cli.main import assembled
from crm_api.outreach.rendering import Rendered
from workers.gateways import FileGateway
from workers.gateways.mime import Envelope, compose

Ran = Callable[..., Result]


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Run `crm outbox …` on a folder of its own."""
    monkeypatch.setenv("CRM_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: CliRunner().invoke(assembled(["outbox"]), ["outbox", *words])


async def written(home: Path, name: str, subject: str = "Grüße", text: str = "Hällo\n", html: str | None = None) -> str:
    """Hand a message to the File gateway."""
    envelope = Envelope(f"{name}@crm.example", ("Shop", "shop@example.com"), ("Ann", "ann@example.org"))
    message = compose(envelope, Rendered(subject, text, html))
    await FileGateway(home / "outbox").hand_over(message, "shop@example.com", "ann@example.org", time.monotonic() + 5)
    return f"{name}@crm.example"


async def test_messages_are_listed_the_newest_first(ran: Ran, tmp_path: Path) -> None:
    assert json.loads(ran("list", "-o", "json").stdout) == {"count": 0, "messages": []}
    assert "There are no messages" in ran("list").stdout
    for number, name in enumerate(("m1", "m2", "m3")):
        full = await written(tmp_path, name)
        os.utime(tmp_path / "outbox" / f"{full}.eml", (number, number))
    (tmp_path / "outbox" / ".draft.eml").write_text("half")
    found: dict[str, Any] = json.loads(ran("list", "--limit", "2", "-o", "json").stdout)
    assert found["count"] == 3
    told = {"to": "Ann <ann@example.org>", "subject": "Grüße", "written_at": "1970-01-01T00:00:02Z"}
    assert found["messages"][0] == {"name": "m3@crm.example", **told}
    assert [each["name"] for each in found["messages"]] == ["m3@crm.example", "m2@crm.example"]
    assert "Ann <ann@example.org>" in ran("list").stdout


async def test_one_message_is_shown(ran: Ran, tmp_path: Path) -> None:
    await written(tmp_path, "m1", html="<p>Hällo</p>\n")
    for words in (("m1@crm.example",), ("m1",), ()):
        shown = json.loads(ran("show", *words, "-o", "json").stdout)
        assert (shown["name"], shown["headers"]["Subject"]) == ("m1@crm.example", "Grüße")
        assert (shown["text"], shown["html"]) == ("Hällo\n", "<p>Hällo</p>\n")
        assert Path(shown["path"]).exists()
    text, html = ran("show", "m1").stdout, ran("show", "m1", "--html").stdout
    assert "To: Ann <ann@example.org>\nSubject: Grüße\n" in text
    assert text.endswith("\n\nHällo\n\n")
    assert "<p>Hällo</p>" in html


async def test_what_there_is_not_or_twice_is_told(ran: Ran, tmp_path: Path) -> None:
    assert ran("show").exit_code == 1
    await written(tmp_path, "m1")
    await written(tmp_path, "m12")
    assert json.loads(ran("show", "m1@crm.example", "-o", "json").stdout)["name"] == "m1@crm.example"
    for name, told in (("m1", "2 messages begin with"), ("x", "no such message")):
        failed = ran("show", name)
        assert failed.exit_code == 1
        assert told in failed.stderr
        assert "outbox list" in failed.stderr


async def test_a_message_does_not_command_the_terminal(ran: Ran, tmp_path: Path) -> None:
    await written(tmp_path, "m1", text="\x1b[2Jgone\n")
    assert "\x1b" not in ran("show").stdout
