"""Idempotency keys: the first answer is stored with the change itself, and a repeat gets that answer again."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import orjson
from fastapi import Header, Request
from sqlalchemy import BigInteger, Index, Text, bindparam, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from starlette.responses import Response

from .clock import now
from .closing import Part
from .db import Base, driver, leave, stands_alone
from .problems import Problem
from .read import Prepared

KEPT = timedelta(hours=24)
_REPLAYED_HEADERS = ("content-type", "location", "etag", "cache-control", "link")

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Makes a repeat safe for 24 hours: the first answer is given again, nothing is done twice",
    ),
]


class IdempotencyRecord(Base):
    """An answer already given; local to the primary, dropped after KEPT."""

    __tablename__ = "idempotency_record"
    __table_args__ = (Index("ix_idempotency_record_expires_at", "expires_at"), {"info": {"on_erase": "delete"}})

    key_hash: Mapped[bytes] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes]
    status: Mapped[int]
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes]
    customer_id: Mapped[UUID | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


_TAKEN = select(func.pg_try_advisory_xact_lock(bindparam("lock", type_=BigInteger)).label("taken")).subquery()
_LOOK = Prepared(
    select(
        _TAKEN.c.taken,
        IdempotencyRecord.fingerprint,
        IdempotencyRecord.status,
        cast(IdempotencyRecord.headers, Text).label("headers"),
        IdempotencyRecord.body,
        IdempotencyRecord.expires_at,
    ).select_from(_TAKEN.outerjoin(IdempotencyRecord, IdempotencyRecord.key_hash == bindparam("key_hash")))
)
_FORGET = "DELETE FROM idempotency_record WHERE key_hash = $1"
_KEEP = """
INSERT INTO idempotency_record (key_hash, fingerprint, status, headers, body, customer_id, created_at, expires_at)
SELECT $1::bytea, $2::bytea, $3::integer, $4::jsonb, $5::bytea, $6::uuid, $7::timestamptz, $8::timestamptz
"""


class KeyInUse(Problem, status=409, code="idempotency-key-in-use", title="A request with this key is under way"):
    """Another request with the same Idempotency-Key has not ended. Repeat yours after `Retry-After` to get its
    answer.
    """


class KeyReused(Problem, status=422, code="idempotency-key-reused", title="The key was used for another request"):
    """An Idempotency-Key stands for one request body on one operation. Use a new key for a new request."""


class SecretAlreadyShown(
    Problem, status=409, code="secret-already-shown", title="The answer held a secret and is not shown again"
):
    """The first request with this key succeeded, and its answer held a secret that is never stored. Make a new one if
    it was lost.
    """


class Replay(Exception):
    """The request was answered before; carries that answer past the operation to the route."""

    def __init__(self, response: Response) -> None:
        self.response = response


class Claim:
    """A key taken by this request, until its transaction ends."""

    def __init__(self, key_hash: bytes, fingerprint: bytes) -> None:
        self.key_hash, self.fingerprint = key_hash, fingerprint


async def claim(request: Request, session: AsyncSession, client_id: str, key: str) -> None:
    """Take the key for this request. Errors: Replay (answered before), KeyInUse, KeyReused.

    A change that may stand alone takes it unseen: should the key have been used, the kept answer refuses the change.
    """
    scope = f"{client_id}\x00{request.method} {request.url.path}\x00{key}"
    key_hash = hashlib.sha256(scope.encode()).digest()
    fingerprint = hashlib.sha256(await request.body()).digest()
    request.state.claim = Claim(key_hash, fingerprint)
    if stands_alone(session):
        return
    lock = int.from_bytes(key_hash[:8], "big", signed=True)
    connection, at = await driver(session), now()
    # One round trip. Should the first request end between this statement's snapshot and its lock, keeping the answer
    # finds its row.
    row = await connection.fetchrow(_LOOK.sql, *_LOOK.arguments({"lock": lock, "key_hash": key_hash}))
    if not row["taken"]:
        raise _in_use()
    if row["status"] is not None:
        if row["expires_at"] > at:
            raise Replay(_answer_again(row, fingerprint))
        await connection.execute(_FORGET, key_hash)


def _in_use() -> KeyInUse:
    return KeyInUse("A request with this key has not ended", headers={"Retry-After": "1"})


def _answer_again(known: Mapping[str, Any], fingerprint: bytes) -> Response:
    if known["fingerprint"] != fingerprint:
        raise KeyReused("This key came with another body before; use a new one")
    return Response(known["body"], known["status"], {**orjson.loads(known["headers"]), "Idempotent-Replayed": "true"})


def keep(session: AsyncSession, held: Claim, response: Response, customer_id: UUID | None) -> None:
    """Have the answer stored with the change's last statement, which fails if another request has used the key."""
    at = now()
    headers = {name: response.headers[name] for name in _REPLAYED_HEADERS if name in response.headers}
    row = (
        held.key_hash,
        held.fingerprint,
        response.status_code,
        orjson.dumps(headers).decode(),
        bytes(response.body),
        customer_id,
        at,
        at + KEPT,
    )
    leave(session, lambda: [Part(_KEEP, row)])


def in_use(error: asyncpg.UniqueViolationError) -> Exception:
    """Say KeyInUse where storing the answer found that another request has used the key."""
    return _in_use() if error.constraint_name == "pk_idempotency_record" else error
