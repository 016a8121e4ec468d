"""Problem
├── PurposeNotFound      404  no such purpose
├── PurposeUnknown       422  the consent names a purpose that was not declared
└── SuppressionNotFound  404  the address is not suppressed
"""

from ..core.problems import Problem


class PurposeNotFound(Problem, status=404, code="purpose-not-found", title="No such purpose"):
    """No purpose has this name. `GET /v1/purposes` lists those there are; `PUT /v1/purposes/{name}` declares one."""


class PurposeUnknown(Problem, status=422, code="purpose-unknown", title="The purpose was not declared"):
    """The consent names a purpose that was not declared; `detail` names the most similar one. Correct the name, or
    declare the purpose first with `PUT /v1/purposes/{name}`: a report never makes one, since whether silence means no
    has to be decided by somebody.
    """


class SuppressionNotFound(Problem, status=404, code="suppression-not-found", title="The address is not suppressed"):
    """Nothing is kept from this address. `GET /v1/suppressions` lists the addresses that are left alone."""
