"""Use cases of customers and of the fields declared for them."""

from .act import ACTION, act, customer_actions
from .change import archive, change, restore
from .declare import change_field, declare
from .ground import DeclaredFields, Grounds
from .households import dissolve, form, join, leave, rename
from .load import store_customers
from .register import register
from .upsert import Upserted, upsert

__all__ = [
    "ACTION",
    "DeclaredFields",
    "Grounds",
    "Upserted",
    "act",
    "archive",
    "change",
    "change_field",
    "customer_actions",
    "declare",
    "dissolve",
    "form",
    "join",
    "leave",
    "register",
    "rename",
    "restore",
    "store_customers",
    "upsert",
]
