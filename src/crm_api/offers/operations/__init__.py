"""Use cases of offers and decisions, one file per verb."""

from .change import change
from .decide import Desk, make_decision
from .make import make
from .products import replace_products
from .put import put

__all__ = ["Desk", "change", "make", "make_decision", "put", "replace_products"]
