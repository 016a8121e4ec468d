"""The ground: tokens, scopes, problems, health, the door."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey
from sqlalchemy import update

from crm_api.access.keys import KeyRing
from crm_api.access.models import Client
from crm_api.access.operations import register_client
from crm_api.app import create_app
from crm_api.core.db import Database
from crm_api.core.limits import RateLimit
from crm_api.core.problems import CATALOG
from crm_api.settings import Settings, SettingsWrong, read_settings

from .calling import Api, problem


async def test_a_token_is_needed(anonymous: Api) -> None:
    answer = await anonymous.send("GET", "/healthz", expect=200)
    assert answer.headers["x-request-id"].startswith("req_")


async def test_an_unknown_path_is_a_problem(anonymous: Api) -> None:
    body = await anonymous.get("/v1/nothing", expect=problem("not-found", 404))
    page = await anonymous.client.get(body["type"])
    assert page.status_code == 200
    assert "not-found" in page.text


async def test_wrong_secret_gets_no_token(anonymous: Api, credentials: tuple[str, str]) -> None:
    answer = await anonymous.client.post(
        "/oauth/token",
        data={"grant_type": "client_credentials", "scope": "customers:read"},
        auth=(credentials[0], "wrong"),
    )
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"


@pytest.mark.parametrize("scope", ["customers:read", ""])
async def test_tokens_hold_what_was_asked_for(anonymous: Api, credentials: tuple[str, str], scope: str) -> None:
    form = {"grant_type": "client_credentials", "scope": scope}
    answer = await anonymous.client.post("/oauth/token", data=form, auth=credentials)
    assert answer.status_code == 200
    assert answer.json()["scope"] == scope


async def test_a_scope_not_granted_is_refused(anonymous: Api, credentials: tuple[str, str]) -> None:
    form = {"grant_type": "client_credentials", "scope": "everything:write"}
    answer = await anonymous.client.post("/oauth/token", data=form, auth=credentials)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_scope"


async def test_docs_ask_no_other_server(anonymous: Api) -> None:
    page = await anonymous.send("GET", "/docs", expect=200)
    assert "http://" not in page.text
    assert "https://" not in page.text
    client: AsyncClient = anonymous.client
    assert (await client.get("/docs/assets/swagger-ui-bundle.js")).status_code == 200


async def test_the_token_is_checked_thoroughly(anonymous: Api, app: FastAPI) -> None:
    """Rubbish, another issuer's key, an expired one, one for another audience, an ID-token type: none is let in."""
    ours: KeyRing = await app.state.verifier.ring()
    issuer, now = app.state.settings.issuer, int(time.time())
    good = {
        "iss": issuer,
        "aud": "crm-api",
        "client_id": "tests",
        "sub": "tests",
        "scope": "jobs:read",
        "exp": now + 60,
    }
    foreign = ECKey.generate_key("P-256")
    tokens = [
        "rubbish",
        "a.b.c",
        jwt.encode({"alg": "ES256", "typ": "at+jwt"}, good, foreign),
        ours.sign({**good, "exp": now - 1}),
        ours.sign({**good, "iss": "http://elsewhere.test"}),
        ours.sign({**good, "aud": "another-api"}),
        ours.sign({**good, "client_id": "nobody"}),
        jwt.encode({"alg": "ES256", "typ": "JWT"}, good, ours._signing),
        jwt.encode({"alg": "HS256", "typ": "at+jwt"}, good, OctKey.import_key("secret" * 8), algorithms=["HS256"]),
    ]
    for token in tokens:
        answer = await anonymous.bearing(token).send("GET", "/v1/jobs", expect=problem("unauthenticated", 401))
        assert answer.headers["www-authenticate"].startswith("Bearer "), token
    await anonymous.bearing(ours.sign(good)).get("/v1/jobs", expect=200)
    await anonymous.get("/v1/jobs", expect=problem("unauthenticated", 401))
    await anonymous.get("/v1/jobs", headers={"Authorization": "Basic eDp5"}, expect=problem("unauthenticated", 401))


async def test_a_missing_scope_is_named(anonymous: Api, credentials: tuple[str, str]) -> None:
    token = await anonymous.token(*credentials, "customers:read")
    answer = await anonymous.bearing(token).send("GET", "/v1/jobs", expect=problem("insufficient-scope", 403))
    assert answer.json()["missing"] == ["jobs:read"]
    assert 'scope="jobs:read"' in answer.headers["www-authenticate"]
    nothing = await anonymous.token(*credentials, "")
    await anonymous.bearing(nothing).get("/v1/customers", expect=problem("insufficient-scope", 403))


