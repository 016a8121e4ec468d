"""The bulk door, on a planted domain of pairs: whatever arrives, in whatever pieces, each line is told its fate."""

import asyncio
import gzip
import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any

import orjson
import pytest
import zstandard
from fastapi import APIRouter, FastAPI, Query, Request, Security
from httpx import ASGITransport, AsyncClient
from pydantic import Field
from sqlalchemy import text
from starlette.responses import Response

from crm_api.access import Principal, authorize
from crm_api.app import create_app
from crm_api.core.batch import Batch, BatchParams, Intake, Outcome, Stored
from crm_api.core.csv_records import column_problem
from crm_api.core.db import Database, driver
from crm_api.core.ids import source_id_uuid
from crm_api.core.problems import Problem
from crm_api.core.route import Route
from crm_api.core.schemas import Input
from crm_api.settings import Settings
from tests.calling import Api, problem

NDJSON = {"Content-Type": "application/x-ndjson"}
GOOD = {"key": "a", "value": 1}


class Pair(Input):
    """A planted row."""

    key: Annotated[str, Field(min_length=1, max_length=100)]
    value: Annotated[int, Field(ge=-(10**9), le=10**9)]
    about: Annotated[dict[str, Any], Field(default_factory=dict)]


class PairConflict(Problem, status=409, code="planted-pair-conflict", title="The key has another value"):
    """Planted by a test: a key was loaded with two different values, and the first one stays as it is."""


async def store(intake: Intake, rows: Sequence[Pair]) -> list[Outcome]:
    connection = await driver(intake.session)
    await connection.execute("CREATE TEMP TABLE came (LIKE planted_pair) ON COMMIT DROP")
    wanted = {row.key: row.value for row in reversed(rows)}
    ids = {key: source_id_uuid("planted", key) for key in wanted}
    await connection.copy_records_to_table(
        "came", records=[(ids[key], key, value) for key, value in wanted.items()], columns=["id", "key", "value"]
    )
    created = {
        row["key"]
        for row in await connection.fetch(
            "INSERT INTO planted_pair SELECT * FROM came ON CONFLICT DO NOTHING RETURNING key"
        )
    }
    values = {
        row["key"]: row["value"]
        for row in await connection.fetch("SELECT key, value FROM planted_pair WHERE key = ANY($1)", list(wanted))
    }
    await connection.execute("DROP TABLE came")  # an atomic batch comes again in the same transaction
    outcomes: list[Outcome] = []
    for row in rows:
        if values[row.key] != row.value:
            outcomes.append(PairConflict(f"{row.key} is {values[row.key]}"))
            continue
        outcomes.append(Stored("created" if row.key in created else "repeated", ids[row.key]))
        created.discard(row.key)
    return outcomes


def pair_csv(header: Sequence[str]) -> Callable[[list[str]], Any]:
    for name in header:
        if name not in ("key", "value"):
            raise column_problem(name, "is unknown")

    def make(cells: list[str]) -> Any:
        row: dict[str, Any] = dict(zip(header, cells, strict=True))
        if row.get("value", "").lstrip("-").isdigit():
            row["value"] = int(row["value"])
        return row

    return make


BATCH = Batch("planted", Pair, store, csv=pair_csv)
router = APIRouter(route_class=Route)


@router.post("/v1/planted/batch", summary="Load pairs", **BATCH.documentation())
async def load_planted(
    request: Request,
    params: Annotated[BatchParams, Query()],
    who: Annotated[Principal, Security(authorize, scopes=["customers:write"])],
) -> Response:
    """Load pairs. Scope: customers:write."""
    return await BATCH.answer(request, params, who.client_id)


@router.post("/v1/planted")
async def keep_planted(pair: Pair) -> None:
    """Give the schema its place in the document."""


@pytest.fixture(scope="module")
async def planted(settings: Settings, database: Database) -> AsyncIterator[FastAPI]:
    """The service with a bulk operation of its own."""
    async with database.session() as session:
        await session.execute(text("CREATE TABLE planted_pair (id uuid PRIMARY KEY, key text NOT NULL, value int)"))
    made = create_app(settings)
    made.router.routes.extend(router.routes)
    async with made.router.lifespan_context(made):
        yield made
    async with database.session() as session:
        await session.execute(text("DROP TABLE planted_pair"))


