"""Use cases of customers and of the fields declared for them."""

from .change import archive, change, restore
from .declare import change_field, declare
from .ground import DeclaredFields, Grounds
from .households import dissolve, form, join, leave, rename
from .load import store_customers
from .register import register
from .upsert import Upserted, upsert

__all__ = [
    "DeclaredFields",
    "Grounds",
    "Upserted",
    "archive",
    "change",
    "change_field",
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
