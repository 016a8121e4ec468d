"""A small HTTP/1.1 load: keep-alive connections that send prepared requests one after another. Loopback only."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """What a load measured: requests a second, latencies in milliseconds."""

    rate: float
    p50: float
    p99: float
    requests: int


def request_bytes(method: str, path: str, token: str, body: bytes = b"", *headers: str) -> bytes:
    """Write a request with a JSON body, or none, as it goes over the wire."""
    head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}", *headers]
    if body:
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


async def drive(
    port: int, make: Callable[[int], bytes], *, connections: int, seconds: float, wanted: Sequence[int] = (200, 201)
) -> Load:
    """Send requests for a while; an answer with another status than wanted ends the bench."""
    latencies: list[float] = []
    until = time.perf_counter() + seconds
    began = time.perf_counter()
    await asyncio.gather(
        *(_connection(port, make, number, connections, until, latencies, wanted) for number in range(connections))
    )
    took = time.perf_counter() - began
    latencies.sort()
    return Load(
        rate=len(latencies) / took,
        p50=latencies[len(latencies) // 2] * 1000,
        p99=latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))] * 1000,
        requests=len(latencies),
    )


async def _connection(
    port: int,
    make: Callable[[int], bytes],
    number: int,
    step: int,
    until: float,
    latencies: list[float],
    wanted: Sequence[int],
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    turn = number
    while time.perf_counter() < until:
        sent = time.perf_counter()
        await exchange(reader, writer, make(turn), wanted)
        latencies.append(time.perf_counter() - sent)
        turn += step
    writer.close()
    await writer.wait_closed()


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, wanted: Sequence[int]
) -> None:
    """Send a request and read its answer. Errors: RuntimeError for one with another status than wanted."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    body = await reader.readexactly(_length(head)) if status != 304 else b""
    if status not in wanted:
        raise RuntimeError(f"answered {status}: {body[:500]!r}")


def _length(head: bytes) -> int:
    lowered = head.lower()
    start = lowered.index(b"content-length:") + 15
    return int(lowered[start : lowered.index(b"\r\n", start)])