@pytest.fixture
async def pairs(planted: FastAPI, database: Database, token: str, clean: None) -> AsyncIterator[Api]:
    async with database.session() as session:
        await session.execute(text("TRUNCATE planted_pair"))
    async with AsyncClient(transport=ASGITransport(planted), base_url="http://crm.test", timeout=60) as client:
        yield Api(client, NDJSON).bearing(token)


async def stored(database: Database) -> dict[str, int]:
    async with database.session() as session:
        return {row.key: row.value for row in await session.execute(text("SELECT key, value FROM planted_pair"))}


def ndjson(*rows: Any) -> bytes:
    return b"".join(row + b"\n" if isinstance(row, bytes) else orjson.dumps(row) + b"\n" for row in rows)


def lines(answer: Any) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in answer.splitlines()]


async def load(api: Api, body: Any, query: str = "", **options: Any) -> list[dict[str, Any]]:
    answer = await api.send("POST", f"/v1/planted/batch{query}", content=body, expect=200, **options)
    assert answer.headers["content-type"] == "application/x-ndjson"
    return lines(answer.text)


async def test_lines_are_stored_and_counted(pairs: Api, database: Database) -> None:
    found = await load(pairs, ndjson({"key": "a", "value": 1}, {"key": "b", "value": 2}))
    assert found == [{"summary": {"received": 2, "created": 2, "repeated": 0, "rejected": 0}}]
    assert await stored(database) == {"a": 1, "b": 2}


async def test_an_empty_body_is_an_empty_batch(pairs: Api) -> None:
    for body in (b"", b"\n \n\r\n"):
        assert await load(pairs, body) == [{"summary": {"received": 0, "created": 0, "repeated": 0, "rejected": 0}}]


async def test_sending_again_stores_nothing_twice(pairs: Api, database: Database) -> None:
    body = ndjson(*({"key": f"k{n}", "value": n} for n in range(300)))
    await load(pairs, body)
    assert (await load(pairs, body))[-1]["summary"] == {"received": 300, "created": 0, "repeated": 300, "rejected": 0}
    assert len(await stored(database)) == 300


async def test_the_same_line_twice_in_one_batch_is_repeated(pairs: Api) -> None:
    assert (await load(pairs, ndjson(GOOD, GOOD)))[-1]["summary"] == {
        "received": 2,
        "created": 1,
        "repeated": 1,
        "rejected": 0,
    }


async def test_problems_stand_in_the_order_of_the_input(pairs: Api, database: Database) -> None:
    found = await load(pairs, ndjson({"key": "a", "value": 1}, b"{", {"key": "a", "value": 2}, {"key": "", "value": 3}))
    assert [(line["index"], line["status"], line["problem"]["code"]) for line in found[:-1]] == [
        (1, 400, "invalid-json"),
        (2, 409, "planted-pair-conflict"),
        (3, 422, "invalid-request"),
    ]
    assert found[-1] == {"summary": {"received": 4, "created": 1, "repeated": 0, "rejected": 3}}
    assert await stored(database) == {"a": 1}


async def test_all_results_are_told_on_request(pairs: Api) -> None:
    found = await load(pairs, ndjson(GOOD, b"[]", GOOD), "?results=all")
    id = str(source_id_uuid("planted", "a"))
    assert found[0] == {"index": 0, "status": 201, "result": "created", "id": id}
    assert found[1]["status"] == 422
    assert found[2] == {"index": 2, "status": 200, "result": "repeated", "id": id}


