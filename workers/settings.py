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
