"""The world's climate zones (see koppen.NOTICE.txt), kept as runs of equal cells: 4 MB instead of 84."""

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Zones:
    """A grid of zones from 90° north and 180° west, and the zones of US postal codes (as numbers, sorted)."""

    names: tuple[str, ...]
    rows: int
    columns: int
    run_ends: NDArray[np.int64]
    run_zones: NDArray[np.uint8]
    postal_codes: NDArray[np.uint32]
    postal_zones: NDArray[np.uint8]

    def at(self, row: NDArray[np.int64], column: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Look up cells: zone numbers, places in `names`."""
        place = np.searchsorted(self.run_ends, row * self.columns + column, side="right")
        return self.run_zones[place]


@cache
def load() -> Zones:
    """Read the shipped file, once in a process."""
    with (
        resources.files(__package__).joinpath("koppen.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        rows, columns = (int(size) for size in stored["shape"])
        return Zones(
            tuple(str(name) for name in stored["names"]),
            rows,
            columns,
            np.cumsum(stored["run_lengths"], dtype=np.int64),
            stored["run_zones"],
            stored["postal_codes"],
            stored["postal_zones"],
        )