BAD = {
    "cut off": b'{"key": "a", "value": 1',
    "not an object": b"17",
    "two documents": b'{"key": "a", "value": 1} {"key": "b", "value": 1}',
    "two rows with a comma": b'{"key": "a", "value": 1},{"key": "b", "value": 1}',
    "half of an array": b'{"key": "a", "value": 1},{"key":"b","value":2,"about":{"x":[{}',
    "its other half": b"{}]}}",
    "missing field": b'{"key": "a"}',
    "unknown field": b'{"key": "a", "value": 1, "more": 1}',
    "wrong type": b'{"key": "a", "value": "1"}',
    "a number too large for its field": b'{"key": "a", "value": 123456789012345678901234567890}',
    "a number too large inside": b'{"key": "a", "value": 1, "about": {"n": [123456789012345678901234567890]}}',
    "a float beyond floats": b'{"key": "a", "value": 1, "about": {"n": 1e999}}',
    "NaN": b'{"key": "a", "value": 1, "about": {"n": NaN}}',
    "Infinity": b'{"key": "a", "value": 1, "about": {"n": -Infinity}}',
    "a key twice": b'{"key":"a","value":1,"key":"a"}',
    "a key twice, once escaped": b'{"key":"a","value":1,"\\u006bey":"a"}',
    "a key twice, once apart from its colon": b'{"key":"a","value":1,"key" :"a"}',
    "a key twice inside": b'{"key":"a","value":1,"about":{"x":{"y":1,"y":2}}}',
    "NUL": b'{"key":"a\\u0000","value":1}',
    "a raw NUL": b'{"key":"a\x00","value":1}',
    "NUL in a key": b'{"key":"a","value":1,"about":{"\\u0000":1}}',
    "half a surrogate pair": b'{"key":"\\ud800","value":1}',
    "an encoded surrogate": b'{"key":"\xed\xa0\x80","value":1}',
    "not UTF-8": b'{"key":"\xff","value":1}',
    "UTF-16": '{"key":"a","value":1}'.encode("utf-16-le").replace(b"\n", b" "),
    "a byte order mark": b'\xef\xbb\xbf{"key":"a","value":1}',
    "too deep": b'{"key":"a","value":1,"about":' + 65 * b'{"a":' + b"1" + 65 * b"}" + b"}",
    "far too deep": b'{"key":"a","value":1,"about":' + 100_000 * b"[" + b"}",
    "a comma too many": b'{"key":"a","value":1,}',
    "single quotes": b"{'key':'a','value':1}",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
async def test_a_bad_line_is_told_and_hurts_no_other(pairs: Api, database: Database, bad: bytes) -> None:
    found = await load(pairs, ndjson({"key": "x", "value": 1}, bad, {"key": "y", "value": 2}))
    assert found[-1] == {"summary": {"received": 3, "created": 2, "repeated": 0, "rejected": 1}}
    (told,) = found[:-1]
    assert told["index"] == 1
    assert told["status"] == told["problem"]["status"]
    assert told["status"] in (400, 422)
    assert told["problem"]["type"] == f"/docs/problems/{told['problem']['code']}"
    assert await stored(database) == {"x": 1, "y": 2}


async def test_all_bad_lines_together_are_all_told(pairs: Api, database: Database) -> None:
    found = await load(pairs, ndjson(*BAD.values()))
    assert [line["index"] for line in found[:-1]] == list(range(len(BAD)))
    assert await stored(database) == {}


@pytest.mark.parametrize(
    "good",
    [
        b'{ "key" : "a" , "value" : 1 }',
        b'\t{"key":"a","value":1}\r',
        b'{"key":"a","value":1,"about":{"\\":":1,"x":"\\":"}}',
        b'{"key":"a","value":1,"about":{"x":"y : z", "n": 12345678901234567, "e": 1e3}}',
        '{"key":"a","value":1,"about":{"x":"😀 \\ud83d\\ude00 NaN"}}'.encode(),
    ],
)
async def test_unusual_lines_that_are_right_are_taken(pairs: Api, good: bytes) -> None:
    assert (await load(pairs, ndjson(good)))[-1]["summary"]["created"] == 1


async def test_pointers_lead_into_the_line(pairs: Api) -> None:
    found = await load(pairs, ndjson(b'{"key":"a","value":1,"about":{"x":{"y":1,"y":2}}}', {"key": "", "value": 1}))
    assert [line["problem"]["errors"][0]["pointer"] for line in found[:-1]] == ["/about/x/y", "/key"]
    assert {line["problem"]["errors"][0]["in"] for line in found[:-1]} == {"line"}


async def test_a_line_too_long_is_left_out(pairs: Api, database: Database, settings: Settings) -> None:
    long = orjson.dumps({"key": "x" * settings.max_body_bytes, "value": 1})
    found = await load(pairs, ndjson({"key": "a", "value": 1}, long, {"key": "b", "value": 2}, long))
    assert [(line["index"], line["status"], line["problem"]["code"]) for line in found[:-1]] == [
        (1, 413, "line-too-long"),
        (3, 413, "line-too-long"),
    ]
    assert await stored(database) == {"a": 1, "b": 2}


async def test_the_last_line_needs_no_end(pairs: Api) -> None:
    assert (await load(pairs, ndjson(GOOD).rstrip()))[-1]["summary"]["created"] == 1


async def test_pieces_may_be_cut_anywhere(pairs: Api) -> None:
    body = ndjson(*({"key": f"ключ {n} 😀", "value": n} for n in range(200)), b"bad", GOOD)
    for seed in range(5):
        found = await load(pairs, _pieces(body, random.Random(seed)))
        assert found[-1]["summary"]["received"] == 202
        assert [line["index"] for line in found[:-1]] == [200]


async def _pieces(body: bytes, chance: random.Random) -> AsyncIterator[bytes]:
    while body:
        size = chance.choice([0, 1, 7, 300])
        yield body[:size]
        body = body[size:]


def zstd(body: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(body)


@pytest.mark.parametrize(("name", "compress"), [("gzip", gzip.compress), ("zstd", zstd)])
async def test_compressed_bodies(pairs: Api, name: str, compress: Callable[[bytes], bytes]) -> None:
    body = ndjson(*({"key": f"k{n}", "value": n} for n in range(12_000)))
    half = len(body) // 2
    coded = {"Content-Encoding": name}
    assert (await load(pairs, compress(body), headers=coded))[-1]["summary"]["created"] == 12_000
    joined = compress(body[:half]) + compress(body[half:])
    assert (await load(pairs, joined, headers=coded))[-1]["summary"]["repeated"] == 12_000
    in_pieces = _pieces(joined, random.Random(1))
    assert (await load(pairs, in_pieces, headers=coded))[-1]["summary"]["repeated"] == 12_000


@pytest.mark.parametrize(("name", "compress"), [("gzip", gzip.compress), ("zstd", zstd)])
async def test_a_truncated_compressed_body_is_a_problem(
    pairs: Api, database: Database, name: str, compress: Callable[[bytes], bytes]
) -> None:
    rows = [{"key": f"{n}-{random.Random(n).random()}", "value": n} for n in range(12_000)]
    cut = compress(ndjson(*rows))[:-20]
    answer = await pairs.post(
        "/v1/planted/batch",
        content=cut,
        headers={"Content-Encoding": name},
        expect=problem("bad-content-encoding", 400),
    )
    assert answer["summary"]["created"] == len(await stored(database)) < 12_000
    whole = await load(pairs, ndjson(*rows))
    assert whole[-1]["summary"]["created"] == 12_000 - answer["summary"]["created"]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("gzip", b"this is not gzip at all"),
        ("zstd", b"this is not zstd at all"),
        ("gzip", gzip.compress(ndjson(GOOD)) + b"garbage"),
        ("gzip", gzip.compress(ndjson(GOOD))[:-8] + b"\0" * 8),
    ],
    # gzip writes the time into what it makes, so the bodies are no names: every runner of tests would have its own.
    ids=["not gzip", "not zstd", "garbage after the end", "a wrong checksum"],
)
async def test_a_damaged_compressed_body_is_a_problem(pairs: Api, name: str, body: bytes) -> None:
    await pairs.post(
        "/v1/planted/batch",
        content=body,
        headers={"Content-Encoding": name},
        expect=problem("bad-content-encoding", 400),
    )


