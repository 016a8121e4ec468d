"""Problem
├── UnknownScope   422  no such scope
└── ClientIdTaken  409  another client has this id
"""

from ..core.problems import Problem


class UnknownScope(Problem, status=422, code="unknown-scope", title="No such scope"):
    """A client can only be granted scopes the service has. `detail` lists them."""


class ClientIdTaken(Problem, status=409, code="client-id-taken", title="Another client has this id"):
    """Client ids are unique and never used again. Choose another, or rotate the secret of the one that exists."""
