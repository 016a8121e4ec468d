"""Climate of an address: its Köppen-Geiger zone, and whether it is hot or cold there. Pure; a look-up, no estimate.

Source: the zones of Rubel, Brugger, Haslinger and Auer 2016, on a grid of 100 seconds of arc (3 km at the equator); see
`analytics/data/koppen.NOTICE.txt`.

Rules, stated once:

- **Per place, never per state**: Flagstaff, Arizona is Csb, Phoenix BWh.
- **Coordinates outrank the postal code.** Their zone is that of their cell; by the sea, where the cell is water, the
  commonest zone on land within `REACH` cells of it (about 15 km).
- **A US postal code** (also of Puerto Rico and the islands) is an area: its zone is the commonest on land within 15 km
  of its center. The cell of the center is often a mountain that nobody lives on: that of Flagstaff's 86001 is.
- No coordinates and no known US postal code, or nothing but water around (small islands are not in the grid): no zone.
- **hot**: tropical (A), hot desert and hot steppe (BWh, BSh). **cold**: continental where fewer than four months reach
  10 °C (Dfc, Dfd, Dsc, Dsd, Dwc, Dwd), and polar (E). **moderate**: the others.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ..data import koppen
from .likelihood import Floats

MODEL = "climate"
VERSION = "1"
OUTPUT_COLUMNS = (
    "customer_id",
    "climate_zone",
    "climate_group",
    "heat",
    "basis",
    "observation_count",
    "status",
    "reason",
)
REACH = 5
OCEAN = "Ocean"
GROUPS = {"A": "tropical", "B": "arid", "C": "temperate", "D": "continental", "E": "polar"}
US_COUNTRIES = ("US", "PR", "VI", "GU", "MP", "AS")
_COLD_ENDS = ("c", "d")


def score(addresses: pl.DataFrame) -> pl.DataFrame:
    """Find the zone of each customer's address.

    Columns wanted: customer_id (once each), latitude and longitude (degrees, may be null), country (ISO 3166 code),
    postal_code (text, may be null). Returns the columns of `OUTPUT_COLUMNS`, sorted by customer_id: `climate_group` is
    the first letter in words, `heat` one of hot, moderate, cold, `basis` one of coordinates, postal_code,
    `observation_count` 1 where there is something to look at. Errors: ValueError for coordinates off the globe.
    """
    ordered = addresses.sort("customer_id")
    both = pl.col("latitude").is_not_null() & pl.col("longitude").is_not_null()
    located = ordered.select(both).to_series().to_numpy()
    degrees = ordered.select(pl.col("latitude", "longitude").cast(pl.Float64).fill_null(0.0))
    latitude, longitude = degrees["latitude"].to_numpy(), degrees["longitude"].to_numpy()
    codes = _codes(ordered)
    by_place, by_code = zones_of_points(latitude, longitude), zones_of_codes(codes)
    zones = pl.Series("climate_zone", np.where(located, by_place, by_code)).replace("", None)
    basis = np.where(located, "coordinates", np.where(codes >= 0, "postal_code", ""))
    zone = pl.col("climate_zone")
    nowhere = pl.when(pl.col("basis").is_null()).then(
        pl.lit("No coordinates, and no postal code of the United States.")
    )
    reason = pl.when(zone.is_null()).then(
        nowhere.otherwise(pl.lit("The place is not in the table of zones, or there is nothing but water around."))
    )
    return (
        ordered.with_columns(zones, pl.Series("basis", basis).replace("", None))
        .with_columns(
            zone.str.head(1).replace_strict(GROUPS, default=None, return_dtype=pl.String).alias("climate_group"),
            _heat(zone).alias("heat"),
            pl.col("basis").is_not_null().cast(pl.Int64).alias("observation_count"),
            pl.when(zone.is_null()).then(pl.lit("insufficient_data")).otherwise(pl.lit("ok")).alias("status"),
            reason.alias("reason"),
        )
        .select(OUTPUT_COLUMNS)
    )


def zones_of_points(latitude: Floats, longitude: Floats) -> NDArray[np.str_]:
    """Names of the zones at coordinates in degrees; empty where there is nothing but water within `REACH` cells."""
    if len(latitude) and not (np.abs(latitude).max() <= 90 and np.abs(longitude).max() <= 180):
        raise ValueError("Latitudes lie between -90 and 90, longitudes between -180 and 180.")
    world = koppen.load()
    names, ocean = np.array(world.names), world.names.index(OCEAN)
    rows = np.rint((90 - latitude) * world.rows / 180 - 0.5).astype(np.int64).clip(0, world.rows - 1)
    # The last half cell in the east is the first one in the west.
    columns = np.rint((longitude + 180) * world.columns / 360 - 0.5).astype(np.int64) % world.columns
    found = world.at(rows, columns)
    for wet in np.flatnonzero(found == ocean):
        around_rows = np.arange(max(rows[wet] - REACH, 0), min(rows[wet] + REACH + 1, world.rows))
        around_columns = np.arange(columns[wet] - REACH, columns[wet] + REACH + 1) % world.columns
        around = world.at(around_rows[:, None], around_columns[None, :])
        counts = np.bincount(around.ravel(), minlength=ocean + 1)
        counts[ocean] = 0
        found[wet] = counts.argmax() if counts.any() else ocean
    return _named(names, found, ocean)


def zones_of_codes(codes: NDArray[np.int64]) -> NDArray[np.str_]:
    """Names of the zones of US postal codes, given as numbers; empty for what is no such code."""
    world = koppen.load()
    names, ocean = np.array(world.names), world.names.index(OCEAN)
    known = world.postal_codes.astype(np.int64)
    place = np.searchsorted(known, codes).clip(0, len(known) - 1)
    found = np.where(known[place] == codes, world.postal_zones[place], ocean)
    return _named(names, found, ocean)


def _named(names: NDArray[np.str_], found: NDArray[np.uint8], ocean: int) -> NDArray[np.str_]:
    return np.where(found == ocean, "", names[found])


def _codes(addresses: pl.DataFrame) -> NDArray[np.int64]:
    """Take the first five digits of US postal codes ("86001-1234" is 86001); -1 for everything else."""
    digits = pl.col("postal_code").str.strip_chars().str.extract(r"^(\d{5})(?:-?\d{4})?$").cast(pl.Int64)
    american = pl.col("country").is_in(US_COUNTRIES).fill_null(False)
    return addresses.select(pl.when(american).then(digits).fill_null(-1)).to_series().to_numpy().astype(np.int64)


def _heat(zone: pl.Expr) -> pl.Expr:
    hot = zone.str.starts_with("A") | zone.is_in(["BWh", "BSh"])
    continental = zone.str.starts_with("D") & zone.str.tail(1).is_in(_COLD_ENDS)
    cold = zone.str.starts_with("E") | continental
    heat = pl.when(hot).then(pl.lit("hot")).when(cold).then(pl.lit("cold")).otherwise(pl.lit("moderate"))
    return pl.when(zone.is_not_null()).then(heat)
