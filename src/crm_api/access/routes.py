"""HTTP of access: tokens, keys and the metadata that describes them."""

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import JSONResponse, Response

from ..core.problems import UnsupportedMediaType, problems
from .models import Client
from .schemas import AuthorizationServer, ProtectedResource, PublicKeys, Token
from .scopes import SCOPES
from .tokens import client_id_of, token_answer

router = APIRouter(tags=["OAuth"])


_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"type": "string", "enum": ["client_credentials"]},
                        "scope": {
                            "type": "string",
                            "description": "Scopes wished for, separated by spaces; none grants nothing",
                        },
                        "client_id": {"type": "string"},
                        "client_secret": {"type": "string", "format": "password"},
                    },
                },
                "example": {"grant_type": "client_credentials", "scope": "customers:read touchpoints:read"},
            }
        },
    }
}
_OAUTH_ERROR = {
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["error"],
                "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
            },
            "example": {"error": "invalid_client"},
        }
    }
}


@router.post(
    "/oauth/token",
    operation_id="issue_token",
    summary="Get an access token",
    response_model=Token,
    responses={
        400: {"description": "The request is wrong (RFC 6749, section 5.2)", **_OAUTH_ERROR},
        401: {"description": "The client is unknown or its secret wrong", **_OAUTH_ERROR},
        **problems(UnsupportedMediaType),
    },
    openapi_extra=_FORM,
)
async def issue_token(request: Request) -> Response:
    """Exchange a client's id and secret, by HTTP Basic or in the form, for a token that lives for minutes (client
    credentials, RFC 6749, section 4.4).

    Scope: none is needed. Ask for the scopes you need; a token without scope can do nothing.
    """
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise UnsupportedMediaType("send application/x-www-form-urlencoded")
    state = request.app.state
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    client_id, _ = client_id_of(form, request.headers)
    async with state.database.session() as session:
        client = await session.scalar(select(Client).where(Client.client_id == (client_id or "").replace("\x00", "")))
    status, body, headers = await token_answer(
        form, request.headers, client, state.settings, await state.verifier.ring()
    )
    return JSONResponse(body, status, headers)


@router.get("/oauth/jwks", operation_id="read_keys", summary="Read the public signing keys")
async def read_keys(request: Request) -> PublicKeys:
    """Answer the keys that access tokens can be verified with, as a JWKS (RFC 7517). Scope: none is needed."""
    return PublicKeys(keys=(await request.app.state.verifier.ring()).jwks["keys"])


@router.get(
    "/.well-known/oauth-authorization-server",
    operation_id="describe_authorization_server",
    summary="Describe the authorization server",
)
async def describe_authorization_server(request: Request) -> AuthorizationServer:
    """Answer the metadata by which clients configure themselves (RFC 8414). Scope: none is needed."""
    issuer = request.app.state.settings.issuer
    return AuthorizationServer(
        issuer=issuer,
        token_endpoint=f"{issuer}/oauth/token",
        jwks_uri=f"{issuer}/oauth/jwks",
        grant_types_supported=["client_credentials"],
        response_types_supported=[],
        token_endpoint_auth_methods_supported=["client_secret_basic", "client_secret_post"],
        scopes_supported=list(SCOPES),
        service_documentation=f"{issuer}/docs",
    )


@router.get(
    "/.well-known/oauth-protected-resource",
    operation_id="describe_protected_resource",
    summary="Describe the protected resource",
)
async def describe_protected_resource(request: Request) -> ProtectedResource:
    """Answer where tokens for this API come from (RFC 9728). Scope: none is needed."""
    issuer = request.app.state.settings.issuer
    return ProtectedResource(
        resource=issuer,
        authorization_servers=[issuer],
        scopes_supported=list(SCOPES),
        bearer_methods_supported=["header"],
    )
