"""The bulk door: any number of lines in, validated, stored in chunks, and answered once all of them have been read.

A domain declares one `Batch` and gives it a function that stores many rows with few statements:

    async def store(intake: Intake, rows: Sequence[PairCreate]) -> list[Outcome]:
        connection = await driver(intake.session)   # asyncpg, inside the chunk's transaction, ready for COPY
        …                                           # set-wise: COPY or unnest, then ON CONFLICT … RETURNING
        return [Stored("created", id) or SomeProblem(…) for each row, in the order of rows]

    BATCH = Batch("pairs", PairCreate, store, results=("created", "repeated"))

    @router.post("/batch", summary="Load pairs", **BATCH.documentation(PairConflict))
    async def load_pairs(request: Request, params: Annotated[BatchParams, Query()], who: CanLoad) -> Response:
        return await BATCH.answer(request, params, who.client_id)      # CanLoad: authorize, not authorize_once

The transaction is opened and committed here, a chunk at a time; each chunk that changed something writes one audit row
and one outbox event, both called `<name>.loaded`. Rows reach `store` validated and in the order of the lines; two of
them may be the same. While PostgreSQL stores one chunk, the next is read, validated and shaped: `shape`, if any, makes
of a valid row what `store` gets, and may raise a Problem. It is the place for work that needs no database.
A `csv` form answers, for a header, what makes a JSON document of a row's cells; see `csv_records.CsvForm`.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, Literal, NamedTuple
from uuid import UUID

import orjson
from fastapi import Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from ..settings import Settings
from .batch_document import CSV, NDJSON, NDJSON_TYPES, documentation
from .csv_records import CsvCutter, CsvForm
from .db import LONGEST_WRITE_SECONDS, Database
from .failures import as_problem
from .ids import new_id
from .lines import LineReader, Row
from .problems import NotAvailable, Problem, UnsupportedMediaType
from .schemas import Params
from .spool import Spool, SpooledResponse
from .trail import emit, record
from .upload import CHUNK_BYTES, RECORDS_IN_A_CHUNK, LineCutter, Record, chunks

_LINES_AT_ONCE: Final = 250
"""Lines validated before others get their turn: some 5 ms."""
_STORE_SECONDS: Final = LONGEST_WRITE_SECONDS - 5
_MOST_ERRORS: Final = 50
_CHUNKS_IN_MEMORY: Final = 3
"""Chunks of all batches of a process that are more than text: validated, or being stored. Others wait unread."""
_LINE: Final = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
_CHANGING: Final = ("created", "updated")


class BatchParams(Params):
    """How a batch is stored and answered."""

    results: Annotated[
        Literal["problems", "all"], Field(description="`all` answers a line per input line, not only problems")
    ] = "problems"
    atomic: Annotated[
        bool, Field(description="Everything or nothing: one transaction of at most 55 seconds; any problem is a 422")
    ] = False


class Stored(NamedTuple):
    """What became of a row: one of the batch's results, and the id of what is stored."""

    result: str
    id: UUID


Outcome = Stored | Problem


@dataclass(frozen=True, slots=True)
class Intake:
    """What storing a chunk needs: its transaction, who loads, and how the service is set."""

    session: AsyncSession
    client_id: str
    settings: Settings


Store = Callable[[Intake, Sequence[Any]], Awaitable[Sequence[Outcome]]]
Shape = Callable[[Any], Any]


class BatchRefused(Problem, status=422, code="batch-refused", title="Lines are wrong, so nothing was stored"):
    """The batch was sent with `atomic=true`. `errors` names the first lines that are wrong, each pointer beginning with
    the line's index; correct them and send everything again.
    """


class AtomicBatchTooLong(
    Problem, status=413, code="atomic-batch-too-long", title="The batch is too long for one transaction"
):
    """With `atomic=true` everything has to be stored within 55 seconds, some 100,000 lines. Nothing was stored. Send
    fewer lines, or leave `atomic` out: lines that are there already are told as repeated, so sending again is safe.
    """


