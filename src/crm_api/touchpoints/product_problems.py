"""Problem
├── ProductNotFound  404  no such product
└── SkuTaken         409  another product has this SKU
"""

from ..core.problems import Problem


class ProductNotFound(Problem, status=404, code="product-not-found", title="No such product"):
    """No product has this id or SKU. Orders may name products that were never registered; those are known by SKU
    only.
    """


class SkuTaken(Problem, status=409, code="sku-taken", title="Another product has this SKU"):
    """SKUs are unique. `existing_id` names the product that has it; change that one, or use `PUT
    /v1/products/by-sku/{sku}`
    to register or change, whichever is needed.
    """
