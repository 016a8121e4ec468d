"""How far it is to a point, as SQL: a box that an index serves, and the great circle in it."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Double, and_, func, literal, or_

from .catalog import Column, Field
from .distance import RADIUS, Box, DistanceTo, Point, box_around
from .sql_tests import compared

_DOUBLE: Final[Double[float]] = Double()


def is_so_far(field: Field, node: DistanceTo) -> ColumnElement[bool]:
    """Test how far a place is; NULL where it is nowhere."""
    latitude, longitude = place_columns(field)
    operator, _ = node.comparison
    test = compared(meters_to(latitude, longitude, node.point), operator, node.meters, _DOUBLE)
    if node.farthest is None:
        return test
    return and_(_inside(box_around(node.point, node.farthest), latitude, longitude), test)


def place_columns(field: Field) -> tuple[Column, Column]:
    """Answer the columns of a place: latitude and longitude."""
    assert field.beside is not None  # noqa: S101  # the field sees to it
    return field.column, field.beside  # type: ignore[return-value]  # no place follows the moment


def meters_to(latitude: Column, longitude: Column, point: Point) -> ColumnElement[Any]:
    """Answer the distance in whole meters; `distance.meters_between` says the same, operation for operation."""
    here = func.radians(literal(point.latitude, _DOUBLE))
    sine, cosine = func.sin(here), func.cos(here)
    there = func.radians(latitude)
    turn = func.radians(longitude - literal(point.longitude, _DOUBLE))
    east = func.cos(there) * func.sin(turn)
    north = cosine * func.sin(there) - sine * func.cos(there) * func.cos(turn)
    along = sine * func.sin(there) + cosine * func.cos(there) * func.cos(turn)
    angle = func.atan2(func.sqrt(east * east + north * north), along)
    return func.round(literal(RADIUS, _DOUBLE) * angle, type_=_DOUBLE)


def _inside(box: Box, latitude: Column, longitude: Column) -> ColumnElement[bool]:
    between = latitude.between(literal(box.south, _DOUBLE), literal(box.north, _DOUBLE))
    ranges = (longitude.between(literal(west, _DOUBLE), literal(east, _DOUBLE)) for west, east in box.longitudes)
    return and_(between, or_(*ranges)) if box.longitudes else between
