"""The OpenAPI document: 3.2 as served, 3.1 derived for older generators, problems declared in one place."""

import copy
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from .problems import (
    CATALOG,
    MEDIA_TYPE,
    BodyTooLarge,
    InsufficientScope,
    InternalError,
    InvalidJson,
    InvalidRequest,
    NotAvailable,
    Problem,
    ProblemDocument,
    TooManyRequests,
    Unauthenticated,
    UnsupportedMediaType,
    problems,
)

_SECURED: tuple[type[Problem], ...] = (
    Unauthenticated,
    InsufficientScope,
    InvalidRequest,
    TooManyRequests,
    NotAvailable,
    InternalError,
)
_WITH_BODY: tuple[type[Problem], ...] = (InvalidJson, BodyTooLarge, UnsupportedMediaType)
_REF = "#/components/schemas/"
_EXAMPLE_REF = "#/components/examples/"


def install_document(app: FastAPI, *additions: Callable[[dict[str, Any]], None]) -> None:
    """Make `app.openapi()` answer our document; `additions` put into it what no route says."""
    derive = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = _finished(derive())
            for add in additions:
                add(made)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def documents(app: FastAPI) -> dict[str, dict[str, Any]]:
    """Answer the files that are committed under openapi/, by name."""
    return {"openapi.json": app.openapi(), "openapi-3.1.json": as_3_1(app.openapi())}


def as_3_1(document: dict[str, Any]) -> dict[str, Any]:
    """Derive a 3.1 document: streams are described by `schema`, where 3.2 has `itemSchema`."""
    older = copy.deepcopy(document)
    older["openapi"] = "3.1.0"
    for operation in _operations(older):
        for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
            for media in holder.get("content", {}).values():
                if "itemSchema" in media:
                    media["schema"] = {"type": "string", "description": "One JSON document per line"}
                    del media["itemSchema"]
    return older


def _finished(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    _, described = models_json_schema([(ProblemDocument, "serialization")], ref_template=_REF + "{model}")
    schemas.update(described["$defs"])
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for operation in _operations(document):
        _declare_problems(operation)
    document["components"]["examples"] = {
        code: {"summary": CATALOG[code].title, "value": CATALOG[code]().document("/v1/…", "req_…")}
        for code in sorted(_told(document))
    }
    document["servers"] = [{"url": "/"}]
    return document


def _told(document: dict[str, Any]) -> set[str]:
    """Answer the codes of all problems the document names."""
    return {
        code
        for operation in _operations(document)
        for answer in operation["responses"].values()
        for code in answer.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {})
    }


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        operation for path in document["paths"].values() for operation in path.values() if isinstance(operation, dict)
    ]


def _declare_problems(operation: dict[str, Any]) -> None:
    """Add the problems every operation of its sort may answer, and give all of them the one schema."""
    responses = operation["responses"]
    responses.get("422", {}).get("content", {}).pop("application/json", None)
    common = _SECURED if operation.get("security") else (InvalidRequest, NotAvailable, InternalError)
    if "requestBody" in operation:
        common = (*common, *_WITH_BODY)
    for status, answer in problems(*common).items():
        mine = responses.setdefault(str(status), answer)
        content = mine.setdefault("content", {}).setdefault(MEDIA_TYPE, {"examples": {}})
        for code, example in answer["content"][MEDIA_TYPE]["examples"].items():
            content["examples"].setdefault(code, example)
    for answer in responses.values():
        if MEDIA_TYPE in answer.get("content", {}):
            codes = answer["content"][MEDIA_TYPE]["examples"]
            answer["content"][MEDIA_TYPE] = {
                "schema": {"$ref": f"{_REF}ProblemDocument"},
                "examples": {code: {"$ref": f"{_EXAMPLE_REF}{code}"} for code in codes},
            }
