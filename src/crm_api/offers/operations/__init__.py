"""Use cases of offers and decisions, one file per verb."""

from .change import change
from .decide import Desk, Made, decide_for_many, make_decision
from .make import make
from .present import present_offers
from .products import replace_products
from .put import put

__all__ = [
    "Desk",
    "Made",
    "change",
    "decide_for_many",
    "make",
    "make_decision",
    "present_offers",
    "put",
    "replace_products",
]
