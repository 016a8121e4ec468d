"""`crm events` shows what the feed has."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crm_api.cli.home import Home, KeptClient
from crm_api.client.customers import register_customer

from ..live import Service

pytestmark = pytest.mark.xdist_group("live")


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A service with a saved client."""
    async with Service(tmp_path_factory.mktemp("service")) as started:
        Home(started.folder).keep_client("me", KeptClient(*started.credentials, "events:read"))
        yield started


def _crm(service: Service, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "crm_api.cli", "events", *words]
    given = {"CRM_HOME": str(service.folder), "CRM_API_URL": service.base_url, "PYTHONPATH": ":".join(sys.path)}
    return subprocess.Popen(command, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def test_events_are_shown_and_followed(service: Service) -> None:
    with _crm(service, "--follow", "--type", "customer.*", "-o", "json") as following:
        async with service.client() as api:
            made = await register_customer(api, {"kind": "person", "given_name": "Ann"})
        assert following.stdout is not None
        told = json.loads(following.stdout.readline())
        following.kill()
    assert (told["type"], told["customer_id"]) == ("customer.registered", str(made.id))
    shown, _ = _crm(service, "--limit", "1").communicate(timeout=30)
    assert shown.split()[0] == "1"
    assert "customer.registered" in shown


def test_mistakes_are_explained(service: Service, tmp_path: Path) -> None:
    for words, told in ((["--after", "soon"], "no position"), (["--type", "customer.chnged"], "customer.changed")):
        failed = _crm(service, *words)
        _, error = failed.communicate(timeout=30)
        assert failed.returncode == 1
        assert told in error