@pytest.mark.parametrize(
    ("name", "bomb"),
    [
        ("gzip", gzip.compress(b"0" * 80_000_000, 9)),
        ("gzip", gzip.compress(b"\n" * 80_000_000, 9)),
        ("zstd", zstandard.ZstdCompressor(level=19).compress(b"0" * 80_000_000)),
    ],
    ids=["a long line", "empty lines", "zstd"],
)
async def test_bombs_are_refused(pairs: Api, name: str, bomb: bytes) -> None:
    await pairs.post(
        "/v1/planted/batch", content=bomb, headers={"Content-Encoding": name}, expect=problem("expands-too-much", 413)
    )


async def test_other_encodings_and_types_are_refused(pairs: Api) -> None:
    for headers in ({"Content-Encoding": "br"}, {"Content-Encoding": "gzip, gzip"}, {"Content-Type": "text/plain"}):
        await pairs.post(
            "/v1/planted/batch", content=ndjson(GOOD), headers=headers, expect=problem("unsupported-media-type", 415)
        )


async def test_atomic_stores_everything_or_nothing(pairs: Api, database: Database) -> None:
    many = [{"key": f"k{n}", "value": n} for n in range(11_000)]
    refused = await pairs.post(
        "/v1/planted/batch?atomic=true",
        content=ndjson(*many, {"key": "k7", "value": 8}, {"key": "z", "value": 1}),
        expect=problem("batch-refused", 422),
    )
    assert refused["errors"][0]["pointer"] == "/11000"
    assert refused["errors"][0]["code"] == "planted-pair-conflict"
    assert refused["summary"] == {"received": 11_002, "created": 0, "repeated": 0, "rejected": 1}
    assert await stored(database) == {}
    wrong = await pairs.post(
        "/v1/planted/batch?atomic=true", content=ndjson(*many, {"key": "z"}), expect=problem("batch-refused", 422)
    )
    assert wrong["errors"] == [{"in": "body", "pointer": "/11000/value", "code": "missing", "detail": "Field required"}]
    assert await stored(database) == {}
    found = await load(pairs, ndjson(*many), "?atomic=true&results=all")
    assert found[-1]["summary"]["created"] == 11_000 == len(await stored(database))
    assert [line["index"] for line in found[:-1]] == list(range(11_000))


