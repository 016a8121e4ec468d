"""The one language for "which customers?": tree, field catalog, check, compiler to SQL, canonical text."""

from .catalog import OPERATORS, Amount, Catalog, Column, Countable, Field, FieldType, Rows, Test
from .check import AudienceRefused, Finding, check, checked
from .depends import DAY, depends_on, moves_daily, rolling_windows, windows_of
from .print_text import print_text
from .segment_names import with_segment_ids
from .to_sql import condition
from .touchpoint_nodes import TouchpointCount, Touchpoints, TouchpointSum
from .tree import (
    LANGUAGE_VERSION,
    AllOf,
    AnyOf,
    Audience,
    FieldTest,
    InNamedSegment,
    InSegment,
    Not,
    Tree,
    read_tree,
    write_tree,
)
from .values import Operator
from .windows import Bounds, Moment, moving_bounds

__all__ = [
    "DAY",
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
    "InNamedSegment",
    "InSegment",
    "Moment",
    "Not",
    "Operator",
    "Rows",
    "Test",
    "TouchpointCount",
    "TouchpointSum",
    "Touchpoints",
    "Tree",
    "check",
    "checked",
    "condition",
    "depends_on",
    "moves_daily",
    "moving_bounds",
    "print_text",
    "read_tree",
    "rolling_windows",
    "windows_of",
    "with_segment_ids",
    "write_tree",
]
