"""What clients of the authorization server get."""

from typing import Any

from pydantic import ConfigDict

from ..core.schemas import Output


class Token(Output):
    """An access token (RFC 6749, section 5.1)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "access_token": "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzaG9wIn0.c2ln",
                    "token_type": "Bearer",
                    "expires_in": 600,
                    "scope": "customers:read touchpoints:read",
                }
            ]
        }
    )

    access_token: str
    token_type: str
    expires_in: int
    scope: str


class PublicKeys(Output):
    """A JWKS (RFC 7517)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"keys": [{"kty": "EC", "crv": "P-256", "x": "…", "y": "…", "use": "sig", "alg": "ES256", "kid": "…"}]}
            ]
        }
    )

    keys: list[dict[str, Any]]


class AuthorizationServer(Output):
    """Metadata of the authorization server (RFC 8414)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "issuer": "https://crm.example",
                    "token_endpoint": "https://crm.example/oauth/token",
                    "jwks_uri": "https://crm.example/oauth/jwks",
                    "grant_types_supported": ["client_credentials"],
                    "response_types_supported": [],
                    "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                    "scopes_supported": ["customers:read", "customers:write"],
                    "service_documentation": "https://crm.example/docs",
                }
            ]
        }
    )

    issuer: str
    token_endpoint: str
    jwks_uri: str
    grant_types_supported: list[str]
    response_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    scopes_supported: list[str]
    service_documentation: str


class ProtectedResource(Output):
    """Metadata of the protected resource (RFC 9728)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "resource": "https://crm.example",
                    "authorization_servers": ["https://crm.example"],
                    "scopes_supported": ["customers:read", "customers:write"],
                    "bearer_methods_supported": ["header"],
                }
            ]
        }
    )

    resource: str
    authorization_servers: list[str]
    scopes_supported: list[str]
    bearer_methods_supported: list[str]
