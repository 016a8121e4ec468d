"""Problem
├── UnknownScope    422  no such scope
├── ClientIdTaken   409  another client has this id
├── ClientNotFound  404  no client has this id
└── ClientRevoked   409  the client was revoked
"""

from ..core.problems import Problem


class UnknownScope(Problem, status=422, code="unknown-scope", title="No such scope"):
    """A client can only be granted scopes the service has. `detail` lists them."""


class ClientIdTaken(Problem, status=409, code="client-id-taken", title="Another client has this id"):
    """Client ids are unique and never used again. Choose another, or rotate the secret of the one that exists."""


class ClientNotFound(Problem, status=404, code="client-not-found", title="No such client"):
    """No client has this id. `crm client list` tells those there are; an id is not the name people call a client by."""


class ClientRevoked(Problem, status=409, code="client-revoked", title="The client was revoked"):
    """A revoked client stays shut out, and its secret cannot be rotated. Register another one: `crm client create`."""
