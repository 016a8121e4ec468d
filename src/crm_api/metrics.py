"""`/metrics`: what Prometheus scrapes."""

from typing import Annotated, Final

from fastapi import APIRouter, Request, Security
from starlette.responses import Response

from .access import Principal
from .access.nearby import authorize_from_afar
from .core.db import Reads
from .core.metrics import Metrics

router = APIRouter(tags=["Operations"])
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_EXAMPLE: Final = """# HELP crm_requests_in_flight Requests being answered now.
# TYPE crm_requests_in_flight gauge
crm_requests_in_flight 3.0
"""
MayScrape = Annotated[Principal | None, Security(authorize_from_afar, scopes=["metrics:read"])]


@router.get(
    "/metrics",
    operation_id="read_metrics",
    summary="Read the metrics",
    response_class=Response,
    responses={
        200: {
            "description": "All metrics of this process, and of the database as it sees it",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        }
    },
)
async def read_metrics(request: Request, reader: Reads, who: MayScrape) -> Response:
    """Answer the metrics of this process in Prometheus' text format, version 0.0.4; docs/operations.md explains each.

    Scope: metrics:read. A caller on this machine that calls it by a name of this machine, `http://127.0.0.1:8000/metrics`
    for example, needs no token; whatever a proxy passes on does.
    """
    metrics: Metrics = request.app.state.metrics
    return Response(await metrics.text(reader), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})
