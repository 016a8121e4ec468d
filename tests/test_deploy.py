"""What is shipped for deployments names settings and programs that exist."""

import configparser
import importlib.util
from pathlib import Path

from crm_api.settings import Settings
from workers.gateways import open_gateway
from workers.settings import WorkerSettings

FOLDER = Path(__file__).parents[1] / "deploy" / "systemd"


def test_the_example_sets_only_what_there_is() -> None:
    lines = [
        line for line in (FOLDER / "crm.env.example").read_text().splitlines() if line and not line.startswith("#")
    ]
    pairs = (line.removeprefix("CRM_").split("=", 1) for line in lines)
    given = {name.lower(): value for name, value in pairs}
    assert set(given) <= {*Settings.model_fields, *WorkerSettings.model_fields}
    Settings(**given)  # type: ignore[arg-type]
    assert open_gateway(WorkerSettings(**given)).name == "smtp"  # type: ignore[arg-type]


def test_the_units_start_modules_that_exist() -> None:
    started = []
    for unit in sorted(FOLDER.glob("*.service")):
        parser = configparser.RawConfigParser(strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read(unit)
        command = parser["Service"]["ExecStart"].split()
        assert importlib.util.find_spec(command[command.index("-m") + 1]), unit
        started += [word.partition(":")[0] for word in command if word.startswith("crm_api")]
    assert started == ["crm_api.app"]


def test_every_setting_is_documented() -> None:
    page = (FOLDER.parents[1] / "docs" / "operations.md").read_text()
    names = (*Settings.model_fields, *WorkerSettings.model_fields)
    assert [name for name in names if f"`CRM_{name.upper()}`" not in page] == []
