"""What the bench prints and writes: medians of paired ratios, side by side with what is wanted."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Round:
    """One visit to the floor and one to our service, directly after each other. `ratio` is ours to the floor's."""

    ratio: float
    ours: dict[str, float]
    floor: dict[str, float]


@dataclass
class Line:
    """One row of the bench."""

    work: str
    size: str
    wanted: str
    rounds: list[Round] = field(default_factory=list)
    note: str = ""
    row: str = ""
    """What it is asked for by on the command line."""
    customers: int = 0

    @property
    def ratio(self) -> float:
        """The median of the paired ratios."""
        return median(one.ratio for one in self.rounds)

    def spread(self, of: Sequence[dict[str, float]], name: str) -> str:
        """The median of one figure, for reading."""
        values = [one[name] for one in of if name in one]
        return f"{median(values):,.2f}" if values else "–"


def show_report(lines: Sequence[Line]) -> None:
    """Print the table."""
    table = Table(title="crm-api bench: ours beside the floor (median of paired ratios)")
    for column in ("work", "size", "ratio", "wanted", "ours", "floor", "note"):
        table.add_column(column, justify="left" if column in ("work", "note", "wanted") else "right")
    for line in lines:
        ours, floor = [one.ours for one in line.rounds], [one.floor for one in line.rounds]
        names = list(dict.fromkeys(name for figures in (*ours, *floor) for name in figures))
        table.add_row(
            line.work,
            line.size,
            f"{line.ratio:.2f}",
            line.wanted,
            "\n".join(f"{name} {line.spread(ours, name)}" for name in names),
            "\n".join(f"{name} {line.spread(floor, name)}" for name in names),
            line.note,
        )
    Console(width=150).print(table)


def write_report(lines: Sequence[Line], path: Path) -> None:
    """Write the lines as JSON."""
    document = [{**asdict(line), "ratio": line.ratio} for line in lines]
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(document, indent=2) + "\n")
    draft.replace(path)


def read_report(path: Path) -> list[Line]:
    """Read what was measured; nothing when nothing was."""
    if not path.exists():
        return []
    names = [each.name for each in fields(Line) if each.name != "rounds"]
    return [
        Line(**{name: told[name] for name in names}, rounds=[Round(**each) for each in told["rounds"]])
        for told in json.loads(path.read_text())
    ]
