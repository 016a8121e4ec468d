"""What an operation that starts long work answers: 202, and where the job can be watched."""

from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from ..core.read import answer
from .models import Job
from .queries import written_job

ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {
    202: {
        "description": "The work is queued; watch the job",
        "headers": {
            "Location": {"description": "The job", "schema": {"type": "string", "examples": ["/v1/jobs/0198c5a0-…"]}}
        },
    }
}
"""For `responses=` of such an operation, beside `status_code=202, response_model=JobRead`."""


async def accepted(session: AsyncSession, job: Job) -> Response:
    """Answer that a job was queued, or was queued before under the same singleton key."""
    document = await written_job(session, job.id)
    return answer(document, status=202, headers={"Location": f"/v1/jobs/{job.id}"})
