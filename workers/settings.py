"""What a worker has to know: where the API is, who it is there, and where hints come from. No database is among it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, RedisDsn, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsWrong(SystemExit):
    """The worker cannot start: the text names each variable and says what is wrong with it."""


class WorkerSettings(BaseSettings):
    """Everything about a worker that a deployment can set."""

    model_config = SettingsConfigDict(env_prefix="CRM_", extra="ignore", frozen=True)

    api_url: Annotated[str | None, Field(description="Where the API is; else at CRM_HOST and CRM_PORT")] = None
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    home: Annotated[Path, Field(description="Folder in which `crm up` keeps the worker's secret")] = Path(".crm")
    worker_client_id: str = "worker"
    worker_client_secret: SecretStr | None = None
    worker_jobs: Annotated[int, Field(ge=1, le=50, description="Jobs this worker does side by side")] = 8
    redis_url: Annotated[RedisDsn | None, Field(description="Where hints come from; without it jobs start later")] = (
        None
    )
    email_gateway: Annotated[
        Literal["file", "smtp", "console"],
        Field(
            description="How e-mails leave: as files in the folder `outbox` of CRM_HOME, by SMTP, or onto the console"
        ),
    ] = "file"
    smtp_url: Annotated[
        SecretStr | None, Field(description="The mail server: smtp://user:password@host:port; smtps:// for TLS at once")
    ] = None
    smtp_starttls: Annotated[
        Literal["auto", "always", "never"],
        Field(description="Whether smtp:// goes over to TLS; auto: when it is offered, and always with a password"),
    ] = "auto"
    smtp_verify_tls: Annotated[bool, Field(description="Whether the mail server's certificate must be good")] = True
    smtp_connections: Annotated[int, Field(ge=1, le=50, description="Connections to the mail server at most")] = 5
    smtp_patience_seconds: Annotated[
        float, Field(ge=1, le=300, description="How long the mail server may take for an answer before the message")
    ] = 30.0
    log_format: Literal["json", "text"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def url(self) -> str:
        """Base URL of the API."""
        return (self.api_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def secret(self) -> str:
        """The client's secret: from the environment, or from where `crm up` keeps it. Errors: SettingsWrong."""
        if self.worker_client_secret is not None:
            return self.worker_client_secret.get_secret_value()
        kept = self.home / "worker.secret"
        try:
            return kept.read_text().strip()
        except OSError:
            raise SettingsWrong(f"CRM_WORKER_CLIENT_SECRET: missing, and {kept} cannot be read") from None


def read_settings() -> WorkerSettings:
    """Read the settings from the environment. Errors: SettingsWrong, with one line per wrong variable."""
    try:
        return WorkerSettings()
    except ValidationError as wrong:
        lines = [f"CRM_{'_'.join(map(str, error['loc'])).upper()}: {error['msg']}" for error in wrong.errors()]
        raise SettingsWrong("Settings are wrong:\n  " + "\n  ".join(lines)) from None
