"""HTTP of the pages; nothing on them comes from another server."""

from html import escape
from importlib.resources import files
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Path, Request
from fastapi.openapi.docs import get_swagger_ui_html, get_swagger_ui_oauth2_redirect_html
from starlette.responses import HTMLResponse, Response

from ..core.openapi import as_3_1
from ..core.problems import CATALOG, NotFound

router = APIRouter(include_in_schema=False)
_ASSETS: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}"
    "code{background:#eee;padding:.1em .3em}"
)


@router.get("/openapi.json")
async def read_document(request: Request) -> Response:
    return Response(orjson.dumps(request.app.openapi()), media_type="application/json")


@router.get("/openapi-3.1.json")
async def read_older_document(request: Request) -> Response:
    return Response(orjson.dumps(as_3_1(request.app.openapi())), media_type="application/json")


@router.get("/docs")
async def show_docs() -> HTMLResponse:
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="crm-api",
        swagger_js_url="/docs/assets/swagger-ui-bundle.js",
        swagger_css_url="/docs/assets/swagger-ui.css",
        swagger_favicon_url="/docs/assets/favicon-32x32.png",
        oauth2_redirect_url="/docs/oauth2-redirect",
        swagger_ui_parameters={
            "persistAuthorization": False,
            "displayRequestDuration": True,
            "validatorUrl": None,
            "tryItOutEnabled": True,
            # So many operations: closed, the resources are seen at a glance, and a link opens one.
            "docExpansion": "none",
            "deepLinking": True,
            "filter": True,
        },
    )


@router.get("/docs/oauth2-redirect")
async def redirect_after_login() -> HTMLResponse:
    return get_swagger_ui_oauth2_redirect_html()


@router.get("/docs/assets/{name}")
async def read_asset(name: str) -> Response:
    if name not in _ASSETS:
        raise NotFound("No such file")
    content = files(__package__).joinpath("assets", name).read_bytes()
    return Response(content, media_type=_ASSETS[name], headers={"Cache-Control": "public, max-age=86400"})


@router.get("/docs/problems")
async def list_problems() -> HTMLResponse:
    rows = "".join(
        f'<li><a href="/docs/problems/{code}"><code>{code}</code></a> {problem.status} – {escape(problem.title)}</li>'
        for code, problem in sorted(CATALOG.items())
    )
    return _page("Problems", f"<p>Everything that can go wrong, by its <code>code</code>.</p><ul>{rows}</ul>")


@router.get("/docs/problems/{code}")
async def explain_problem(code: Annotated[str, Path(max_length=100)]) -> HTMLResponse:
    problem = CATALOG.get(code)
    if problem is None:
        raise NotFound("No problem has this code; /docs/problems lists all")
    text = f"<p><code>{code}</code>, status {problem.status}</p><p>{escape(problem.explanation())}</p>"
    return _page(
        problem.title, text + '<p><a href="/docs/problems">All problems</a> · <a href="/docs">API docs</a></p>'
    )


def _page(title: str, body: str) -> HTMLResponse:
    name = escape(title)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{name}</title>'
    style = f"<style>{_STYLE}</style>"
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head>{head}{style}</head><body><h1>{name}</h1>{body}</body></html>'
    )
