"""Secrets and keys are rotated and revoked while tokens are in use: real tokens, the caches of two processes, the real
command.
"""

import asyncio
import json
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from sqlalchemy import event, text
from typer.testing import CliRunner

from crm_api.access.keys import KEPT
from crm_api.access.operations import keep_worker_client, prepare_ground, register_client
from crm_api.access.principal import TRUSTED_SECONDS, Verifier
from crm_api.access.scopes import WORKER_SCOPES
from crm_api.app import create_app
from crm_api.cli.home import Home, KeptClient
from crm_api.cli.main import assembled
from crm_api.cli.spans import LONGEST, span
from crm_api.core import migrations
from crm_api.core.db import Database
from crm_api.core.embedded import ThrowawayPostgres
from crm_api.settings import LONGEST_TOKEN_SECONDS, Settings

from ..calling import Api, problem

SECRET_KEY = "a-key-for-tests-that-is-long-enough-to-be-accepted"
FORM = {"grant_type": "client_credentials", "scope": "jobs:read"}
Crm = Callable[..., Any]


@pytest.fixture(scope="module")
async def own_settings(postgres: ThrowawayPostgres, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a service whose keys may be dropped: other tests' tokens rest on theirs."""
    admin = await asyncpg.connect(postgres.url_of("postgres", "postgres"))
    await admin.execute("CREATE DATABASE rotation OWNER crm")
    await admin.close()
    made = Settings(
        database_url=postgres.url_of("rotation"),  # type: ignore[arg-type]
        secret_key=SECRET_KEY,  # type: ignore[arg-type]
        worker_client_secret="a-secret-of-the-worker",  # type: ignore[arg-type]
        public_url="http://crm.test",
        home=tmp_path_factory.mktemp("home"),
    )
    await asyncio.to_thread(migrations.upgrade, made.sqlalchemy_url)
    return made


@pytest.fixture(scope="module")
async def own_database(own_settings: Settings) -> AsyncIterator[Database]:
    """The database, for planting and looking."""
    async with Database(own_settings) as opened:
        async with opened.session() as session:
            await prepare_ground(session, own_settings)
            await keep_worker_client(session, own_settings, WORKER_SCOPES)
        yield opened


async def _started(settings: Settings) -> AsyncIterator[Api]:
    made = create_app(settings)
    async with (
        made.router.lifespan_context(made),
        AsyncClient(transport=ASGITransport(made), base_url="http://crm.test", timeout=60) as client,
    ):
        yield Api(client)


@pytest.fixture
async def first(own_settings: Settings, own_database: Database) -> AsyncIterator[Api]:
    """One API process."""
    async for api in _started(own_settings):
        yield api


@pytest.fixture
async def second(own_settings: Settings, own_database: Database) -> AsyncIterator[Api]:
    """Another API process on the same database."""
    async for api in _started(own_settings):
        yield api


def hasty(api: Api, seconds: float) -> None:
    """Let a process trust what it knows for less than half a minute, so that a test need not wait for that."""
    app: FastAPI = api.client._transport.app  # type: ignore[attr-defined]
    app.state.verifier = Verifier(app.state.database, app.state.settings, trusted_seconds=seconds)


@pytest.fixture
def crm(own_settings: Settings, tmp_path: Path) -> Crm:
    """The command line, as an operator of the service uses it."""

    program = assembled(["client", "keys", "migrate"])

    def run(*words: str, expect: int = 0, **more: str) -> Any:
        given: dict[str, str | None] = {name: None for name in os.environ if name.startswith("CRM_")}
        given |= {
            "CRM_HOME": str(tmp_path),
            "CRM_DATABASE_URL": str(own_settings.database_url),
            "CRM_SECRET_KEY": SECRET_KEY,
            **more,
        }
        done = CliRunner().invoke(program, [*words, "-o", "json"], env=given)
        assert done.exit_code == expect, done.output
        if expect == 2:
            return done.stderr
        return json.loads((done.stderr if expect else done.stdout).splitlines()[-1])

    return run


@pytest.fixture
async def client(own_database: Database) -> tuple[str, str]:
    """Id and secret of a client."""
    async with own_database.session() as session:
        return await register_client(session, "Shop", ["jobs:read"])


async def asked(api: Api, client_id: str, secret: str) -> Response:
    """Ask for a token."""
    return await api.client.post("/oauth/token", data=FORM, auth=(client_id, secret))


async def audited(database: Database, action: str) -> list[str]:
    """What the audit names for an action."""
    async with database.session() as session:
        return list(
            await session.scalars(
                text("SELECT resource_id FROM audit_entry WHERE action = :action ORDER BY id"), {"action": action}
            )
        )


def test_half_a_minute_is_half_a_minute() -> None:
    assert TRUSTED_SECONDS <= 30
    assert timedelta(seconds=LONGEST_TOKEN_SECONDS + 2 * TRUSTED_SECONDS) < KEPT


async def test_both_secrets_are_good_within_the_grace(
    first: Api, own_database: Database, client: tuple[str, str], crm: Crm
) -> None:
    client_id, old = client
    rotated = await asyncio.to_thread(crm, "client", "rotate", client_id)
    assert (rotated["client_id"], rotated["saved"]) == (client_id, False)
    assert rotated["client_secret"] != old
    for secret in (old, rotated["client_secret"]):
        token = (await asked(first, client_id, secret)).json()["access_token"]
        await first.bearing(token).get("/v1/jobs", expect=200)
    assert (await asked(first, client_id, "wrong")).status_code == 401
    async with own_database.session() as session:
        stored = await session.scalar(text("SELECT client::text FROM client WHERE client_id = :id"), {"id": client_id})
        remains = "SELECT former_secret_until - now() FROM client WHERE client_id = :id"
        grace = await session.scalar(text(remains), {"id": client_id})
        assert timedelta(hours=23, minutes=58) < grace <= timedelta(hours=24)
        await session.execute(
            text("UPDATE client SET former_secret_until = now() WHERE client_id = :id"), {"id": client_id}
        )
    assert old not in stored and rotated["client_secret"] not in stored
    assert (await asked(first, client_id, old)).status_code == 401
    assert (await asked(first, client_id, rotated["client_secret"])).status_code == 200
    assert client_id in await audited(own_database, "client.rotated")


async def test_no_grace_ends_the_old_secret_at_once(first: Api, client: tuple[str, str], crm: Crm) -> None:
    client_id, old = client
    middle = await asyncio.to_thread(crm, "client", "rotate", client_id, "--grace", "1h")
    last = await asyncio.to_thread(crm, "client", "rotate", client_id, "--grace", "30m")
    assert (await asked(first, client_id, old)).status_code == 401, "two rotations end the oldest secret"
    assert (await asked(first, client_id, middle["client_secret"])).status_code == 200
    now = await asyncio.to_thread(crm, "client", "rotate", client_id, "--grace", "0")
    assert now["former_secret_until"] is None
    for secret in (middle["client_secret"], last["client_secret"]):
        assert (await asked(first, client_id, secret)).status_code == 401
    assert (await asked(first, client_id, now["client_secret"])).status_code == 200


async def test_a_revoked_client_is_out_within_the_time_of_trust(
    first: Api, own_database: Database, client: tuple[str, str], crm: Crm
) -> None:
    client_id, old = client
    hasty(first, 1.0)
    new = (await asyncio.to_thread(crm, "client", "rotate", client_id))["client_secret"]
    bearer = first.bearing((await asked(first, client_id, new)).json()["access_token"])
    await bearer.get("/v1/jobs", expect=200)
    revoked = await asyncio.to_thread(crm, "client", "revoke", client_id)
    for secret in (old, new):
        refused = await asked(first, client_id, secret)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    await asyncio.sleep(1.1)
    await bearer.get("/v1/jobs", expect=problem("unauthenticated", 401))
    again = await asyncio.to_thread(crm, "client", "revoke", client_id)
    assert again == revoked, "it stays revoked since the first time"
    assert (await audited(own_database, "client.revoked")).count(client_id) == 1
    failed = await asyncio.to_thread(crm, "client", "rotate", client_id, expect=1)
    assert "revoked" in failed["error"]
    listed = await asyncio.to_thread(crm, "client", "list")
    assert next(each for each in listed if each["client_id"] == client_id)["revoked_at"] == revoked["revoked_at"]


async def test_mistakes_are_told(client: tuple[str, str], crm: Crm) -> None:
    for words in (("rotate", "nobody"), ("revoke", "nobody")):
        failed = await asyncio.to_thread(crm, "client", *words, expect=1)
        assert "No client nobody" in failed["error"]
    for grace in ("tomorrow", "-1h", "1 h", "91d", "1.5h"):
        assert "grace" in await asyncio.to_thread(crm, "client", "rotate", client[0], f"--grace={grace}", expect=2)
    other = await asyncio.to_thread(crm, "keys", "rotate", expect=1, CRM_SECRET_KEY="x" * 40)
    assert "CRM_SECRET_KEY is not the one" in other["error"]


def test_spans_are_read() -> None:
    assert [span(text) for text in ("0", "90s", "30m", "24h")] == [
        timedelta(0),
        timedelta(seconds=90),
        timedelta(minutes=30),
        timedelta(days=1),
    ]
    assert span("90d") == LONGEST


async def test_kept_secrets_are_kept_up(
    first: Api, own_database: Database, client: tuple[str, str], crm: Crm, tmp_path: Path, own_settings: Settings
) -> None:
    home = Home(tmp_path)
    home.keep_client("shop", KeptClient(*client, "jobs:read"))
    rotated = await asyncio.to_thread(crm, "client", "rotate", client[0])
    assert rotated["saved"]
    assert home.kept_client("shop") == KeptClient(client[0], rotated["client_secret"], "jobs:read")
    (tmp_path / "worker.secret").write_text("a-secret-of-the-worker\n")
    worker = await asyncio.to_thread(crm, "client", "rotate", "worker")
    assert (tmp_path / "worker.secret").read_text().strip() == worker["client_secret"]
    async with own_database.session() as session:
        await keep_worker_client(session, own_settings, WORKER_SCOPES)  # a migration, with the settings of before
    for secret in ("a-secret-of-the-worker", worker["client_secret"]):
        assert (await asked(first, "worker", secret)).status_code == 200
    async with own_database.session() as session:
        await session.execute(text("UPDATE client SET former_secret_until = now() WHERE client_id = 'worker'"))
    async with own_database.session() as session:
        await keep_worker_client(session, own_settings, WORKER_SCOPES)
    assert (await asked(first, "worker", "a-secret-of-the-worker")).status_code == 200


async def kids(api: Api) -> set[str]:
    """The public keys a process tells."""
    return {key["kid"] for key in (await api.get("/oauth/jwks"))["keys"]}


async def test_a_new_key_signs_and_the_old_one_verifies_while_its_tokens_live(
    first: Api, second: Api, own_database: Database, client: tuple[str, str], crm: Crm
) -> None:
    old_token = (await asked(first, *client)).json()["access_token"]
    await second.bearing(old_token).get("/v1/jobs", expect=200)
    [old_kid] = await kids(second)
    new_kid = (await asyncio.to_thread(crm, "keys", "rotate"))["kid"]
    hasty(first, 30)  # as if started anew: it reads the keys now
    new_token = (await asked(first, *client)).json()["access_token"]
    await second.bearing(new_token).get("/v1/jobs", expect=200)
    for api in (first, second):
        assert await kids(api) == {old_kid, new_kid}
        await api.bearing(old_token).get("/v1/jobs", expect=200)
    listed = await asyncio.to_thread(crm, "keys", "list")
    assert [(key["kid"], key["retired_at"] is None, key["readable"]) for key in listed] == [
        (new_kid, True, True),
        (old_kid, False, True),
    ]
    assert new_kid in await audited(own_database, "key.rotated")

    served = text("UPDATE signing_key SET retired_at = retired_at - CAST(:kept AS interval) WHERE kid = :kid")
    async with own_database.session() as session:
        await session.execute(served, {"kept": KEPT, "kid": old_kid})
    hasty(second, 30)
    assert await kids(second) == {new_kid}, "what has served verifies no more, even before it is dropped"
    await second.bearing(old_token).get("/v1/jobs", expect=problem("unauthenticated", 401))
    last_kid = (await asyncio.to_thread(crm, "keys", "rotate"))["kid"]
    assert [key["kid"] for key in await asyncio.to_thread(crm, "keys", "list")] == [last_kid, new_kid]
    async with own_database.session() as session:
        await session.execute(served, {"kept": KEPT, "kid": new_kid})
    await asyncio.to_thread(crm, "migrate", CRM_WORKER_CLIENT_SECRET="a-secret-of-the-worker")
    assert [key["kid"] for key in await asyncio.to_thread(crm, "keys", "list")] == [last_kid]


async def test_a_process_follows_within_the_time_of_trust(first: Api, client: tuple[str, str], crm: Crm) -> None:
    hasty(first, 1.0)
    await asked(first, *client)
    new_kid = (await asyncio.to_thread(crm, "keys", "rotate"))["kid"]
    await asyncio.sleep(1.1)
    token = (await asked(first, *client)).json()["access_token"]
    await first.bearing(token).get("/v1/jobs", expect=200)
    assert new_kid in await kids(first)


async def test_a_leaked_key_is_gone_at_once(first: Api, client: tuple[str, str], crm: Crm) -> None:
    hasty(first, 3.0)
    token = (await asked(first, *client)).json()["access_token"]
    await asyncio.sleep(2.0)
    await first.bearing(token).get("/v1/jobs", expect=200)
    trusted_until = time.monotonic() + 3.0
    kid = (await asyncio.to_thread(crm, "keys", "rotate", "--at-once"))["kid"]
    while (await kids(first)) != {kid}:
        await asyncio.sleep(0.05)
    assert time.monotonic() < trusted_until, "the machine was too slow to see the difference"
    await first.bearing(token).get("/v1/jobs", expect=problem("unauthenticated", 401))
    again = (await asked(first, *client)).json()["access_token"]
    await first.bearing(again).get("/v1/jobs", expect=200)


async def test_a_lost_secret_key_is_replaced(
    first: Api, own_settings: Settings, client: tuple[str, str], crm: Crm
) -> None:
    hasty(first, 1.0)
    old_token = (await asked(first, *client)).json()["access_token"]
    other = "another-key-that-is-long-enough-to-be-accepted"
    kid = (await asyncio.to_thread(crm, "keys", "rotate", "--secret-lost", CRM_SECRET_KEY=other))["kid"]
    changed = own_settings.model_copy(update={"secret_key": Settings(secret_key=other).secret_key})  # type: ignore[arg-type]
    async for api in _started(changed):
        await api.bearing(old_token).get("/v1/jobs", expect=200)
        new_token = (await asked(api, *client)).json()["access_token"]
        assert kid in await kids(api)
    await asyncio.sleep(1.1)
    await first.bearing(old_token).get("/v1/jobs", expect=200)
    assert (await asked(first, *client)).status_code == 200, (
        "a process with the old secret goes on until it is restarted"
    )
    assert new_token
    await asyncio.to_thread(crm, "keys", "rotate", "--secret-lost")


async def test_a_flood_of_forged_tokens_reads_the_keys_a_few_times_only(first: Api, client: tuple[str, str]) -> None:
    token = (await asked(first, *client)).json()["access_token"]
    app: FastAPI = first.client._transport.app  # type: ignore[attr-defined]
    read = []

    @event.listens_for(app.state.database.engine.sync_engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "signing_key" in statement:
            read.append(statement)

    head = urlsafe_b64encode(b'{"typ":"at+jwt","alg":"ES256","kid":"nobody"}').decode().rstrip("=")
    answers = await first.bearing(f"{head}.{token.partition('.')[2]}").race(200, "GET", "/v1/jobs")
    assert {answer.status_code for answer in answers} == {401}
    assert 1 <= len(read) <= 3
    for rubbish in ("W10.e30.x", "bnVsbA.e30.x", "é.e30.x", "..", "e30"):
        answer = await first.client.get("/v1/jobs", headers={"Authorization": f"Bearer {rubbish}".encode()})
        assert answer.status_code == 401, rubbish
    assert len(read) <= 3
    await first.bearing(token).get("/v1/jobs", expect=200)
