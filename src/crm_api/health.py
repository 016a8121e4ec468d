"""Whether the process lives, and whether it is ready to serve."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ConfigDict
from sqlalchemy import func, select, text
from starlette.responses import JSONResponse, Response

from .core import migrations
from .core.clock import now
from .core.db import Database
from .core.schemas import Output
from .jobs.models import WorkerSeen
from .jobs.rules import is_alive

router = APIRouter(tags=["Operations"])


class Health(Output):
    """The process lives."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok", "version": "0.1.0"}]})

    status: str
    version: str


class Check(Output):
    """Whether one thing the service needs is there, and what to do when it is not."""

    ok: bool
    detail: str


class Readiness(Output):
    """Whether the service is ready, thing by thing."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "ready", "checks": {"database": {"ok": True, "detail": "answers"}}}]}
    )

    status: str
    checks: dict[str, Check]


@router.get("/healthz", operation_id="check_health", summary="Is the process alive?")
async def check_health(request: Request) -> Health:
    """Answer as long as the process does; asks no dependency. Scope: none is needed."""
    return Health(status="ok", version=request.app.version)


@router.get(
    "/readyz",
    operation_id="check_readiness",
    summary="Is the service ready?",
    response_model=Readiness,
    responses={
        503: {
            "description": "Not ready; `checks` says what is missing",
            "content": {"application/json": {"example": {"status": "not_ready"}}},
        }
    },
)
async def check_readiness(request: Request) -> Response:
    """Check database, Redis, migrations and that a worker asked for work within five seconds; 503 until all hold.
    Scope: none is needed.
    """
    state = request.app.state
    checks = {**await _check_database(state.database), "redis": await _check_redis(state.hints)}
    ready = all(check["ok"] for check in checks.values())
    return JSONResponse({"status": "ready" if ready else "not_ready", "checks": checks}, 200 if ready else 503)


async def _check_database(database: Database) -> dict[str, Any]:
    try:
        async with asyncio.timeout(2), database.session() as session:
            await session.execute(text("SELECT 1"))
            present = await migrations.present(session)
            seen = await session.scalar(select(func.max(WorkerSeen.seen_at))) if present else None
    except Exception as error:
        away = {"ok": False, "detail": f"the database does not answer: {type(error).__name__}"}
        unknown = {"ok": False, "detail": "unknown while the database is away"}
        return {"database": away, "migrations": unknown, "worker": unknown}
    wanted = migrations.newest()
    alive = is_alive(seen, now())
    return {
        "database": {"ok": True, "detail": "answers"},
        "migrations": {"ok": present == wanted, "detail": f"at {present}, wanted {wanted}; `crm migrate` brings it up"},
        "worker": {
            "ok": alive,
            "detail": "asked for work"
            if alive
            else "no worker asked for work in 5 s; start one: python -m workers.main",
        },
    }


async def _check_redis(hints: Any) -> dict[str, Any]:
    answers = await hints.ping()
    return {"ok": answers, "detail": "answers" if answers else "Redis does not answer; work goes on by polling"}
