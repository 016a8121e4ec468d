"""Use cases of customers."""

from .change import archive, change, restore
from .ground import DeclaredFields, Grounds
from .register import register
from .upsert import Upserted, upsert

__all__ = ["DeclaredFields", "Grounds", "Upserted", "archive", "change", "register", "restore", "upsert"]