class Batch(Generic[Row]):
    """One bulk operation. `name` is the plural of what is loaded; `results` are what `store` can answer."""

    def __init__(
        self,
        name: str,
        model: type[Row],
        store: Store,
        *,
        shape: Shape | None = None,
        results: Sequence[str] = ("created", "repeated"),
        csv: CsvForm | None = None,
    ) -> None:
        self.name, self.model, self.results, self.csv = name, model, tuple(results), csv
        self.store, self.shape = store, shape
        self.reader = LineReader(model)

    def reading_csv(self, form: CsvForm) -> "Batch[Row]":
        """Answer the same batch with another reading of CSV, where columns are only known when it arrives."""
        other = copy(self)
        other.csv = form
        return other

    def documentation(self, *told: type[Problem]) -> dict[str, Any]:
        """Answer the keyword arguments that describe the operation in OpenAPI; `told` are problems of whole batches."""
        return documentation(self.model, self.results, self.csv is not None, told)

    async def answer(self, request: Request, params: BatchParams, client_id: str) -> Response:
        """Read, store and answer a batch. Errors: those of `upload.chunks`, UnsupportedMediaType, BatchRefused."""
        cutter = self._cutter(request)
        run = _Run(self, request, client_id, every_line=params.results == "all")
        try:
            await (run.store_at_once(cutter) if params.atomic else run.store_by_chunks(cutter))
        except BaseException:
            run.answer.close()
            raise
        run.answer.write(orjson.dumps({"summary": run.summary()}) + b"\n")
        return SpooledResponse(run.answer, 200, {"Cache-Control": "no-store"}, NDJSON)

    def _cutter(self, request: Request) -> LineCutter | CsvCutter:
        longest = request.app.state.settings.max_body_bytes
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind in NDJSON_TYPES:
            return LineCutter(longest)
        if kind == CSV and self.csv is not None:
            return CsvCutter(self.csv, longest)
        wanted = f"{NDJSON} or {CSV}" if self.csv else NDJSON
        raise UnsupportedMediaType(f"send {wanted}, not {kind or 'a body without Content-Type'}")


class _Run(Generic[Row]):
    """One batch on its way."""

    def __init__(self, batch: Batch[Row], request: Request, client_id: str, *, every_line: bool) -> None:
        self._batch, self._request, self._client_id = batch, request, client_id
        self._database: Database = request.app.state.database
        self._settings: Settings = request.app.state.settings
        self._places = _places(request)
        self._every_line = every_line
        self._id = new_id()
        self._counts: Counter[str] = Counter()
        self.answer = Spool()

    def summary(self) -> dict[str, int]:
        """Count what became of the lines so far."""
        return {name: self._counts[name] for name in ("received", *self._batch.results, "rejected")}

    async def store_by_chunks(self, cutter: LineCutter | CsvCutter) -> None:
        """Commit each chunk by itself; the next one is validated meanwhile."""
        storing: asyncio.Task[None] | None = None
        try:
            async for records in chunks(self._request, cutter):
                await self._places.acquire()
                try:
                    rows = await self._validated(records)
                    if storing is not None:
                        await storing
                except BaseException:
                    self._places.release()
                    raise
                storing = asyncio.create_task(self._store_chunk(rows))
                storing.add_done_callback(self._give_place_back)
                del records, rows  # nothing but the task holds them
            if storing is not None:
                await storing
        except Exception as error:
            await _ended(storing)
            raise self._told(error) from error
        except asyncio.CancelledError:
            if storing is not None:
                storing.cancel()
            raise

    async def store_at_once(self, cutter: LineCutter | CsvCutter) -> None:
        """Look at all lines first; only if none is wrong, store them in one transaction."""
        with Spool() as lines:
            wrong: list[tuple[int, Problem]] = []
            async for records in chunks(self._request, cutter):
                async with self._places:
                    rows = await self._validated(records)
                wrong += self._rejected(rows, most=_MOST_ERRORS - len(wrong))
                self._counts["received"] += len(rows)
                lines.write(b"".join(line.strip() + b"\n" for line in records if isinstance(line, bytes)))
            self._refuse(wrong)
            received, self._counts = self._counts["received"], Counter()
            try:
                # The place first: who holds a connection must not wait for a place, or both could run out.
                async with self._places, asyncio.timeout(_STORE_SECONDS), self._intake() as intake:
                    async for records in _again(lines):
                        found = await self._store_rows(intake, await self._validated(records))
                        self._refuse(self._rejected(found, most=_MOST_ERRORS), received)
                        self._tell(found)
            except TimeoutError:
                raise AtomicBatchTooLong(f"{received} lines took longer than {_STORE_SECONDS} seconds") from None

    async def _validated(self, records: Sequence[Record]) -> list[Any]:
        """Validate and shape a chunk, a few hundred lines at a time, so that no other request waits long."""
        rows: list[Any] = []
        shape = self._batch.shape
        for start in range(0, len(records), _LINES_AT_ONCE):
            some = self._batch.reader.read(records[start : start + _LINES_AT_ONCE])
            rows += some if shape is None else [_shaped(row, shape) for row in some]
            await asyncio.sleep(0)
        return rows

    async def _store_chunk(self, rows: list[Any]) -> None:
        try:
            async with asyncio.timeout(_STORE_SECONDS), self._intake() as intake:
                found = await self._store_rows(intake, rows)
        except TimeoutError:
            raise NotAvailable("The database is too busy", headers={"Retry-After": "5"}) from None
        self._tell(found)

    def _give_place_back(self, _task: object) -> None:
        self._places.release()

    @asynccontextmanager
    async def _intake(self) -> AsyncIterator[Intake]:
        async with self._database.session() as session:
            yield Intake(session, self._client_id, self._settings)

    async def _store_rows(self, intake: Intake, rows: list[Any]) -> list[Outcome]:
        """Store the valid rows of a chunk, and leave its one audit row and its one event."""
        valid = [row for row in rows if not isinstance(row, Problem)]
        if not valid:
            return [row for row in rows if isinstance(row, Problem)]
        outcomes = await self._batch.store(intake, valid)
        stored = [outcome for outcome in outcomes if isinstance(outcome, Stored)]
        changed = [outcome.id.int for outcome in stored if outcome.result in _CHANGING]
        if changed:
            name = f"{self._batch.name}.loaded"
            counts = Counter([outcome.result for outcome in stored])
            told = {**counts, "first_id": str(UUID(int=min(changed))), "last_id": str(UUID(int=max(changed)))}
            record(intake.session, self._client_id, name, ("batch", self._id), changes=told)
            emit(intake.session, name, {"batch_id": str(self._id), "client_id": self._client_id, **told})
        if len(valid) == len(rows):
            return list(outcomes)
        following = iter(outcomes)
        return [row if isinstance(row, Problem) else next(following) for row in rows]

    def _tell(self, outcomes: Sequence[Outcome]) -> None:
        """Count what is now durable, and write its lines of the answer."""
        first = self._counts["received"]
        self._counts["received"] += len(outcomes)
        lines = []
        for index, outcome in enumerate(outcomes, first):
            if isinstance(outcome, Problem):
                self._counts["rejected"] += 1
                outcome.errors = [{**found, "in": "line"} for found in outcome.errors]  # not `body`, which is all lines
                lines.append(_line(index, outcome.status, problem=outcome.document()))
            else:
                self._counts[outcome.result] += 1
                if self._every_line:
                    status = 201 if outcome.result == "created" else 200
                    lines.append(_line(index, status, result=outcome.result, id=str(outcome.id)))
        self.answer.write(b"".join(lines))

    def _rejected(self, rows: Sequence[Any], *, most: int) -> list[tuple[int, Problem]]:
        first = self._counts["received"]
        wrong = [(index, row) for index, row in enumerate(rows, first) if isinstance(row, Problem)]
        self._counts["rejected"] += len(wrong)
        return wrong[:most]

    def _refuse(self, wrong: list[tuple[int, Problem]], received: int | None = None) -> None:
        """Errors: BatchRefused, when there is anything wrong."""
        if wrong:
            rejected = self._counts["rejected"]
            self._counts = Counter(received=received or self._counts["received"], rejected=rejected)
            raise BatchRefused(
                f"Line {wrong[0][0]}: {wrong[0][1].detail}",
                errors=[finding for index, problem in wrong for finding in _findings(index, problem)][:_MOST_ERRORS],
                summary=self.summary(),
            )

    def _told(self, error: Exception) -> Exception:
        """Answer the error, with what was stored before it happened."""
        problem = as_problem(error)
        if problem is None:
            return error
        problem.members["summary"] = self.summary()
        return problem


