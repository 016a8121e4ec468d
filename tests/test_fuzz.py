"""Schemathesis over the whole document, in process, every check; `make fuzz` gives it more time."""

import json
import os
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pydantic import TypeAdapter
from schemathesis.config import SchemathesisConfig

from crm_api.app import create_app
from crm_api.audience import Tree
from crm_api.core.openapi import documents
from crm_api.settings import Settings

from .calling import Api
from .composed import composed

EXAMPLES = int(os.environ.get("CRM_FUZZ_EXAMPLES", "10"))
COVERAGE = "CRM_FUZZ_COVERAGE" in os.environ
"""Every boundary of every schema, and every example of a part of an audience in every body that has an audience. With
the recursion of the audience that takes minutes, so `make fuzz` does it.
"""
PARTS_OF_AUDIENCES = TypeAdapter(Tree).json_schema()["$defs"]
ACCEPTED = ["2xx", "3xx", "401", "403", "404", "409", "412", "422", "429"]
"""What an operation may answer to input that its schema allows: 422 is also for rules a schema cannot say."""
REFUSED = ["400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "422", "429"]
"""What it may answer to input that its schema forbids: 413 where it is long first, and no 5xx."""
LONGEST_KEY = 255

NDJSON = "application/x-ndjson"


@schemathesis.serializer(NDJSON, "text/csv")
def write_lines(_context: Any, value: Any) -> bytes:
    """Write an array as one line for each of its items, and text as it is."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return b"".join(json.dumps(line).encode() + b"\n" for line in (value if isinstance(value, list) else [value]))


def with_lines(service: FastAPI) -> dict[str, Any]:
    """Answer the document with streams in as arrays of their items, which the fuzzer knows how to make."""
    newer, older = documents(service).values()
    for path, methods in newer["paths"].items():
        for method, operation in methods.items():
            media = operation.get("requestBody", {}).get("content", {}).get(NDJSON, {})
            if "itemSchema" in media:
                lines = {"schema": {"type": "array", "items": media["itemSchema"], "maxItems": 20}}
                older["paths"][path][method]["requestBody"]["content"][NDJSON] = lines
    return older


def without_examples(part: Any) -> Any:
    """Answer a part of the document without the examples in it."""
    if isinstance(part, list):
        return [without_examples(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {key: without_examples(value) for key, value in part.items() if key != "examples"}


document = with_lines(composed())
parts = document["components"]["schemas"]
AUDIENCES = [
    example for kind in parts["Audience"]["oneOf"] for example in parts[kind["$ref"].rsplit("/", 1)[1]]["examples"]
]
if not COVERAGE:
    parts |= {name: without_examples(parts[name]) for name in PARTS_OF_AUDIENCES}
schema = schemathesis.openapi.from_dict(
    document,
    config=SchemathesisConfig.from_dict(
        {
            "phases": {"coverage": {"enabled": COVERAGE}},
            "checks": {
                "positive_data_acceptance": {"expected-statuses": ACCEPTED},
                "negative_data_rejection": {"expected-statuses": REFUSED},
            },
            "operations": [
                # RFC 6749, section 5.2, wants 400 for whatever is wrong with a token request.
                {
                    "include-name": "POST /oauth/token",
                    "checks": {"positive_data_acceptance": {"expected-statuses": [*ACCEPTED, "400"]}},
                },
                # A batch with bad lines is answered with 200 and a problem for each of them.
                {"include-path-regex": "/batch$", "checks": {"negative_data_rejection": {"enabled": False}}},
            ],
        }
    ),
).exclude(path="/readyz")  # 503 is its honest answer here: no worker runs; tests/live.py asks a service that has one
schema.app = composed()


@pytest.fixture(scope="session")
def fuzzed(settings: Settings) -> FastAPI:
    """A second instance of the service: the fuzzer runs it in a loop of its own."""
    return create_app(settings)


@schema.parametrize()
@hypothesis_settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_no_input_breaks_the_service(case: Any, fuzzed: FastAPI, token: str) -> None:
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) <= LONGEST_KEY:
        # A key that was used before would be answered as it was then, whatever else is wrong with the repeat.
        case.headers["Idempotency-Key"] = f"{key}{uuid4().hex}"[-LONGEST_KEY:]
    case.call_and_validate(app=fuzzed, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("audience", AUDIENCES, ids=str)
async def test_no_example_of_an_audience_breaks_the_service(api: Api, audience: Any) -> None:
    """In one operation that takes audiences; all of them read theirs in the same way."""
    answer = await api.client.post("/v1/customers/search", json={"audience": audience}, headers=api.headers)
    assert answer.status_code in (200, 404, 422), answer.text