async def test_a_revoked_client_is_shut_out(anonymous: Api, database: Database, app: FastAPI) -> None:
    async with database.session() as session:
        made = await register_client(session, "Short", ["jobs:read"])
    token = await anonymous.token(*made, "jobs:read")
    async with database.session() as session:
        await session.execute(update(Client).where(Client.client_id == made[0]).values(revoked_at=datetime.now(UTC)))
    await anonymous.bearing(token).get("/v1/jobs", expect=problem("unauthenticated", 401))
    form = {"grant_type": "client_credentials", "scope": "jobs:read"}
    assert (await anonymous.client.post("/oauth/token", data=form, auth=made)).status_code == 401


async def test_the_metadata_leads_to_a_token(anonymous: Api, credentials: tuple[str, str], app: FastAPI) -> None:
    metadata = await anonymous.get("/.well-known/oauth-authorization-server")
    resource = await anonymous.get("/.well-known/oauth-protected-resource")
    assert resource["authorization_servers"] == [metadata["issuer"]]
    form = {"grant_type": "client_credentials", "scope": "jobs:read"}
    answer = await anonymous.client.post(urlsplit(metadata["token_endpoint"]).path, data=form, auth=credentials)
    keys = KeySet.import_key_set(await anonymous.get(urlsplit(metadata["jwks_uri"]).path))
    claims = jwt.decode(answer.json()["access_token"], keys, algorithms=["ES256"]).claims
    assert (claims["iss"], claims["scope"], claims["sub"]) == (metadata["issuer"], "jobs:read", credentials[0])
    assert "d" not in (await anonymous.get("/oauth/jwks"))["keys"][0]


@pytest.mark.parametrize("hosts", [[], [b"a.test", b"b.test"], [b" "]])
async def test_one_host_is_wanted(app: FastAPI, clean: None, hosts: list[bytes]) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": "/healthz", "raw_path": b"/healthz", "query_string": b"",
        "root_path": "",
        "headers": [(b"host", host) for host in hosts], "scheme": "http", "http_version": "1.1", "state": {},
    }  # fmt: skip
    await app(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 400
    assert json.loads(sent[1]["body"])["code"] == "bad-host"


async def test_the_request_id_goes_in_and_out(anonymous: Api) -> None:
    answer = await anonymous.send("GET", "/v1/nothing", headers={"X-Request-Id": "call-7"}, expect=404)
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "call-7"
    odd = await anonymous.send("GET", "/v1/nothing", headers={"X-Request-Id": "a b<c>"}, expect=404)
    assert odd.headers["x-request-id"].startswith("req_")


@pytest.fixture
def scarce(app: FastAPI) -> Iterator[None]:
    """Two readings a minute; set by hand, since monkeypatch would remove the limit in the end."""
    usual = app.state.rate_limit
    app.state.rate_limit = RateLimit(2, 1)
    yield
    app.state.rate_limit = usual


async def test_the_rate_limit_tells_what_is_left(api: Api, scarce: None) -> None:
    first = await api.send("GET", "/v1/jobs", expect=200)
    assert first.headers["ratelimit-policy"] == '"read";q=2;w=60'
    assert first.headers["ratelimit"].startswith('"read";r=1;')
    await api.get("/v1/jobs", expect=200)
    last = await api.send("GET", "/v1/jobs", expect=problem("too-many-requests", 429))
    assert int(last.headers["retry-after"]) >= 1


async def test_only_allowed_origins_may_call_from_a_browser(settings: Settings) -> None:
    made = create_app(settings.model_copy(update={"cors_origins": ("https://shop.test",)}))
    async with (
        made.router.lifespan_context(made),
        AsyncClient(transport=ASGITransport(made), base_url="http://crm.test") as client,
    ):
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        allowed = await client.options("/v1/jobs", headers={"Origin": "https://shop.test", **asked})
        assert allowed.headers["access-control-allow-origin"] == "https://shop.test"
        refused = await client.options("/v1/jobs", headers={"Origin": "https://evil.test", **asked})
        assert "access-control-allow-origin" not in refused.headers


async def test_every_problem_has_a_page(anonymous: Api) -> None:
    for code, kind in CATALOG.items():
        page = await anonymous.client.get(kind().document()["type"])
        assert page.status_code == 200, code
        assert code in page.text


def test_a_wrong_setting_is_named_and_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_TIME_ZONE", "Mars/Olympus")
    monkeypatch.setenv("CRM_PORT", "many")
    with pytest.raises(SettingsWrong) as wrong:
        read_settings()
    assert "CRM_TIME_ZONE" in str(wrong.value)
    assert "CRM_PORT" in str(wrong.value)
    monkeypatch.undo()
    with pytest.raises(SettingsWrong, match="CRM_SECRET_KEY"):
        create_app(Settings(database_url="postgresql://nobody@127.0.0.1/none"))  # type: ignore[arg-type]
