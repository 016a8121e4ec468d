"""Strategies of hypothesis: trees that fit the catalog of the world, as JSON values."""

from typing import Any

from hypothesis import strategies as st

from .world import KINDS, NAMES, SEGMENTS

Json = dict[str, Any]

PATTERNS = ("*", "a*", "*A", "*s*s*", "100%_\\", "100*", "_*", "%", "a*b", "Straße", "*ß*", "")
DURATIONS = ("P1D", "P7D", "P1W", "P2W", "P28D", "P1M", "P2M", "P14M", "PT24H", "PT25H", "PT1M")
WINDOWS: tuple[Json, ...] = (
    {},
    *({"last": duration} for duration in DURATIONS),
    {"from": "2026-03-08"},
    {"until": "2026-03-09"},
    {"from": "2026-03-08", "until": "2026-03-09"},
    {"from": "2026-03-01", "until": "2026-11-02"},
)

_money = st.one_of(
    st.sampled_from(["-2.50", "0.00", "1.00", "2.50", "5.00", "12.30", "500.00"]).map(
        lambda amount: {"amount": amount, "currency": "EUR"}
    ),
    st.sampled_from(["-250", "0", "100", "250", "500", "1230"]).map(
        lambda amount: {"amount": amount, "currency": "JPY"}
    ),
)
_euros = _money.filter(lambda money: money["currency"] == "EUR")
_instants = st.sampled_from(["2026-03-08T05:00:00Z", "2026-11-01T00:00:00-04:00", "2026-03-29T00:59:00+00:00"])
_texts = st.sampled_from([*NAMES, "Straße", " ANNA ", "ａｎｎａ"])
_integers = st.sampled_from([-1, 0, 1, 5, 29, 30, 31, 2**40])
_numbers = st.sampled_from([0.1, 0.3, 70.5, 70, 0, -1.5e300])
_dates = st.sampled_from(["2000-02-29", "1900-01-01", "2026-03-08", "0001-01-01", "9999-12-31"])


def _tests(name: str, operators: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """Tests of one field by any of its operators."""
    return st.sampled_from(operators.split()).flatmap(
        lambda operator: _operands(operator, values).map(lambda operand: {"field": name, operator: operand})
    )


def _operands(operator: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    if operator == "known":
        return st.booleans()
    if operator == "like":
        return st.sampled_from(PATTERNS)
    if operator == "in":
        return st.lists(values, min_size=1, max_size=3)
    if operator == "between":
        return (
            st.lists(values, min_size=2, max_size=2).map(lambda ends: sorted(ends, key=_size)).filter(_in_one_currency)
        )
    return values


def _size(value: Any) -> Any:
    return float(value["amount"]) if isinstance(value, dict) else value


def _in_one_currency(ends: list[Any]) -> bool:
    return not isinstance(ends[0], dict) or ends[0]["currency"] == ends[1]["currency"]


_ORDERED = "eq ne in gt gte lt lte between known"
_field_tests = st.one_of(
    _tests("name", "eq ne in like known", _texts),
    _tests("country", "eq ne in known", st.sampled_from(["DE", "AT", "CH"])),
    _tests("age", _ORDERED, _integers),
    _tests("weight", _ORDERED, _numbers),
    _tests("born_on", _ORDERED, _dates),
    _tests("is_active", "eq known", st.booleans()),
    _tests("seen_at", "gt gte lt lte known", _instants),
    _tests("balance", "eq ne gt gte lt lte between known", _money),
    _tests("tags", "has", st.sampled_from(["VIP", "new", "none"])),
    _tests("labels", "has", st.sampled_from(["vip", "New", "none"])),
    _tests("score.recency", _ORDERED, _integers),
    _tests("score.spent", "eq ne gt gte lt lte between known", _euros),
)
_segments = st.sampled_from([*SEGMENTS]).map(lambda segment: {"segment": str(segment)})
_where_tests = st.one_of(
    _tests("channel", "eq ne in like known", st.sampled_from(["web", "Web", "shop"])),
    _tests("subject", "eq ne in like known", _texts),
)


def _branched(leaves: st.SearchStrategy[Json], most: int) -> st.SearchStrategy[Json]:
    return st.recursive(
        leaves,
        lambda nodes: st.one_of(
            st.lists(nodes, min_size=1, max_size=3).map(lambda branches: {"all": branches}),
            st.lists(nodes, min_size=1, max_size=3).map(lambda branches: {"any": branches}),
            nodes.map(lambda node: {"not": node}),
        ),
        max_leaves=most,
    )


_chosen = st.one_of(
    st.sampled_from(KINDS).map(lambda kind: {"touchpoint": kind}),
    st.builds(
        lambda kind, where: {"touchpoint": kind, "where": where}, st.sampled_from(KINDS), _branched(_where_tests, 3)
    ),
)
_counts = st.one_of(
    st.builds(
        lambda operator, number: {operator: number},
        st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"]),
        st.integers(0, 4),
    ),
    st.tuples(st.integers(0, 2), st.integers(2, 5)).map(lambda ends: {"between": list(ends)}),
)
_sums = st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte", "between"]).flatmap(
    lambda operator: _operands(operator, _money).map(lambda operand: {operator: operand})
)
_aggregates = st.one_of(
    st.builds(
        lambda chosen, window, count: {"count": chosen} | window | count, _chosen, st.sampled_from(WINDOWS), _counts
    ),
    st.builds(
        lambda chosen, window, total: {"sum": "amount", "of": chosen} | window | total,
        _chosen,
        st.sampled_from(WINDOWS),
        _sums,
    ),
)

trees = _branched(st.one_of(_field_tests, _segments, _aggregates, _aggregates), 6)
"""Trees of every kind of node, which the catalog of the world accepts."""
