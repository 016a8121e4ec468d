"""The one language for "which customers?": its tree, the catalog of fields, the check and the compiler to SQL."""

from .catalog import OPERATORS, Amount, Catalog, Column, Countable, Field, FieldType, Test
from .check import AudienceRefused, Finding, check, checked
from .depends import depends_on, windows_of
from .to_sql import condition
from .tree import (
    LANGUAGE_VERSION,
    AllOf,
    AnyOf,
    Audience,
    FieldTest,
    InSegment,
    Not,
    Operator,
    TouchpointCount,
    Touchpoints,
    TouchpointSum,
    Tree,
    read_tree,
    write_tree,
)
from .windows import Bounds, Moment, moving_bounds

__all__ = [
    "LANGUAGE_VERSION",
    "OPERATORS",
    "AllOf",
    "Amount",
    "AnyOf",
    "Audience",
    "AudienceRefused",
    "Bounds",
    "Catalog",
    "Column",
    "Countable",
    "Field",
    "FieldTest",
    "FieldType",
    "Finding",
    "InSegment",
    "Moment",
    "Not",
    "Operator",
    "Test",
    "TouchpointCount",
    "TouchpointSum",
    "Touchpoints",
    "Tree",
    "check",
    "checked",
    "condition",
    "depends_on",
    "moving_bounds",
    "read_tree",
    "windows_of",
    "write_tree",
]
