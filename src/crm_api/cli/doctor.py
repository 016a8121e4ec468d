"""`crm doctor`: what is wrong with this installation, why, and what to do."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict

import typer
from rich.text import Text

from .diagnosis import Finding, examine
from .output import Format, Output, OutputOption
from .reporting import reported

_STYLES = {"ok": "green", "warning": "yellow", "wrong": "bold red", "skipped": "dim"}


@reported
def doctor(output: OutputOption = Format.text) -> None:
    """Examine the installation: settings, secrets, servers, tables, workers, jobs. Changes nothing. Exit code 1 when
    something is wrong; warnings leave it 0.
    """
    findings = asyncio.run(examine())
    wrong = [finding for finding in findings if finding.state == "wrong"]
    told = Text("\n").join(line for finding in findings for line in _lines(finding))
    facts = {"healthy": not wrong, "findings": [asdict(finding) for finding in findings]}
    Output(output).result(facts, told)
    if wrong:
        raise typer.Exit(1)


def _lines(finding: Finding) -> Iterator[Text]:
    yield Text.assemble((f"{finding.state:<8}", _STYLES[finding.state]), f"  {finding.check:<18}{finding.finding}")
    if finding.cause:
        for name, text in (("looked at", finding.looked_at), ("cause", finding.cause), ("cure", finding.cure)):
            yield Text(f"{'':10}{name:<11}{text}")
