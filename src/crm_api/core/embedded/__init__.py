"""PostgreSQL and Valkey from their wheels: run by ourselves on loopback, for `crm up`, tests and benchmarks."""

from crm_api.core.embedded.places import ServerFailed
from crm_api.core.embedded.postgres import EmbeddedPostgres, ThrowawayPostgres
from crm_api.core.embedded.server import EmbeddedServer, ServerTaken, free_port, tail
from crm_api.core.embedded.valkey import EmbeddedValkey

__all__ = [
    "EmbeddedPostgres",
    "EmbeddedServer",
    "EmbeddedValkey",
    "ServerFailed",
    "ServerTaken",
    "ThrowawayPostgres",
    "free_port",
    "tail",
]
