"""Bad input to every operation that takes JSON: a 4xx problem that says where, and nothing stored."""

import re
from typing import Any

import pytest
from sqlalchemy import text

from crm_api.core.db import Database

from .calling import Api
from .composed import composed

SOME_ID = "0198c0de-0000-7000-8000-000000000009"
NO_JSON = {
    "nothing": b"",
    "truncated": b'{"name": "x',
    "trailing comma": b'{"name": "x",}',
    "bare word": b"name",
    "NaN": b'{"name": NaN}',
    "Infinity": b'{"name": -Infinity}',
    "latin-1": b'{"name": "caf\xe9"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
}
REFUSED = {
    "an array": (b"[]", ""),
    "a number": (b"1", ""),
    "null": (b"null", ""),
    "an unknown field": (b'{"no_such_field": 1}', "/no_such_field"),
    "a key given twice": (b'{"no_such_field": 1, "no_such_field": 2}', "/no_such_field"),
    "30 digits": (b'{"x": [123456789012345678901234567890]}', "/x/0"),
    "a huge float": (b'{"x": 1e999}', "/x"),
    "NUL": (b'{"x": "a\\u0000b"}', "/x"),
    "a lone surrogate": (b'{"x": {"y": "\\ud800"}}', "/x/y"),
    "deep": (b'{"x": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", ""),
}


def json_operations() -> list[tuple[str, str]]:
    """Method and path of every operation whose body is one JSON document."""
    found = []
    for path, methods in composed().openapi()["paths"].items():
        for method, operation in methods.items():
            kinds = set(operation.get("requestBody", {}).get("content", {}))
            if kinds & {"application/json", "application/merge-patch+json"}:
                found.append(
                    (method.upper(), re.sub(r"\{[a-z_]*id\}", SOME_ID, re.sub(r"\{(?!\w*_id\})\w+\}", "x", path)))
                )
    return found


OPERATIONS = json_operations()


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[f"{method} {path}" for method, path in OPERATIONS])
async def test_no_body_breaks_an_operation(api: Api, database: Database, method: str, path: str) -> None:
    kind = {"Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
    for name, body in NO_JSON.items():
        answer = await api.client.request(method, path, content=body, headers={**api.headers, **kind})
        assert answer.status_code in (400, 422), (name, answer.text)
        assert answer.headers["content-type"] == "application/problem+json", name
    for name, (body, pointer) in REFUSED.items():
        answer = await api.client.request(method, path, content=body, headers={**api.headers, **kind})
        assert answer.status_code == 422, (name, answer.text)
        assert pointer in [error["pointer"] for error in answer.json()["errors"]], (name, answer.text)
        assert not [error for error in answer.json()["errors"] if is_unhelpful(error)], (name, answer.text)
    large = await api.client.request(method, path, content=b" " * 1_100_000 + b"{}", headers={**api.headers, **kind})
    assert large.status_code == 413, large.text
    other = await api.client.request(method, path, content=b"{}", headers={**api.headers, "Content-Type": "text/plain"})
    assert other.status_code == 415, other.text
    assert await audited(database) == 0


def is_unhelpful(error: dict[str, str]) -> bool:
    """Say whether a name is called unknown without a word of those that are known."""
    return error["code"] == "extra-forbidden" and "is not known here; " not in error["detail"]


async def audited(database: Database) -> int:
    """Count what was changed."""
    async with database.session() as session:
        return int(await session.scalar(text("SELECT count(*) FROM audit_entry")) or 0)


def reading_operations() -> list[tuple[str, dict[str, Any]]]:
    """Path and description of every operation that reads."""
    paths = composed().openapi()["paths"]
    return [(path, methods["get"]) for path, methods in paths.items() if path.startswith("/v1/") and "get" in methods]


@pytest.mark.parametrize(("path", "operation"), reading_operations(), ids=[path for path, _ in reading_operations()])
async def test_no_query_breaks_a_reading(api: Api, path: str, operation: dict[str, Any]) -> None:
    filled = re.sub(r"\{[a-z_]*id\}", SOME_ID, re.sub(r"\{(?!\w*_id\})\w+\}", "x", path.replace("{number}", "1")))
    taken = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "query"}
    for query in ("x=%00", "limit=0", "limit=201", "limit=1e3", "cursor=rubbish", "no_such_parameter=1", "limit=%FF"):
        name = query.partition("=")[0]
        if name in ("limit", "cursor") and name not in taken:
            continue
        answer = await api.client.get(f"{filled}?{query}", headers=api.headers)
        assert answer.status_code in (404, 422), (query, answer.text)
        if answer.status_code == 422:
            assert answer.json()["errors"][0]["in"] == "query", (query, answer.text)
            assert not [error for error in answer.json()["errors"] if is_unhelpful(error)], (query, answer.text)
    if "{" in path and "_id}" in path:
        odd = re.sub(r"\{[a-z_]+\}", "not-an-id", path)
        answer = await api.client.get(odd, headers=api.headers)
        assert answer.status_code in (404, 422), answer.text
