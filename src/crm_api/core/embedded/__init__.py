"""PostgreSQL and Valkey from their wheels: run by ourselves on loopback, for `crm up`, tests and benchmarks."""

from .places import ServerFailed
from .postgres import EmbeddedPostgres, ThrowawayPostgres
from .server import EmbeddedServer, ServerTaken, free_port, is_free, open_log, tail
from .valkey import EmbeddedValkey

__all__ = [
    "EmbeddedPostgres",
    "EmbeddedServer",
    "EmbeddedValkey",
    "ServerFailed",
    "ServerTaken",
    "ThrowawayPostgres",
    "free_port",
    "is_free",
    "open_log",
    "tail",
]