async def test_each_chunk_leaves_one_audit_row_and_one_event(pairs: Api, database: Database) -> None:
    body = ndjson(*({"key": f"k{n}", "value": n} for n in range(12_000)), b"bad")
    await load(pairs, body)
    await load(pairs, body)
    async with database.session() as session:
        audited = (await session.execute(text("SELECT actor, action, changes FROM audit_entry ORDER BY id"))).all()
        events = (await session.execute(text("SELECT type, data FROM outbox_event ORDER BY id"))).all()
    assert [(row.actor, row.action, row.changes["created"]) for row in audited] == [
        ("tests", "planted.loaded", 5_000),
        ("tests", "planted.loaded", 5_000),
        ("tests", "planted.loaded", 2_000),
    ]
    assert [(row.type, row.data["created"]) for row in events] == 2 * [("planted.loaded", 5_000)] + [
        ("planted.loaded", 2_000)
    ]


async def test_csv(pairs: Api, database: Database) -> None:
    body = '\ufeffkey,value\r\nplain,1\r\n"with, comma",2\r\n"two\nlines ""quoted""",3\r\n\r\nshort\r\n"open,4\r\n'
    found = await load(pairs, body.encode(), headers={"Content-Type": "text/csv; charset=utf-8"})
    assert await stored(database) == {"plain": 1, "with, comma": 2, 'two\nlines "quoted"': 3}
    assert [(line["index"], line["problem"]["code"]) for line in found[:-1]] == [(3, "invalid-csv"), (4, "invalid-csv")]


@pytest.mark.parametrize("header", ["key,nonsense", "key,key", 'key,"value'])
async def test_a_wrong_header_refuses_the_file(pairs: Api, header: str) -> None:
    code = "invalid-csv" if '"' in header else "invalid-request"
    await pairs.post(
        "/v1/planted/batch",
        content=f"{header}\na,1\n".encode(),
        headers={"Content-Type": "text/csv"},
        expect=problem(code, 400 if '"' in header else 422),
    )


async def test_bad_csv_cells_are_told_by_line(pairs: Api) -> None:
    body = b"key,value\n\xff,1\na\x00,1\nb,one\nc,1\n"
    found = await load(pairs, body, headers={"Content-Type": "text/csv"})
    assert [line["index"] for line in found[:-1]] == [0, 1, 2]
    assert found[-1]["summary"]["created"] == 1


async def test_unknown_parameters_are_refused(pairs: Api) -> None:
    for query in ("?atomic=perhaps", "?results=some", "?nonsense=1"):
        await pairs.post(f"/v1/planted/batch{query}", content=ndjson(GOOD), expect=problem("invalid-request", 422))


def test_the_operation_is_documented(planted: FastAPI) -> None:
    operation = planted.openapi()["paths"]["/v1/planted/batch"]["post"]
    assert set(operation["requestBody"]["content"]) == {"application/x-ndjson", "text/csv"}
    assert set(operation["responses"]["200"]["content"]) == {"application/x-ndjson"}
    assert "itemSchema" in operation["responses"]["200"]["content"]["application/x-ndjson"]


async def test_many_batches_at_once_share_the_places(pairs: Api, planted: FastAPI, database: Database) -> None:
    bodies = [ndjson(*({"key": f"{batch}-{n}", "value": n} for n in range(6_000))) for batch in range(12)]
    queries = ["", "?atomic=true", "?results=all"] * 4
    answers = await asyncio.gather(*(load(pairs, body, query) for body, query in zip(bodies, queries, strict=True)))
    assert [answer[-1]["summary"]["created"] for answer in answers] == [6_000] * 12
    assert len(await stored(database)) == 72_000
    assert planted.state.batch_places._value == 3
