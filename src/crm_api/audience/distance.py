"""How far it is from where somebody is to a point, on a sphere: the node that asks, the formula, and a box around it.

Distances are those of great circles on a sphere of the earth's mean radius (Moritz, Geodetic Reference System 1980,
R1 = 6,371,008.8 m), which differ from those on the ellipsoid by at most about 0.6 percent. They are rounded to whole
meters, half to even, before they are compared: so SQL and memory agree, whatever the last bit of a sine is.

The formula is Vincenty's for equal axes, which is as good for neighbors as for antipodes (Survey Review XXIII, 176,
1975, p. 88).
"""

import math
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

from pydantic import MISSING, BeforeValidator, ConfigDict, Field, FiniteFloat, WithJsonSchema
from pydantic_core import PydanticCustomError

from .values import Comparing, Name, Node, Operator

RADIUS: Final = 6_371_008.8
"""Meters."""
_METERS: Final[dict[str, Decimal]] = {"m": Decimal(1), "km": Decimal(1000), "mi": Decimal("1609.344")}
UNITS: Final = tuple(_METERS)
SPELLED: Final = {"meters": "m", "metres": "m", "kilometers": "km", "kilometres": "km", "miles": "mi"}
UNIT_MISSING: Final = "a distance has a unit, m, km or mi: 25 km"
DECIMALS: Final = 6
"""Of degrees that are kept: a ninth of a meter."""
_SLACK: Final = 1.0
"""Meters that the box is wider than the circle, which covers what rounding does."""


def degrees(value: float) -> float:
    """Answer degrees as they are kept and compared."""
    return round(value, DECIMALS) + 0.0  # there is no -0.0


Latitude = Annotated[FiniteFloat, Field(ge=-90, le=90)]
Longitude = Annotated[FiniteFloat, Field(ge=-180, le=180)]


class Length(Node):
    """A length with its unit."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"length": 25, "unit": "km"}]})

    length: Annotated[int | FiniteFloat, Field(ge=0, le=1_000_000_000), WithJsonSchema({"type": "number"})]
    unit: Annotated[Literal["m", "km", "mi"], Field(description="Meters, kilometers or miles")]

    @property
    def meters(self) -> float:
        """The same in meters."""
        return float(Decimal(repr(self.length)) * _METERS[self.unit])


def _with_unit(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise PydanticCustomError("unit-missing", "{detail}", {"detail": UNIT_MISSING, "nearest": "km"})
    return value


Measured = Annotated[Length, BeforeValidator(_with_unit)]
TwoLengths = Annotated[list[Measured], Field(min_length=2, max_length=2, description="Near and far, both included")]


class DistanceTo(Comparing):
    """How far it is to a point, in whole meters along a great circle, compared by exactly one operator.

    Who is nowhere, because the address has no coordinates, is no match.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"distance": "address", "latitude": 52.52, "longitude": 13.4, "lte": {"length": 25, "unit": "km"}}
            ]
        }
    )
    _operators: ClassVar[dict[Operator, str]] = {name: name for name in ("gt", "gte", "lt", "lte", "between")}

    distance: Annotated[Name, Field(description="Field with the place", examples=["address"])]
    latitude: Annotated[Latitude, Field(description="Of the point, in degrees north")]
    longitude: Annotated[Longitude, Field(description="Of the point, in degrees east")]
    gt: Measured | MISSING = MISSING
    gte: Measured | MISSING = MISSING
    lt: Measured | MISSING = MISSING
    lte: Measured | MISSING = MISSING
    between: TwoLengths | MISSING = MISSING

    @property
    def point(self) -> "Point":
        """The point it is asked how far it is to."""
        return Point(degrees(self.latitude), degrees(self.longitude))

    @property
    def meters(self) -> float | list[float]:
        """What the distance is compared with."""
        _, value = self.comparison
        return [each.meters for each in value] if isinstance(value, list) else value.meters

    @property
    def farthest(self) -> float | None:
        """The meters within which all that is meant lies; None if it lies anywhere."""
        operator, _ = self.comparison
        meters = self.meters
        if isinstance(meters, list):
            return meters[1]
        return meters if operator in ("lt", "lte") else None


class Point(NamedTuple):
    """A place, in degrees."""

    latitude: float
    longitude: float


class Box(NamedTuple):
    """Where all places lie that are near enough: latitudes from and to, and ranges of longitudes, none if all."""

    south: float
    north: float
    longitudes: tuple[tuple[float, float], ...]


def meters_between(here: Point, there: Point) -> float:
    """Answer the distance in whole meters; `sql_distance.meters_to` says the same, operation for operation."""
    sine, cosine = math.sin(math.radians(here.latitude)), math.cos(math.radians(here.latitude))
    latitude = math.radians(there.latitude)
    turn = math.radians(there.longitude - here.longitude)
    east = math.cos(latitude) * math.sin(turn)
    north = cosine * math.sin(latitude) - sine * math.cos(latitude) * math.cos(turn)
    along = sine * math.sin(latitude) + cosine * math.cos(latitude) * math.cos(turn)
    return float(round(RADIUS * math.atan2(math.sqrt(east * east + north * north), along)))


def box_around(point: Point, meters: float) -> Box:
    """Answer a box that has every place in it that is so near, and some more.

    Its sides are the meridians that touch the circle: pole, point and touch make a right triangle on the sphere, so
    that sin(turn) = sin(angle) / cos(latitude).
    """
    angle = (meters + _SLACK) / RADIUS
    south, north = (point.latitude + sign * math.degrees(angle) for sign in (-1, 1))
    if south <= -90 or north >= 90:  # a pole is inside, and all meridians meet there
        return Box(max(south, -90.0), min(north, 90.0), ())
    turn = math.degrees(math.asin(min(1.0, math.sin(angle) / math.cos(math.radians(point.latitude)))))
    west, east = point.longitude - turn, point.longitude + turn
    if west < -180:
        return Box(south, north, ((-180.0, east), (west + 360, 180.0)))
    if east > 180:
        return Box(south, north, ((-180.0, east - 360), (west, 180.0)))
    return Box(south, north, ((west, east),))
