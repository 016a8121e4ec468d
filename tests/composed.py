"""The service composed and not started: for tests that ask its document."""

from functools import cache

from fastapi import FastAPI

from crm_api.app import create_app
from crm_api.settings import Settings


@cache
def composed() -> FastAPI:
    """The service, made once: to describe all operations takes seconds. Its document depends on no setting."""
    return create_app(Settings(database_url="postgresql://nobody@127.0.0.1/none", secret_key="x" * 40))  # type: ignore[arg-type]
