"""The rows of single requests: the floor and our service under the same load, in turn."""

import json
from collections.abc import Callable

import asyncpg

from .http_load import Load, drive, request_bytes
from .processes import Served, family_cpu_seconds
from .report import Line, Round
from .stage import Stage

CONNECTIONS = 8
Make = Callable[[int], bytes]


def customer_of_turn(turn: int, customers: int) -> int:
    """Choose one of so many customers; spread over all of them, the same ones for both."""
    return turn * 7919 % customers + 1


def id_of(number: int) -> str:
    """Answer the id of a seeded customer."""
    return f"018f0000-0000-7000-8000-{number:012x}"


def get_one(customers: int, path: str, token: str) -> Make:
    """Make requests that read one of so many customers, another one each turn."""
    return lambda turn: request_bytes("GET", f"{path}/{id_of(customer_of_turn(turn, customers))}", token)


def _list(stage: Stage, path: str) -> Make:
    request = request_bytes("GET", path, stage.token)
    return lambda _: request


def _record(stage: Stage, path: str, mark: str, *, keyed: bool) -> Make:
    def make(turn: int) -> bytes:
        body = {
            "customer_id": id_of(customer_of_turn(turn, stage.customers)),
            "kind": "page.viewed",
            "channel": "web",
            "occurred_at": "2026-01-15T10:30:00+00:00",
            "properties": {"path": "/bikes"},
        }
        headers = [f"Idempotency-Key: {mark}-{turn}"] if keyed else []
        return request_bytes("POST", path, stage.token, json.dumps(body).encode(), *headers)

    return make


def _upsert(stage: Stage, path: str, mark: str) -> Make:
    def make(turn: int) -> bytes:
        number = customer_of_turn(turn, stage.customers)
        email = {"kind": "email", "value": f"Customer-{number}@bench.example"}
        body = {"display_name": f"Renamed {mark} {turn}", "contact_points": [email]}
        return request_bytes("PUT", path.format(number=number), stage.token, json.dumps(body).encode())

    return make


async def measure_requests(stage: Stage, rounds: int, seconds: float, wanted_rows: set[str]) -> list[Line]:
    """Measure reading one, listing 100, recording a touchpoint and upserting a customer."""
    connection: asyncpg.Connection = await stage.connect()
    await connection.execute("INSERT INTO bench_token VALUES ($1, 'bench') ON CONFLICT DO NOTHING", stage.token)
    await connection.close()
    listing = "?kind=person&limit=100&sort=created_at"
    rows: list[tuple[str, str, Callable[[str], Make], Callable[[str], Make]]] = [
        (
            "read one",
            "≥ .40, goal .70",
            lambda _: get_one(stage.customers, "/v1/customers", stage.token),
            lambda _: get_one(stage.customers, "/customers", stage.token),
        ),
        (
            "list 100",
            "≥ .45, goal .80",
            lambda _: _list(stage, f"/v1/customers{listing}"),
            lambda _: _list(stage, "/customers?kind=person"),
        ),
        (
            "create touchpoint",
            "≥ .35, goal .55",
            lambda mark: _record(stage, "/v1/touchpoints", mark, keyed=True),
            lambda mark: _record(stage, "/touchpoints", mark, keyed=False),
        ),
        (
            "upsert customer",
            "≥ .25, goal .45",
            lambda mark: _upsert(stage, "/v1/customers/by/bench/{number}", mark),
            lambda mark: _upsert(stage, "/customers/by/bench/{number}", mark),
        ),
    ]
    lines = []
    for work, wanted, ours, floor in rows:
        if wanted_rows and work not in wanted_rows:
            continue
        line = Line(work, f"{stage.customers:,}", wanted)
        await visit(stage, stage.floor, floor("warm"), 1.0)
        await visit(stage, stage.ours, ours("warm"), 1.0)
        for number in range(rounds):
            beside = await visit(stage, stage.floor, floor(f"f{number}"), seconds)
            mine = await visit(stage, stage.ours, ours(f"o{number}"), seconds)
            line.rounds.append(Round(mine["requests/s"] / beside["requests/s"], mine, beside))
        lines.append(line)
    return lines


async def visit(stage: Stage, served: Served, make: Make, seconds: float) -> dict[str, float]:
    """Send requests for a while, and answer what that gave and cost."""
    postmaster = stage.postgres.pid
    assert postmaster is not None
    before = served.cpu_seconds(), family_cpu_seconds(postmaster)
    load: Load = await drive(served.port, make, connections=CONNECTIONS, seconds=seconds)
    used = served.cpu_seconds() - before[0], family_cpu_seconds(postmaster) - before[1]
    return {
        "requests/s": load.rate,
        "p50 ms": load.p50,
        "p99 ms": load.p99,
        "server CPU µs": used[0] / load.requests * 1e6,
        "PostgreSQL CPU µs": used[1] / load.requests * 1e6,
        "peak MB": served.peak_bytes() / 1e6,
    }
