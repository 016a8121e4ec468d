"""API and worker with the kinds of jobs made for tests: `uvicorn tests.jobs.live_programs:make_app --factory` and
`python -m tests.jobs.live_programs`.
"""

import asyncio
from typing import Any

from fastapi import FastAPI

from crm_api.app import JOB_KINDS, create_app
from crm_api.client import ApiClient
from crm_api.core.telemetry import configure_logs
from crm_api.jobs.schemas import ClaimedJob
from crm_api.settings import read_settings
from workers.hands import HANDS
from workers.main import main
from workers.work import CannotBeDone, Report

from .kinds import CARRYING, KINDS


def make_app() -> FastAPI:
    """The service of the environment, knowing more kinds."""
    configure_logs("json", "info")
    return create_app(read_settings(), (*JOB_KINDS, *KINDS))


async def carry(_api: ApiClient, job: ClaimedJob, report: Report) -> dict[str, Any]:
    """Carry `boxes` one by one, each for `pause_seconds`; `fail` says how it should go wrong."""
    if job.arguments.get("fail") == "for good":
        raise CannotBeDone("the boxes are nailed to the floor")
    if job.arguments.get("fail") == "once" and job.attempt == 1:
        raise ConnectionError("this text could be personal")
    boxes: int = job.arguments["boxes"]
    for number in range(1, boxes + 1):
        await asyncio.sleep(job.arguments["pause_seconds"])
        await report(number / boxes, {"boxes": number})
    return {"carried": boxes, "attempt": job.attempt}


HANDS[CARRYING.name] = carry

if __name__ == "__main__":
    main()
