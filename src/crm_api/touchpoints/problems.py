"""Problem
├── TouchpointNotFound   404  the customer has no such touchpoint
├── TouchpointConflict   409  the source id stands for something else already
└── CustomerUnknown      422  the touchpoint names a customer who is not there
"""

from ..core.problems import Problem


class TouchpointNotFound(Problem, status=404, code="touchpoint-not-found", title="No such touchpoint"):
    """The customer's timeline holds no touchpoint with this id, or there is no such customer."""


class TouchpointConflict(
    Problem, status=409, code="touchpoint-conflict", title="The source id stands for something else already"
):
    """A touchpoint of this customer came with the same `source` and `source_id` before, and with other content. The
    timeline is append-only, so the first one stays: `stored` says where it is, `sent` what you sent. If something else
    happened, send it with a source id of its own; if the first one was wrong, record a correction.
    """


class CustomerUnknown(Problem, status=422, code="customer-unknown", title="The customer is not known"):
    """The touchpoint or consent names a customer, by id or by another system's id, who is not registered. Register the
    customer first; what is told about somebody never makes a customer.
    """
