"""Whether the process lives, and whether it is ready to serve."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, ConfigDict
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
    seen_at: AwareDatetime | None = None
    """When a worker last asked for work; null of everything else."""


class Readiness(Output):
    """Whether the service is ready, thing by thing."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "ready",
                    "checks": {
                        "database": {"ok": True, "detail": "answers", "seen_at": None},
                        "worker": {"ok": True, "detail": "asked for work", "seen_at": "2026-11-23T09:30:00Z"},
                    },
                }
            ]
        }
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
    ready = all(check.ok for check in checks.values())
    told = Readiness(status="ready" if ready else "not_ready", checks=checks)
    return JSONResponse(told.model_dump(mode="json"), 200 if ready else 503)


async def _check_database(database: Database) -> dict[str, Check]:
    try:
        async with asyncio.timeout(2), database.session() as session:
            await session.execute(text("SELECT 1"))
            present = await migrations.present(session)
            seen = await session.scalar(select(func.max(WorkerSeen.seen_at))) if present else None
    except Exception as error:
        away = Check(ok=False, detail=f"the database does not answer: {type(error).__name__}")
        unknown = Check(ok=False, detail="unknown while the database is away")
        return {"database": away, "migrations": unknown, "worker": unknown}
    wanted, alive = migrations.newest(), is_alive(seen, now())
    silence = "no worker asked for work in 5 s; start one: python -m workers.main"
    return {
        "database": Check(ok=True, detail="answers"),
        "migrations": Check(ok=present == wanted, detail=f"at {present}, wanted {wanted}; `crm migrate` brings it up"),
        "worker": Check(ok=alive, detail="asked for work" if alive else silence, seen_at=seen),
    }


async def _check_redis(hints: Any) -> Check:
    answers = await hints.ping()
    return Check(ok=answers, detail="answers" if answers else "Redis does not answer; work goes on by polling")
