"""Problem
├── OfferNotFound       404  no such offer
├── DecisionNotFound    404  no such decision of this customer
├── OfferCodeTaken      409  the code belongs to another offer
├── CustomerArchived    409  nothing is decided for an archived customer
└── InvalidProducts     422  the products sent are not a list of products
"""

from ..core.problems import Problem


class OfferNotFound(Problem, status=404, code="offer-not-found", title="No such offer"):
    """No offer has this id. `GET /v1/offers` lists those there are; offers are retired, never deleted."""


class DecisionNotFound(Problem, status=404, code="decision-not-found", title="No such decision"):
    """This customer has no decision with this id. `GET /v1/customers/{customer_id}/decisions` lists those there are."""


class OfferCodeTaken(Problem, status=409, code="offer-code-taken", title="Another offer has this code"):
    """Codes are unique. `existing_id` is the offer that has it.

    To make an offer or change the one there is, whichever is needed, use `PUT /v1/offers/by-code/{code}`.
    """


class CustomerArchived(Problem, status=409, code="customer-archived", title="The customer is archived"):
    """Nothing is offered to an archived customer, and nothing was decided. Bring the customer back first."""


class InvalidProducts(Problem, status=422, code="invalid-products", title="Some lines are not products"):
    """The set of products is replaced as a whole or not at all. `errors` points to the lines, counted from 0:
    `/3/sku` is the `sku` of the fourth line. Nothing was stored.
    """
