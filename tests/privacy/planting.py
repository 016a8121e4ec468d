"""Customers and what they said, for tests of consent."""

from typing import Any

import orjson

from ..calling import Api

AT = "2026-01-31T09:30:00Z"
LATER = "2026-02-01T09:30:00Z"
NDJSON = {"Content-Type": "application/x-ndjson"}


async def register(api: Api, *external_ids: str, **fields: Any) -> str:
    """Register a customer, known to the system `shop` by these ids; answers its id."""
    ids = [{"system": "shop", "external_id": each} for each in external_ids]
    wish = {"display_name": "Ann Lee", "external_ids": ids, **fields}
    return str((await api.post("/v1/customers", wish, expect=201))["id"])


def said(customer: str | None = None, /, **fields: Any) -> dict[str, Any]:
    """A report to send: a grant of marketing by e-mail, unless said otherwise."""
    owner = {} if customer is None else {"customer_id": customer}
    told = {"channel": "email", "purpose": "marketing", "state": "granted", "occurred_at": AT, "source": "web-form"}
    return {**owner, **told, **fields}


async def report(api: Api, customer: str, /, *, expect: int = 201, **fields: Any) -> dict[str, Any]:
    """Report what a customer said; answers the line of the ledger."""
    line: dict[str, Any] = await api.post("/v1/consents", said(customer, **fields), expect=expect)
    return line


async def standing(
    api: Api, customer: str, channel: str = "email", purpose: str = "marketing"
) -> tuple[str | None, str | None, bool]:
    """Read what counts now: state, since when, and whether contact is allowed."""
    page = await api.get(f"/v1/customers/{customer}/consents", expect=200)
    [found] = [each for each in page["data"] if (each["channel"], each["purpose"]) == (channel, purpose)]
    return found["state"], found["since"], found["is_allowed"]


async def ledger(api: Api, **params: str) -> list[dict[str, Any]]:
    """Read the ledger."""
    page = await api.get("/v1/consents", params={"limit": 200, **params}, expect=200)
    assert page["next_cursor"] is None
    lines: list[dict[str, Any]] = page["data"]
    return lines


async def load(api: Api, *lines: Any, query: str = "") -> list[dict[str, Any]]:
    """Load reports as a batch; answers the lines of the answer, the summary last."""
    body = b"".join(line + b"\n" if isinstance(line, bytes) else orjson.dumps(line) + b"\n" for line in lines)
    answer = await api.send("POST", f"/v1/consents/batch{query}", content=body, headers=NDJSON, expect=200)
    return [orjson.loads(line) for line in answer.content.splitlines()]


def counts(created: int = 0, repeated: int = 0, rejected: int = 0) -> dict[str, Any]:
    """The summary of a batch."""
    told = {"created": created, "repeated": repeated, "rejected": rejected}
    return {"summary": {"received": created + repeated + rejected, **told}}
