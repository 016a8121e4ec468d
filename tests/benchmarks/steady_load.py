"""`python -m tests.benchmarks.steady_load PORT CUSTOMERS RATE`: reads customers at a steady rate, in a process and a
session of its own and with short turns at a processor: who reads is on another machine, and does not wait for this one.
A token comes on the first line of the input; when that ends, the latencies are printed as JSON, in milliseconds.
"""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Callable, Coroutine
from typing import Any, Final

import uvloop

from crm_api.core.turns import take_short_turns

from .http_load import exchange
from .request_rows import CONNECTIONS, get_one

READS_A_SECOND: Final = 50


async def latencies_during(port: int, customers: int, token: str, what: Coroutine[Any, Any, None]) -> list[float]:
    """Read customers for as long as something else takes; answers latencies in milliseconds, in order of size."""
    command = [sys.executable, "-m", __name__, *map(str, (port, customers, READS_A_SECOND))]
    reader = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, start_new_session=True)
    assert reader.stdin is not None and reader.stdout is not None
    reader.stdin.write(f"{token}\n".encode())
    await reader.stdout.readline()  # it has begun
    await what
    reader.stdin.close()
    told = await reader.stdout.read()
    if await reader.wait():
        raise RuntimeError("customers could not be read")
    return sorted(json.loads(told))


async def drive_steadily(port: int, make: Callable[[int], bytes], rate: float, over: asyncio.Event) -> list[float]:
    """Send so many requests a second until it is over; answers latencies in milliseconds.

    A request's clock runs from when it was to be sent: what waits for a slow answer before it counts as slow, too.
    """
    latencies: list[float] = []
    began = time.perf_counter()

    async def connect(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        turn = number
        while not over.is_set():
            due = began + turn / rate
            await asyncio.sleep(due - time.perf_counter())
            await exchange(reader, writer, make(turn), (200,))
            latencies.append((time.perf_counter() - due) * 1000)
            turn += CONNECTIONS
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*map(connect, range(CONNECTIONS)))
    return latencies


async def _run(port: int, customers: int, rate: int) -> None:
    token, over = sys.stdin.readline().strip(), asyncio.Event()
    load = asyncio.create_task(drive_steadily(port, get_one(customers, "/v1/customers", token), rate, over))
    load.add_done_callback(lambda _: over.set())  # a failure ends it at once
    print(flush=True)
    asyncio.get_running_loop().add_reader(sys.stdin, over.set)
    await over.wait()
    print(json.dumps(await load))


if __name__ == "__main__":
    take_short_turns()
    uvloop.run(_run(*map(int, sys.argv[1:])))
