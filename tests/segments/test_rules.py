"""What is true of definitions without a database: references, cycles, time."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from crm_api.audience import Catalog, Moment, next_move, read_tree
from crm_api.customers.fields import profile_fields
from crm_api.segments.rules import cycle, next_size, references
from crm_api.touchpoints.fields import COUNTABLE

A, B, C, D = (UUID(int=number) for number in range(1, 5))


def test_references_are_found_with_their_places() -> None:
    tree = read_tree(
        {
            "all": [
                {"segment": str(A)},
                {"any": [{"field": "country", "eq": "DE"}, {"not": {"segment": str(B)}}]},
                {"count": {"touchpoint": "page.viewed", "where": {"field": "channel", "eq": "web"}}, "gte": 1},
            ]
        }
    )
    assert list(references(tree)) == [("/all/0/segment", A), ("/all/1/any/1/not/segment", B)]
    assert list(references(read_tree({"field": "country", "eq": "DE"}))) == []


def graph(**edges: tuple[UUID, ...]) -> dict[UUID, frozenset[UUID]]:
    return {{"A": A, "B": B, "C": C, "D": D}[name]: frozenset(others) for name, others in edges.items()}


def test_a_cycle_is_told_from_its_start_back_to_it() -> None:
    assert cycle(A, graph(A=(A,))) == [A, A]
    assert cycle(A, graph(A=(B,), B=(A,))) == [A, B, A]
    assert cycle(A, graph(A=(B,), B=(C, D), C=(D,), D=(A,))) == [A, B, D, A]


def test_what_does_not_come_back_is_no_cycle() -> None:
    assert cycle(A, graph(A=(B, C), B=(D,), C=(D,))) is None
    assert cycle(A, graph(A=(B,), B=(C,), C=(B,))) is None, "a cycle elsewhere is not this segment's"
    assert cycle(A, {}) is None


def test_the_size_of_steps_follows_the_time_they_take() -> None:
    assert next_size(10_000, 5, 50_000) == 10_000
    assert next_size(10_000, 2.5, 50_000) == 20_000
    assert next_size(10_000, 0.0, 50_000) == 40_000, "fourfold at most"
    assert next_size(20_000, 0.1, 50_000) == 50_000
    assert next_size(10_000, 29, 50_000) == 2_500
    assert next_size(1, 29, 50_000) == 1


_NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"field": "country", "eq": "DE"}, None),
        ({"count": {"touchpoint": "page.viewed"}, "last": "PT2H", "gte": 1}, None),
        ({"count": {"touchpoint": "page.viewed"}, "gte": 1}, None),
        ({"count": {"touchpoint": "page.viewed"}, "last": "P2W", "gte": 1}, "2026-03-08T05:00:00+00:00"),
        ({"not": {"field": "age", "gte": 18}}, "2026-03-08T05:00:00+00:00"),
        ({"field": "created_at", "within_last": "P7D"}, "2026-03-08T05:00:00+00:00"),
        ({"field": "created_at", "within_last": "PT6H"}, "2026-03-07T10:30:00+00:00"),
        ({"field": "birth_date", "anniversary_within_next": "P7D"}, "2026-03-07T11:00:00+00:00"),
    ],
)
def test_when_time_alone_can_change_members(tree: Any, expected: str | None) -> None:
    moment = Moment(datetime(2026, 3, 7, 10, 17, 42, 5, tzinfo=UTC), _NEW_YORK)
    catalog = Catalog(profile_fields(), COUNTABLE)
    found = next_move(read_tree(tree), catalog, moment)
    assert (found and found.isoformat()) == expected
