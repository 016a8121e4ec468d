"""A mail server that gives the answers of a script, for what a real one would not say."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

HANG_UP = ""
USUAL = {
    "greeting": "220 hello",
    "EHLO": "250 hello",
    "HELO": "250 hello",
    "MAIL": "250 fine",
    "RCPT": "250 fine",
    "DATA": "354 go on",
    "message": "250 taken",
    "RSET": "250 fine",
    "QUIT": "221 bye",
}


@asynccontextmanager
async def scripted(**answers: str) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve with other answers than usual; answers the address, and all lines that come in."""
    lines: list[str] = []
    sessions: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_session(reader, writer, {**USUAL, **answers}, lines))
        sessions.add(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", lines
    finally:
        server.close()
        for session in sessions:
            session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)


async def _session(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: Mapping[str, str], lines: list[str]
) -> None:
    try:
        step = "greeting"
        while True:
            if answers[step] == HANG_UP:
                return
            writer.write(answers[step].replace("\n", "\r\n").encode(errors="surrogateescape") + b"\r\n")
            end = b"\r\n.\r\n" if answers[step].startswith("354") else b"\r\n"
            line = (await reader.readuntil(end)).decode()
            lines.append(line.rstrip("\r\n"))
            step = "message" if len(end) > 2 else line.split()[0].upper()
    except (asyncio.IncompleteReadError, ConnectionError):
        return
    finally:
        writer.close()
