"""The ground: tokens, scopes, problems, health, the door."""

import pytest
from httpx import AsyncClient

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
