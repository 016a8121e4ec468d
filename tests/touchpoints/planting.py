"""Customers and touchpoints for tests of the timeline."""

from typing import Any
from uuid import UUID

import orjson

from ..calling import Api

AT = "2026-01-31T09:30:00Z"
NDJSON = {"Content-Type": "application/x-ndjson"}


async def register(api: Api, *external_ids: str) -> str:
    """Register a customer, known to the system `shop` by these ids; answers its id."""
    ids = [{"system": "shop", "external_id": each} for each in external_ids]
    customer = await api.post("/v1/customers", {"display_name": "Ann Lee", "external_ids": ids}, expect=201)
    return str(customer["id"])


def happening(customer: str | UUID | None = None, /, **fields: Any) -> dict[str, Any]:
    """A touchpoint to send."""
    owner = {} if customer is None else {"customer_id": str(customer)}
    return {**owner, "kind": "page.viewed", "occurred_at": AT, **fields}


def order(customer: str | None, /, *amounts: str, **fields: Any) -> dict[str, Any]:
    """An order to send, with a line for each amount."""
    total = f"{sum(round(float(amount) * 100) for amount in amounts) / 100:.2f}"
    items = [{"sku": f"sku-{n}", "quantity": "2", "paid_amount": amount} for n, amount in enumerate(amounts, 1)]
    told = {"kind": "order.placed", "amount": {"amount": total, "currency": "EUR"}, "items": items}
    return happening(customer, **{**told, **fields})


async def load(api: Api, *lines: Any, query: str = "", **options: Any) -> list[dict[str, Any]]:
    """Load touchpoints as a batch; answers the lines of the answer, the summary last."""
    body = b"".join(line + b"\n" if isinstance(line, bytes) else orjson.dumps(line) + b"\n" for line in lines)
    headers = {**NDJSON, **options.pop("headers", {})}
    answer = await api.send(
        "POST", f"/v1/touchpoints/batch{query}", content=body, headers=headers, expect=200, **options
    )
    return [orjson.loads(line) for line in answer.content.splitlines()]


def counts(created: int = 0, repeated: int = 0, rejected: int = 0) -> dict[str, Any]:
    """The summary of a batch."""
    told = {"created": created, "repeated": repeated, "rejected": rejected}
    return {"summary": {"received": created + repeated + rejected, **told}}
