"""Whatever is sent about customers ends as a 4xx that says where, and nothing is stored."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from crm_api.core.db import Database

from ..calling import Api, problem

JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
async def nothing_is_stored(api: Api, database: Database) -> AsyncIterator[None]:
    """No test here may leave a customer, a key or an event."""
    yield
    async with database.session() as session:
        for table in ("customer", "contact_point_key", "external_id_key", "audit_entry", "outbox_event"):
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0, table


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        (b"{", "invalid-json", 400),
        (b'{"display_name": "x"', "invalid-json", 400),
        (b'{"custom_fields": {"a": NaN}}', "invalid-json", 400),
        (b'{"custom_fields": {"a": -Infinity}}', "invalid-json", 400),
        ('{"display_name": "ü"}'.encode("latin-1"), "invalid-json", 400),
        (b"\xef\xbb\xbf{}", "invalid-json", 400),
        (b"[" * 10_000, "invalid-request", 422),
        (b'{"display_name": "' + b"x" * 2_000_000 + b'"}', "body-too-large", 413),
    ],
)
async def test_bodies_that_are_no_json(api: Api, body: bytes, code: str, status: int) -> None:
    await api.post("/v1/customers", content=body, headers=JSON, expect=problem(code, status))
    await api.put("/v1/customers/by/shop/1", content=body, headers=JSON, expect=problem(code, status))


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"null", ""),
        (b"[]", ""),
        (b'"x"', ""),
        (b'{"colour": 1}', "/colour"),
        (b'{"display_name": 1}', "/display_name"),
        (b'{"display_name": "a", "display_name": "b"}', "/display_name"),
        (b'{"display_name": "\\u0000"}', "/display_name"),
        (b'{"display_name": "\\ud800"}', "/display_name"),
        (b'{"display_name": "\\n"}', "/display_name"),
        (b'{"custom_fields": {"a": 123456789012345678901234567890}}', "/custom_fields/a"),
        (b'{"custom_fields": {"a": 1e999}}', "/custom_fields/a"),
        (b'{"custom_fields": {"a": [1]}}', "/custom_fields/a"),
        (b'{"custom_fields": {"a\\u0000": 1}}', "/custom_fields"),
        (b"", ""),
        (b'{"kind": "robot"}', "/kind"),
        (b'{"kind": null}', "/kind"),
        (b'{"birth_date": "0000-01-01"}', "/birth_date"),
        (b'{"birth_date": "1990-13-01"}', "/birth_date"),
        (b'{"birth_date": 631152000}', "/birth_date"),
        (b'{"birth_date": "1990-04-01T00:00:00Z"}', "/birth_date"),
        (b'{"tags": "vip"}', "/tags"),
        (b'{"tags": ["a", null]}', "/tags/1"),
        (
            b'{"contact_points": [{"kind": "email", "value": "a@b.co", "is_primary": "true"}]}',
            "/contact_points/0/is_primary",
        ),
        (b'{"contact_points": [{"kind": "email"}]}', "/contact_points/0/value"),
        (b'{"contact_points": [{"kind": "phone", "value": "\\u0661"}]}', "/contact_points/0/value"),
        (b'{"external_ids": [{"system": "a/b", "external_id": "1"}]}', "/external_ids/0/system"),
        (b'{"addresses": [{"lines": "x"}]}', "/addresses/0/lines"),
        (b'{"addresses": [{"country": "de"}]}', "/addresses/0/country"),
        (b'{"language": "x"}', "/language"),
        (b'{"time_zone": "../etc"}', "/time_zone"),
        (b"{}", "/display_name"),
    ],
)
async def test_documents_that_do_not_fit(api: Api, body: bytes, pointer: str) -> None:
    refused = await api.post("/v1/customers", content=body, headers=JSON, expect=problem("invalid-request", 422))
    assert pointer in [error["pointer"] for error in refused["errors"]]


async def test_lists_that_are_too_long(api: Api) -> None:
    points = [{"kind": "email", "value": f"a{number}@example.com"} for number in range(51)]
    for name, value in (("contact_points", points), ("tags", ["x"] * 101), ("addresses", [{}] * 21)):
        refused = await api.post("/v1/customers", {name: value}, expect=problem("invalid-request", 422))
        assert [error["pointer"] for error in refused["errors"]] == [f"/{name}"]


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/xml", "application/merge-patch+json"])
async def test_other_content_types(api: Api, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    refusal = problem("unsupported-media-type", 415)
    await api.post("/v1/customers", content=b"{}", headers=headers, expect=refusal)
    await api.post("/v1/customers/batch", content=b"{}", headers=headers, expect=refusal)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/customers/1", 404),
        ("/v1/customers/%00", 404),
        ("/v1/customers/by/Shop/1", 422),
        (f"/v1/customers/by/shop/{'1' * 201}", 422),
        ("/v1/customers/by/shop/%0a", 422),
        ("/v1/customers/by/shop", 404),
        ("/v1/customers/by/shop/%ff", 404),
        ("/v1/customers?tag=%00", 422),
        ("/v1/customers?tag=%ff", 200),
        ("/v1/customers?kind=person&kind=person", 422),
        ("/v1/customers?limit=1e1", 422),
        ("/v1/customers?limit=99999999999999999999", 422),
        ("/v1/customers?created_from=0001-01-01T00:00:00%2B23:59", 422),
        ("/v1/customers?created_until=9999-12-31T23:59:59-23:59", 422),
        ("/v1/customers?created_from=1700000000", 422),
        ("/v1/customers?cursor=", 422),
        (f"/v1/customers?cursor={'A' * 2001}", 422),
    ],
)
async def test_paths_and_queries(api: Api, path: str, status: int) -> None:
    answer = await api.send("GET", path, expect=status)
    assert answer.headers["content-type"] == "application/problem+json" or status == 200


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/v1/customers", "customers:read"),
        ("GET", "/v1/customers", "customers:write"),
        ("POST", "/v1/customers/search", "customers:write"),
        ("POST", "/v1/customers/batch", "customers:read"),
        ("PUT", "/v1/customers/by/shop/1", "customers:read"),
        ("POST", "/v1/fields", "fields:read"),
        ("GET", "/v1/fields", "customers:read"),
    ],
)
async def test_each_operation_wants_its_scope(
    anonymous: Api, credentials: tuple[str, str], method: str, path: str, scope: str
) -> None:
    body: Any = {} if method in ("POST", "PUT") else None
    await anonymous.send(method, path, body, expect=problem("unauthenticated", 401))
    poor = anonymous.bearing(await anonymous.token(*credentials, scope))
    await poor.send(method, path, body, expect=problem("insufficient-scope", 403))
