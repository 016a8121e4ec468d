"""The gateways for those who look first: files in a folder, and the console."""

import asyncio
import io
import re
from pathlib import Path

import pytest

from workers.gateways import ConsoleGateway, FileGateway

from .conftest import SENDER, mail, soon

ANN = "ann@example.org"


async def test_a_message_becomes_a_file_and_can_be_looked_up(tmp_path: Path) -> None:
    gateway = FileGateway(tmp_path / "outbox")
    message_id, message = mail()
    assert not await gateway.look_up(message_id)
    outcome = await gateway.hand_over(message, SENDER, ANN, soon())
    path = tmp_path / "outbox" / f"{message_id}.eml"
    assert (outcome.result, outcome.text) == ("sent", str(path))
    assert path.read_bytes() == message
    assert path.stat().st_mode & 0o077 == 0, "messages are for their owner's eyes"
    assert await gateway.look_up(message_id)
    assert await gateway.look_up(f"<{message_id}>")
    assert gateway.can_look_up
    await gateway.close()


async def test_a_message_is_written_once(tmp_path: Path) -> None:
    gateway = FileGateway(tmp_path)
    _, message = mail()
    found = await asyncio.gather(*(gateway.hand_over(message, SENDER, ANN, soon()) for _ in range(10)))
    assert [outcome.result for outcome in found] == ["sent"] * 10
    assert sum(outcome.text == "it was there already" for outcome in found) == 9
    assert len(list(tmp_path.iterdir())) == 1, "no drafts are left"


async def test_a_folder_that_cannot_be_written_defers(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("in the way")
    _, message = mail()
    outcome = await FileGateway(tmp_path / "outbox").hand_over(message, SENDER, ANN, soon())
    assert outcome.result == "deferred"


@pytest.mark.parametrize("name", ["../a@b.example", "a/b@c.example", "", ".hidden", "a\x00b"])
async def test_an_id_never_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a file"):
        await FileGateway(tmp_path).look_up(name)


async def test_the_console_shows_headers_and_text() -> None:
    out = io.StringIO()
    gateway = ConsoleGateway(out)
    message_id, message = mail("Hällo\n")
    assert (await gateway.hand_over(message, SENDER, ANN, soon())).result == "sent"
    shown = ["", "From: Shop <shop@example.com>", "To: Ann <ann@example.org>", "Subject: Hi"]
    assert out.getvalue().splitlines() == [*shown, f"Message-ID: <{message_id}>", "", "Hällo"]
    assert not await gateway.look_up(message_id)
    assert not gateway.can_look_up
    await gateway.close()


def test_its_name_is_the_folders(tmp_path: Path) -> None:
    """Another worker with the same folder can be asked, one with another folder cannot."""
    one = FileGateway(tmp_path / "one")
    assert FileGateway(tmp_path / "one").name == one.name
    assert FileGateway(tmp_path / "two").name != one.name
    assert re.fullmatch(r"file-[0-9a-f]{8}", one.name)
