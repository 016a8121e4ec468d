"""What can be seen without the database: settings, secrets in files, disk, port, the API, Redis."""

import difflib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import httpx
import psutil

from ... import __version__
from ...core.embedded import is_free
from ...settings import Settings, SettingsWrong, read_settings
from ..home import program
from ..state import read_state
from .findings import Finding, Patient, State, size

# Variables of ours that no setting reads: of tests and of the Makefile.
_NO_SETTING: Final = re.compile(r"CRM_(TEST|FUZZ|BENCH)_\w+")
_OPEN_TO_OTHERS: Final = 0o077
_API_SECONDS: Final = 5.0


def check_settings() -> tuple[Settings | None, list[Finding]]:
    """Read the settings as the service and the worker do."""
    from workers.settings import SettingsWrong as WorkerSettingsWrong
    from workers.settings import WorkerSettings
    from workers.settings import read_settings as read_worker_settings

    looked_at = "variables CRM_* of this shell"
    settings, wrong = None, list[str]()
    try:
        settings = read_settings()
    except SettingsWrong as error:
        wrong += _lines(error)
    try:
        read_worker_settings()
    except WorkerSettingsWrong as error:
        wrong += [line for line in _lines(error) if line not in wrong]
    findings = [
        Finding("settings", "wrong", looked_at, line, "The value cannot be read.", "Correct or unset the variable.")
        for line in wrong
    ]
    known = {f"CRM_{name.upper()}" for name in (*Settings.model_fields, *WorkerSettings.model_fields)}
    findings += _unknown(known, looked_at)
    return settings, findings or [Finding("settings", "ok", looked_at, f"{_given(known)} of {len(known)} are given")]


def _lines(error: SystemExit) -> list[str]:
    return [line.strip() for line in str(error).splitlines() if line.strip().startswith("CRM_")]


def _given(known: set[str]) -> int:
    return len(known & os.environ.keys())


def _unknown(known: set[str], looked_at: str) -> Iterator[Finding]:
    for name in sorted(os.environ.keys() - known):
        if not name.startswith("CRM_") or _NO_SETTING.fullmatch(name):
            continue
        near = difflib.get_close_matches(name, known, 1)
        meant = f"Is {near[0]} meant? " if near else ""
        yield Finding(
            "settings",
            "warning",
            looked_at,
            f"{name} is no setting",
            "A name that is misspelled is not read, and its default holds.",
            f"{meant}docs/operations.md lists all settings.",
        )


def check_secret_files(patient: Patient) -> list[Finding]:
    """Look whether others can read the secrets that are kept here."""
    folder = patient.home.folder
    files = [
        path
        for pattern in ("secret.key", "worker.secret", "clients/*.secret", "*/password")
        for path in sorted(folder.glob(pattern))
    ]
    looked_at = f"modes of the secrets in {folder}"
    found = []
    for path in files:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & _OPEN_TO_OTHERS:
            cause = "It was copied or changed by hand: crm makes such files for their owner only."
            cure = f"chmod 600 {path}  If others may have read it, replace the secret: see docs/operations.md."
            found.append(Finding("secret files", "wrong", looked_at, f"{path.name} has mode {mode:o}", cause, cure))
        elif not os.access(path, os.R_OK):
            cause, cure = "It belongs to another user.", "Work as the user who first started here."
            found.append(Finding("secret files", "wrong", looked_at, f"{path.name} cannot be read", cause, cure))
    return found or [Finding("secret files", "ok", looked_at, f"{len(files)} files, for their owner only")]


def check_disk(patient: Patient) -> list[Finding]:
    """Look whether there is room where the service writes."""
    limits, found, seen = patient.limits, [], set()
    for folder in (patient.home.folder, (patient.home.folder / "postgres" / "data").resolve()):
        place = next(path for path in (folder, *folder.parents) if path.exists())
        if place.stat().st_dev in seen:
            continue
        seen.add(place.stat().st_dev)
        usage = shutil.disk_usage(place)
        told = f"{size(usage.free)} of {size(usage.total)} are free"
        if usage.free >= limits.scarce_disk_bytes:
            found.append(Finding("disk", "ok", str(place), told))
            continue
        cause = "Data, logs or other programs filled it. A full disk stops PostgreSQL."
        cure = f"Make room. Logs are in {patient.home.logs}; `du -xh {place} | sort -h | tail` shows what is large."
        state: State = "wrong" if usage.free < limits.least_disk_bytes else "warning"
        found.append(Finding("disk", state, str(place), told, cause, cure))
    return found


