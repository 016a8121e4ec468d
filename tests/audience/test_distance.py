"""How far it is: known distances, boxes that lose nobody, units that are asked for."""

import math
from random import Random

import pytest
from pydantic import ValidationError

from crm_api.audience import check, depends_on, print_text, read_tree
from crm_api.audience.distance import Point, box_around, meters_between

from .test_parse_text import read, refusals
from .trees import Json
from .world import CATALOG, PLACES

BERLIN = Point(52.52, 13.405)
HOME: Json = {"distance": "home", "latitude": 52.52, "longitude": 13.405}


@pytest.mark.parametrize(
    ("here", "there", "meters"),
    [
        (BERLIN, BERLIN, 0),
        (Point(0, 0), Point(0, 180), 20_015_114),  # half around
        (Point(90, 0), Point(-90, 77), 20_015_114),
        (Point(90, 0), Point(90, 135), 0),
        (Point(0, 179.5), Point(0, -179.5), 111_195),  # a degree, over the date line
        (Point(10, 20), Point(11, 20), 111_195),
        # Nashville and Los Angeles, 2,886.4 km at a radius of 6,371 km in Sinnott's Virtues of the Haversine
        (Point(36.12, -86.67), Point(33.94, -118.40), 2_886_448),
    ],
)
def test_known_distances(here: Point, there: Point, meters: int) -> None:
    assert meters_between(here, there) == meters_between(there, here) == meters


def test_a_box_has_everything_in_it_that_is_near_enough() -> None:
    random = Random(5)
    points = [Point(*place) for place in PLACES]
    points += [Point(math.degrees(math.asin(random.uniform(-1, 1))), random.uniform(-180, 180)) for _ in range(150)]
    inside = 0
    for here in points:
        for there in points:
            meters = meters_between(here, there)
            south, north, longitudes = box_around(here, meters)
            assert south <= there.latitude <= north, (here, there)
            found = not longitudes or any(west <= there.longitude <= east for west, east in longitudes)
            assert found or abs(there.latitude) == 90, (here, there)
            narrow = box_around(here, meters / 2)
            inside += narrow.south <= there.latitude <= narrow.north
    assert inside < len(points) ** 2 * 0.7, "the boxes leave nobody out"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("distance(home, 52.52, 13.405) <= 25 km", HOME | {"lte": {"length": 25, "unit": "km"}}),
        ("distance(home, 52.52, 13.405) > 0.5 mi", HOME | {"gt": {"length": 0.5, "unit": "mi"}}),
        (
            "not distance(home, -33.8688, 151) between 500 m and 2 km",
            {
                "not": {
                    "distance": "home",
                    "latitude": -33.8688,
                    "longitude": 151,
                    "between": [{"length": 500, "unit": "m"}, {"length": 2, "unit": "km"}],
                }
            },
        ),
    ],
)
def test_text_and_tree(text: str, tree: Json) -> None:
    assert print_text(read_tree(tree)) == text
    assert read(text) == read(text.upper().replace("HOME", "home")) == read_tree(tree)
    assert not check(read_tree(tree), CATALOG)


@pytest.mark.parametrize(
    ("text", "place", "code", "near"),
    [
        ("distance(home, 1, 2) <= 25", (1, 27), "unit-missing", "km"),
        ("age > 3 and distance(home, 1, 2) <= 25 and age < 9", (1, 39), "unit-missing", "km"),
        ("distance(home, 1, 2) between 5 and 6 km", (1, 31), "unit-missing", "km"),
        ("distance(home, 1, 2) <= 25 kms", (1, 28), "unknown-unit", "km"),
        ("distance(home, 1, 2) <= 25 miles and age > 1", (1, 28), "unknown-unit", "mi"),
        ("distance(home, 1, 2) <= 5 km ad age > 3", (1, 30), "unexpected", "and"),
        ("distance(home, 1, 2) <= 5 km and age > 3 ad age < 5", (1, 42), "unexpected", "and"),
        ("distance(home, 91, 2) <= 5 km", (1, 16), "less_than_equal", None),
        ("distance(home, 1, -180.5) <= 5 km", (1, 19), "greater_than_equal", None),
        ("distance(home, 1, 2) <= -5 km", (1, 25), "greater_than_equal", None),
        ("distance(home, 1, 2) = 5 km", (1, 22), "unexpected", None),
        ("distence(home, 1, 2) <= 5 km", (1, 1), "unknown-function", "distance"),
    ],
)
def test_faults_in_text(text: str, place: tuple[int, int], code: str, near: str | None) -> None:
    assert (*place, code, near) in refusals(text), refusals(text)


def test_a_bare_number_is_refused_with_the_unit_that_is_missing() -> None:
    with pytest.raises(ValidationError) as refused:
        read_tree(HOME | {"lte": 25})
    [error] = refused.value.errors()
    assert (error["type"], error["ctx"]["nearest"]) == ("unit-missing", "km") and "25 km" in error["msg"]


@pytest.mark.parametrize(
    ("tree", "pointer", "code", "near"),
    [
        (HOME | {"distance": "hone", "lt": {"length": 1, "unit": "m"}}, "/distance", "no-place", "home"),
        (HOME | {"distance": "age", "lt": {"length": 1, "unit": "m"}}, "/distance", "no-place", "home"),
        (
            HOME | {"between": [{"length": 2, "unit": "km"}, {"length": 1, "unit": "mi"}]},
            "/between",
            "empty-range",
            None,
        ),
        ({"field": "home", "known": True}, "/known", "operator-not-offered", None),
        (
            {
                "count": {"touchpoint": "x", "where": HOME | {"lt": {"length": 1, "unit": "m"}}},
                "gte": 1,
            },
            "/count/where/distance",
            "not-offered-here",
            None,
        ),
    ],
)
def test_faults_of_meaning(tree: Json, pointer: str, code: str, near: str | None) -> None:
    [found] = check(read_tree(tree), CATALOG)
    assert (found.pointer, found.code, found.nearest) == (pointer, code, near)


def test_it_depends_on_what_the_place_does() -> None:
    assert depends_on(read_tree(HOME | {"lt": {"length": 1, "unit": "m"}}), CATALOG) == {"home"}
