"""Strategies of hypothesis: trees that fit the catalog of the world, as JSON values."""

from typing import Any

from hypothesis import strategies as st

from .world import KINDS, NAMES, PLACES, SEGMENTS, SKUS

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


_days = st.sampled_from(["P1D", "P7D", "P2W", "P1M", "P12M", "P366D"])


def _near_today(name: str) -> st.SearchStrategy[Json]:
    """Tests of a date or a time that compare it with today."""
    return _near.map(lambda found: {"field": name, **found})


_near = st.one_of(
    st.builds(lambda operator, text: {operator: text}, st.sampled_from(["within_last", "within_next"]), _days),
    st.builds(
        lambda text, leap: {"anniversary_within_next": text, **leap},
        _days,
        st.sampled_from([{}, {"leap": "02-28"}, {"leap": "03-01"}]),
    ),
)
_windowable_dates = st.sampled_from(["2026-03-08", "2026-03-29", "2024-02-29", "1900-01-01"])
_ORDERED = "eq ne in gt gte lt lte between known"
_field_tests = st.one_of(
    _tests("name", "eq ne in like known", _texts),
    _tests("country", "eq ne in known", st.sampled_from(["DE", "AT", "CH"])),
    _tests("age", _ORDERED, _integers),
    _tests("weight", _ORDERED, _numbers),
    _tests("born_on", _ORDERED, _dates),
    _near_today("born_on"),
    _near_today("seen_at"),
    _tests("seen_at", "gt gte lt lte", _windowable_dates),
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
    _tests("amount", "eq ne gt gte lt lte between known", _money),
    _tests("properties.path", "eq ne in like known", st.sampled_from(["/bikes/1", "/bikes", ""])),
    _tests("properties.path", "eq ne in gt gte lt lte between", st.sampled_from([2, 3, 3.5])),
    _tests("properties.path", "eq ne in", st.booleans()),
    _tests("properties.n", "eq lte known", st.sampled_from([2.5, 2])),
)
_line_tests = st.one_of(
    _tests("sku", "eq ne in like known", st.sampled_from([*SKUS])),
    _tests("quantity", _ORDERED, st.sampled_from([0.25, 1, 2])),
    _tests("paid", "eq ne gt gte lt lte between known", _money),
    _tests("category", "eq ne in like known", st.sampled_from(["MEAT", "meat", "DAIRY"])),
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


def _touchpoints(*, items: bool = False) -> st.SearchStrategy[Json]:
    """Touchpoints of a kind, narrowed or not; with `items` always by their lines."""
    lines = _branched(_line_tests, 3).map(lambda tree: {"items": tree})
    return st.builds(
        lambda kind, where, line: {"touchpoint": kind, **where, **line},
        st.sampled_from(KINDS),
        st.one_of(st.just({}), _branched(_where_tests, 3).map(lambda tree: {"where": tree})),
        lines if items else st.one_of(st.just({}), lines),
    )


_chosen = _touchpoints()
_amounts = st.sampled_from(["amount", "items.paid"])
_shares = st.sampled_from([0, 0.2, 0.25, 0.5, 1, 1.5, -0.1])
_ratios = st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte", "between"]).flatmap(
    lambda operator: _operands(operator, _shares).map(lambda operand: {operator: operand})
)
_pieces = st.sampled_from([0, 0.25, 1, 1.25, 2])
_quantities = st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte", "between"]).flatmap(
    lambda operator: _operands(operator, _pieces).map(lambda operand: {operator: operand})
)
_when = st.one_of(
    _near,
    st.just({"within_last": "PT25H"}),
    st.sampled_from(["eq", "gt", "gte", "lt", "lte", "between"]).flatmap(
        lambda operator: _operands(operator, _windowable_dates).map(lambda operand: {operator: operand})
    ),
    st.sampled_from(["gt", "gte", "lt", "lte", "between"]).flatmap(
        lambda operator: _operands(operator, _instants).map(lambda operand: {operator: operand})
    ),
)
_windows = st.sampled_from(WINDOWS)
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
        lambda amount, chosen, window, total: {"sum": amount, "of": chosen} | window | total,
        _amounts,
        _chosen,
        _windows,
        _sums,
    ),
    st.builds(
        lambda chosen, window, total: {"sum": "items.quantity", "of": chosen} | window | total,
        _chosen,
        _windows,
        _quantities,
    ),
    st.builds(
        lambda amount, chosen, window, total: {"average": amount, "of": chosen} | window | total,
        _amounts,
        _chosen,
        _windows,
        _sums,
    ),
    st.builds(
        lambda amount, chosen, window, share: {"share": amount, "of": chosen} | window | share,
        st.sampled_from(["items.paid", "items.quantity"]),
        _touchpoints(items=True),
        _windows,
        _ratios,
    ),
    st.builds(lambda chosen, window: {"never": chosen} | window, _chosen, _windows),
    st.builds(
        lambda edge, chosen, window, when: {edge: chosen} | window | when,
        st.sampled_from(["first", "latest"]),
        _chosen,
        _windows,
        _when,
    ),
)
_buckets = st.builds(
    lambda name, of, count: {"bucket": name, "of": of} | count, st.sampled_from(["a", "b "]), st.integers(2, 6), _counts
)

_lengths = st.one_of(
    st.sampled_from([0, 0.5, 27.123, 100, 5000, 20_015, 20_100]).map(lambda length: {"length": length, "unit": "km"}),
    st.sampled_from([0, 1, 22239, 20_015_115, 1_000_000_000]).map(lambda length: {"length": length, "unit": "m"}),
    st.sampled_from([0, 16.5, 6000, 12_436.94]).map(lambda length: {"length": length, "unit": "mi"}),
)
_METERS = {"km": 1000.0, "m": 1.0, "mi": 1609.344}
_points = st.one_of(
    st.sampled_from(PLACES),
    st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
    st.sampled_from([(52, 13), (-1e-7, 180)]),
)
distances = st.builds(
    lambda point, compared: {"distance": "home", "latitude": point[0], "longitude": point[1]} | compared,
    _points,
    st.one_of(
        st.builds(lambda operator, length: {operator: length}, st.sampled_from(["gt", "gte", "lt", "lte"]), _lengths),
        st.lists(_lengths, min_size=2, max_size=2).map(
            lambda ends: {"between": sorted(ends, key=lambda end: end["length"] * _METERS[end["unit"]])}
        ),
    ),
)

_of_members = _branched(
    st.one_of(_field_tests, _segments, _buckets, distances, _aggregates.filter(lambda tree: "PT" not in str(tree))), 3
)
households = st.builds(lambda which, tree: {f"household_{which}": tree}, st.sampled_from(["any", "all"]), _of_members)

trees = _branched(st.one_of(_field_tests, _segments, _buckets, distances, households, _aggregates, _aggregates), 6)
"""Trees of every kind of node, which the catalog of the world accepts."""