def _shaped(row: Any, shape: Shape) -> Any:
    try:
        return row if isinstance(row, Problem) else shape(row)
    except Problem as problem:
        return problem


def _places(request: Request) -> asyncio.Semaphore:
    state = request.app.state
    if not hasattr(state, "batch_places"):
        state.batch_places = asyncio.Semaphore(_CHUNKS_IN_MEMORY)
    places: asyncio.Semaphore = state.batch_places
    return places


async def _ended(storing: asyncio.Task[None] | None) -> None:
    """Let a chunk that is complete be stored, so that what is counted is what is there."""
    if storing is not None:
        await asyncio.wait([storing])
        if not storing.cancelled():
            storing.exception()  # looked at, so that nobody is warned


async def _again(lines: Spool) -> AsyncIterator[list[Record]]:
    """Read lines that were read before, in chunks."""
    chunk: list[Record] = []
    size = 0
    for line in lines.lines():
        chunk.append(line)
        size += len(line)
        if len(chunk) == RECORDS_IN_A_CHUNK or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _findings(index: int, problem: Problem) -> Iterator[dict[str, str]]:
    if not problem.errors:
        yield {"in": "body", "pointer": f"/{index}", "code": problem.code, "detail": problem.detail}
    for found in problem.errors:
        yield {**found, "in": "body", "pointer": f"/{index}{found['pointer']}"}


def _line(index: int, status: int, **members: Any) -> bytes:
    return orjson.dumps({"index": index, "status": status, **members}, default=str, option=_LINE)