def check_port(patient: Patient) -> list[Finding]:
    """Look who listens where the API does, or would."""
    settings, running = patient.settings, read_state(patient.home.run_file)
    if settings.api_url is not None and urlsplit(settings.api_url).hostname not in ("localhost", "127.0.0.1", "::1"):
        return [Finding("port", "skipped", "CRM_API_URL", "the API is on another machine")]
    api = next((part for part in running.parts if part.name == "api" and part.process), None) if running else None
    port = api.port if api and api.port else settings.port
    looked_at = f"port {port} of {settings.host}"
    if is_free(port, settings.host):
        return [Finding("port", "ok", looked_at, "free")]
    here = settings.model_copy(update={"api_url": None, "port": port}).reach
    if isinstance(_health(here), dict):
        return [Finding("port", "ok", looked_at, "the API listens there")]
    cause = "Another program took the port before the API could."
    cure = f"Stop that program, or choose another port: CRM_PORT={port + 1}"
    return [Finding("port", "wrong", looked_at, f"{_listener(port)} listens there, and is not the API", cause, cure)]


def _listener(port: int) -> str:
    try:
        for each in psutil.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port and each.pid:
                return f"process {each.pid} ({psutil.Process(each.pid).name()})"
    except psutil.Error:
        pass
    return "a process of another user"


def check_api(patient: Patient) -> list[Finding]:
    """Call the API where workers and commands call it."""
    url = patient.home.api_url()
    looked_at = f"{url}/healthz"
    health = _health(url)
    if isinstance(health, str):
        cause = "It does not run, runs elsewhere, or a firewall or proxy is between."
        cure = (
            f"Start it: {program()} up; its log is {patient.home.log('api')}. Elsewhere it is where CRM_API_URL says."
        )
        return [Finding("api", "wrong", looked_at, health, cause, cure)]
    version = health.get("version")
    if version != __version__:
        finding = f"it is version {version or 'unknown'}, this program is {__version__}"
        cause = "One of them was updated without the other, or the API was not restarted after it."
        cure = "Install the same version in both places, run `crm migrate`, and restart the API and the workers."
        return [Finding("api", "wrong", looked_at, finding, cause, cure)]
    return [Finding("api", "ok", looked_at, f"version {version} answers")]


def _health(url: str) -> dict[str, str] | str:
    """Ask an API for its health; why there is none, if there is none."""
    try:
        answer = httpx.get(f"{url}/healthz", timeout=_API_SECONDS, trust_env=False)
        told = answer.json()
    except httpx.TimeoutException:
        return f"no answer within {_API_SECONDS:.0f} s"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"no answer: {type(error).__name__}"
    except ValueError:
        return "something answers that is not crm-api"
    is_ours = answer.status_code == 200 and isinstance(told, dict) and told.get("status") == "ok"
    return told if is_ours else "something answers that is not crm-api"


def check_redis(patient: Patient) -> list[Finding]:
    """Ask Redis; without it work only starts later."""
    import redis

    given = patient.settings.redis_url
    url = patient.home.valkey().look() if given is None else str(given)
    cure = f"{program()} up brings a Valkey. With one of your own, correct CRM_REDIS_URL."
    harm = "Hints to the workers are lost: work starts up to two seconds later, and none is lost."
    if url is None:
        return [Finding("redis", "warning", "CRM_REDIS_URL", "no Redis is given, and none runs here", harm, cure)]
    looked_at = f"Redis at {_place(url)}"
    try:
        with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as connection:
            connection.ping()
    except (redis.RedisError, OSError) as error:
        return [Finding("redis", "warning", looked_at, f"no answer: {type(error).__name__}", harm, cure)]
    return [Finding("redis", "ok", looked_at, "answers")]


def _place(url: str) -> str:
    """Write a server's URL without what is secret in it."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}{parts.path}"
