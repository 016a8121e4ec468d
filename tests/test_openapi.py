"""The OpenAPI document is the contract: committed, valid, and complete for every operation."""

import ast
import json
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from openapi_spec_validator import OpenAPIV31SpecValidator

from crm_api.access import SCOPES
from crm_api.core.openapi import documents

from .composed import composed

FOLDER = Path(__file__).parents[1] / "openapi"
SOURCES = Path(__file__).parents[1] / "src"
WITHOUT_TOKEN = {
    "issue_token",
    "read_keys",
    "describe_authorization_server",
    "describe_protected_resource",
    "check_health",
    "check_readiness",
}
"""Operations that anybody may call."""
UPSERTS = {"upsert_customer", "upsert_product", "put_offer", "put_purpose", "suppress_address"}
"""Operations whose path names what they make when it is not there."""
Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def service() -> FastAPI:
    """The service, composed but not started."""
    return composed()


@pytest.fixture(scope="module")
def document(service: FastAPI) -> dict[str, Any]:
    """The OpenAPI document."""
    return service.openapi()


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_the_committed_files_equal_the_code(service: FastAPI) -> None:
    for name, document in documents(service).items():
        assert json.loads((FOLDER / name).read_text()) == json.loads(json.dumps(document)), (
            f"run `make openapi`: {name}"
        )


def test_the_derived_document_is_valid(service: FastAPI) -> None:
    OpenAPIV31SpecValidator(documents(service)["openapi-3.1.json"]).validate()
    assert service.openapi()["openapi"] == "3.2.0"


def test_every_operation_is_named_summarized_and_described(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    for path, method, operation in operations(document):
        where = f"{method.upper()} {path}"
        assert operation.get("summary"), where
        assert len(operation.get("description", "")) > 20, where
        assert operation.get("tags"), where


def test_every_operation_wants_a_known_scope(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        if operation["operationId"] in WITHOUT_TOKEN:
            assert "security" not in operation, path
            continue
        scopes = [scope for wanted in operation["security"] for scope in wanted["OAuth2"]]
        assert scopes, f"{method.upper()} {path} wants no scope"
        assert set(scopes) <= set(SCOPES), path
        assert any(scope in operation["description"] for scope in scopes), (
            f"{method.upper()} {path}: description names no scope"
        )


def test_every_operation_has_problems_of_the_one_schema(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        where = f"{method.upper()} {path}"
        found = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert found, where
        if operation["operationId"] in WITHOUT_TOKEN:
            continue
        assert {"401", "403", "422", "429", "500", "503"} <= set(found), where
        for status, answer in found.items():
            assert list(answer["content"]) == ["application/problem+json"], (where, status)
            assert answer["content"]["application/problem+json"]["schema"]["$ref"].endswith("/ProblemDocument"), where
        if "{" in path and operation["operationId"] not in UPSERTS:
            assert "404" in found, f"{where} has an id in its path and no 404"


def test_every_body_has_an_example(document: dict[str, Any]) -> None:
    assert [
        f"{method.upper()} {path} {kind}"
        for path, method, operation in operations(document)
        for kind, media in operation.get("requestBody", {}).get("content", {}).items()
        if not _has_example(document, media)
    ] == []


def test_every_answer_has_an_example(document: dict[str, Any]) -> None:
    assert [
        f"{method.upper()} {path} {status} {kind}"
        for path, method, operation in operations(document)
        for status, answer in operation["responses"].items()
        for kind, media in answer.get("content", {}).items()
        if status.startswith("2") and not _has_example(document, media)
    ] == []


def _has_example(document: dict[str, Any], media: dict[str, Any]) -> bool:
    """Say whether a reader sees an example: on the media type, or on the schema it names."""
    if "example" in media or "examples" in media:
        return True
    schema = media.get("schema") or media.get("itemSchema") or {}
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return "examples" in schema or "example" in schema


def test_problem_pages_exist_for_every_documented_code(document: dict[str, Any], service: FastAPI) -> None:
    from crm_api.core.problems import CATALOG

    codes = {
        code
        for _, _, operation in operations(document)
        for answer in operation["responses"].values()
        for code in answer.get("content", {}).get("application/problem+json", {}).get("examples", {})
    }
    assert codes <= set(CATALOG)
    assert all(len(CATALOG[code].explanation()) > 40 for code in CATALOG)


def test_every_type_of_events_has_a_schema(document: dict[str, Any]) -> None:
    """Generated clients tell events apart by `type`, and know what each carries."""
    schemas = document["components"]["schemas"]
    mapping = schemas["EventRead"]["discriminator"]["mapping"]
    assert [{"$ref": ref} for ref in mapping.values()] == schemas["EventRead"]["oneOf"]
    for name, ref in mapping.items():
        described = schemas[ref.rsplit("/", 1)[1]]["properties"]
        assert described["type"]["const"] == name
        assert described["data"]["properties"], name


def test_every_event_that_code_emits_is_of_a_known_type(document: dict[str, Any]) -> None:
    """The names written in calls of `emit`, as far as they stand there."""
    known = document["components"]["schemas"]["EventRead"]["discriminator"]["mapping"]
    names = [name for path in SOURCES.rglob("*.py") for name in _emitted(ast.parse(path.read_text()))]
    assert len(names) > 15
    assert [name for name in names if not any(fnmatch(each, name) for each in known)] == []


def _emitted(module: ast.Module) -> Iterator[str]:
    """The first argument of each call, with a * for what is put into it."""
    for call in ast.walk(module):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "emit":
            match call.args[1]:
                case ast.Constant(value=str(name)):
                    yield name
                case ast.JoinedStr(values=parts):
                    yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in parts)
