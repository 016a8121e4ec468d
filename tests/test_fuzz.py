"""Schemathesis over the whole document, in process, every check; `make fuzz` gives it more time."""

import os
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from schemathesis.config import SchemathesisConfig

from crm_api.app import create_app
from crm_api.core.openapi import documents
from crm_api.settings import Settings

EXAMPLES = int(os.environ.get("CRM_FUZZ_EXAMPLES", "10"))
ACCEPTED = ["2xx", "3xx", "401", "403", "404", "409", "412", "422", "429"]
"""What an operation may answer to input that its schema allows: 422 is also for rules a schema cannot say."""
NOBODYS = Settings(database_url="postgresql://nobody@127.0.0.1/none", secret_key="x" * 40)  # type: ignore[arg-type]

schema = schemathesis.openapi.from_dict(
    documents(create_app(NOBODYS))["openapi-3.1.json"],
    config=SchemathesisConfig.from_dict(
        {
            "checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}},
            "operations": [
                # RFC 6749, section 5.2, wants 400 for whatever is wrong with a token request.
                {
                    "include-name": "POST /oauth/token",
                    "checks": {"positive_data_acceptance": {"expected-statuses": [*ACCEPTED, "400"]}},
                }
            ],
        }
    ),
).exclude(path="/readyz")  # 503 is its honest answer here: no worker runs; tests/live.py asks a service that has one
schema.app = create_app(NOBODYS)


@pytest.fixture(scope="session")
def fuzzed(settings: Settings) -> FastAPI:
    """A second instance of the service: the fuzzer runs it in a loop of its own."""
    return create_app(settings)


@schema.parametrize()
@hypothesis_settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_no_input_breaks_the_service(case: Any, fuzzed: FastAPI, token: str) -> None:
    case.call_and_validate(app=fuzzed, headers={"Authorization": f"Bearer {token}"})
