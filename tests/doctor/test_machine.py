"""What `crm doctor` finds outside of the database, planted for real."""

import asyncio
import os
import socket
from pathlib import Path

import pytest
from fastapi import FastAPI

from crm_api.cli.diagnosis import Finding, Limits
from crm_api.core.embedded import free_port
from crm_api.core.secret_files import write_secret

from .conftest import SECRET_KEY
from .planting import ailing, check_told

SKIPPED = Finding("mail", "skipped", "", "")


@pytest.mark.parametrize(
    ("name", "value", "state"),
    [
        ("CRM_PORT", "many", "wrong"),
        ("CRM_WORKER_JOBS", "0", "wrong"),
        ("CRM_DATABSE_URL", "postgresql://db/crm", "warning"),
    ],
)
async def test_settings(well: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, state: str) -> None:
    monkeypatch.setenv(name, value)
    found = await ailing()
    assert found.pop("mail", SKIPPED).state == "skipped"
    check_told(found, "settings", state, name)


async def test_a_misspelled_setting_is_guessed(well: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_DATABSE_URL", "x")
    monkeypatch.setenv("CRM_TEST_DATA", "x")
    assert "Is CRM_DATABASE_URL meant?" in (await ailing())["settings"].cure


async def test_redis_is_only_a_hint(well: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("redis://:password@127.0.0.1:1/0", "redis://:password@no-such-host.invalid:6379/0"):
        monkeypatch.setenv("CRM_REDIS_URL", url)
        check_told(await ailing(), "redis", "warning", "no answer", "two seconds later", "CRM_REDIS_URL")
    monkeypatch.delenv("CRM_REDIS_URL")
    check_told(await ailing(), "redis", "warning", "none runs here")


async def test_secrets_that_others_can_read(well: Path) -> None:
    write_secret(well / "secret.key", SECRET_KEY)
    write_secret(well / "clients" / "me.secret", "id\nsecret\nscope")
    assert await ailing() == {}
    for path in (well / "secret.key", well / "clients" / "me.secret"):
        path.chmod(0o640)
        check_told(await ailing(), "secret files", "wrong", path.name, "640", f"chmod 600 {path}")
        path.chmod(0o600)


async def test_a_disk_that_is_full(well: Path) -> None:
    check_told(await ailing(Limits(scarce_disk_bytes=1 << 60)), "disk", "warning", "free", "Make room")
    full = Limits(scarce_disk_bytes=1 << 60, least_disk_bytes=1 << 60)
    check_told(await ailing(full), "disk", "wrong", "free", str(well))


async def test_an_api_that_does_not_answer(well: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_API_URL", f"http://127.0.0.1:{free_port()}")
    check_told(await ailing(), "api", "wrong", "no answer", "crm up", "CRM_API_URL")


async def test_an_api_of_another_version(
    well: Path, service: tuple[FastAPI, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service[0], "version", "0.0.9")
    check_told(await ailing(), "api", "wrong", "0.0.9", "restart")


async def test_a_port_that_somebody_else_took(
    well: Path, monkeypatch: pytest.MonkeyPatch, service: tuple[FastAPI, int]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taker:
        port = taker.getsockname()[1]
        monkeypatch.setenv("CRM_API_URL", f"http://127.0.0.1:{service[1]}")
        monkeypatch.setenv("CRM_PORT", str(port))
        taken = asyncio.create_task(asyncio.to_thread(_hang_up, taker))
        check_told(await ailing(), "port", "wrong", f"process {os.getpid()}", f"CRM_PORT={port + 1}")
        await taken
    monkeypatch.setenv("CRM_API_URL", "https://crm.example.invalid")
    assert (await ailing())["port"].state == "skipped"


def _hang_up(taker: socket.socket) -> None:
    """Take one call, and say nothing."""
    taker.accept()[0].close()
