"""References between segments, and cycles of them."""

from uuid import UUID

from crm_api.audience import read_tree
from crm_api.segments.rules import cycle, next_size, references

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
