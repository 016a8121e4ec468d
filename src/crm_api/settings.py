"""Typed settings, read from `CRM_*` variables; a wrong one stops the start and is named."""

import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, PostgresDsn, RedisDsn, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

LONGEST_TOKEN_SECONDS: Final = 3600
"""No access token lives longer, whatever a deployment sets; for so long a retired signing key is still needed."""


class SettingsWrong(SystemExit):
    """The process cannot start: the text names each variable and says what is wrong with it."""


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is not an IANA time zone, for example Europe/Berlin")
    return name


class Settings(BaseSettings):
    """Everything a deployment can set. Times are seconds, sizes bytes."""

    model_config = SettingsConfigDict(env_prefix="CRM_", extra="ignore", frozen=True)

    database_url: Annotated[
        PostgresDsn | None, Field(description="PostgreSQL 15 or later; without it `crm up` starts an embedded one")
    ] = None
    redis_url: Annotated[
        RedisDsn | None, Field(description="Redis or Valkey; without it `crm up` starts an embedded one")
    ] = None
    home: Annotated[Path, Field(description="Folder of keys, secrets, logs and the embedded servers' data")] = Path(
        ".crm"
    )
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    public_url: Annotated[str | None, Field(description="How clients reach the API; issuer of the tokens")] = None
    api_url: Annotated[
        str | None, Field(description="Where workers and the command line reach the API, if not on this machine")
    ] = None
    secret_key: Annotated[
        SecretStr | None, Field(min_length=32, description="Encrypts signing keys, signs cursors")
    ] = None
    worker_client_id: str = "worker"
    worker_client_secret: SecretStr | None = None
    time_zone: Annotated[
        str, AfterValidator(_known_zone), Field(description="The business's time zone: its days, weeks and months")
    ] = "UTC"
    phone_region: Annotated[
        str, Field(pattern="^[A-Z]{2}$", description="Country of phone numbers written without a country code")
    ] = "US"
    sensitive_taste_purpose: Annotated[
        str | None,
        Field(
            min_length=1, description="The declared purpose that tastes which may reveal health or belief are told for"
        ),
    ] = None
    cors_origins: Annotated[
        tuple[str, ...], NoDecode, Field(description="Origins allowed to call from a browser, separated by commas")
    ] = ()
    token_seconds: Annotated[int, Field(ge=60, le=LONGEST_TOKEN_SECONDS)] = 600
    read_rate: Annotated[int, Field(ge=1, description="Requests a minute a client may read, per API process")] = 60_000
    write_rate: Annotated[int, Field(ge=1, description="Requests a minute a client may write, per API process")] = (
        30_000
    )
    lease_seconds: Annotated[
        int, Field(ge=3, le=30, description="How long a job stays with a worker that gives no sign of life")
    ] = 30
    events_kept_days: Annotated[
        int, Field(ge=1, le=3650, description="How long events can be read; a reader that comes later is told so")
    ] = 30
    pool_size: Annotated[int, Field(ge=1, le=200)] = 10
    max_body_bytes: Annotated[int, Field(ge=1024)] = 1_048_576
    log_format: Literal["json", "text"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @cached_property
    def zone(self) -> ZoneInfo:
        """The business's zone, in which days, weeks and months are cut."""
        return ZoneInfo(self.time_zone)

    @property
    def issuer(self) -> str:
        """Name of the authorization server, without a closing slash (RFC 8414)."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def reach(self) -> str:
        """Where the workers and the command line reach the API."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104  # compared, not bound
        return (self.api_url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def driver_dsn(self) -> str:
        """The database's URL as asyncpg reads it."""
        if self.database_url is None:
            raise SettingsWrong(
                "CRM_DATABASE_URL: missing; set it, or start with `crm up`, which brings its own PostgreSQL"
            )
        return str(self.database_url).replace("postgresql+asyncpg://", "postgresql://", 1)

    @property
    def sqlalchemy_url(self) -> str:
        """The database's URL as SQLAlchemy reads it; the driver is always named, since the default is another."""
        return self.driver_dsn.replace("postgresql://", "postgresql+asyncpg://", 1).replace(
            "postgres://", "postgresql+asyncpg://", 1
        )


def read_settings(**given: object) -> Settings:
    """Read the settings from the environment, or stop the process with one line per wrong variable."""
    if isinstance(origins := os.environ.get("CRM_CORS_ORIGINS"), str):
        given.setdefault("cors_origins", tuple(part.strip() for part in origins.split(",") if part.strip()))
    try:
        return Settings(**given)  # type: ignore[arg-type]  # each value is checked by the model itself
    except ValidationError as wrong:
        lines = [f"CRM_{'_'.join(map(str, error['loc'])).upper()}: {error['msg']}" for error in wrong.errors()]
        raise SettingsWrong("Settings are wrong:\n  " + "\n  ".join(lines)) from None
