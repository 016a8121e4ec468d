"""The one language for "which customers?": tree, field catalog, check, compiler to SQL, canonical text."""

from .catalog import OPERATORS, Amount, Catalog, Column, Countable, Field, FieldType, Household, Items, Rows, Test
from .check import AudienceRefused, Finding, check, checked
from .depends import DAY, depends_on, next_move, rolling_windows, windows_of
from .distance import DistanceTo
from .evaluate import Explained, Judge, explain, judge
from .facts import Facts, NotLoaded
from .household_nodes import HouseholdAll, HouseholdAny
from .load_facts import FactLoader, load_facts
from .moving import moving_bounds
from .print_text import print_text
from .segment_names import with_segment_ids
from .to_sql import condition
from .touchpoint_nodes import (
    FirstTouchpoint,
    LatestTouchpoint,
    NeverTouched,
    OverTouchpoints,
    TouchpointAverage,
    TouchpointCount,
    Touchpoints,
    TouchpointShare,
    TouchpointSum,
)
from .tree import (
    LANGUAGE_VERSION,
    AllOf,
    AnyOf,
    Audience,
    FieldTest,
    InBucket,
    InNamedSegment,
    InSegment,
    Not,
    Tree,
    read_tree,
    write_tree,
)
from .values import Operator
from .windows import Bounds, Moment

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
    "DistanceTo",
    "Explained",
    "FactLoader",
    "Facts",
    "Field",
    "FieldTest",
    "FieldType",
    "Finding",
    "FirstTouchpoint",
    "Household",
    "HouseholdAll",
    "HouseholdAny",
    "InBucket",
    "InNamedSegment",
    "InSegment",
    "Items",
    "Judge",
    "LatestTouchpoint",
    "Moment",
    "NeverTouched",
    "Not",
    "NotLoaded",
    "Operator",
    "OverTouchpoints",
    "Rows",
    "Test",
    "TouchpointAverage",
    "TouchpointCount",
    "TouchpointShare",
    "TouchpointSum",
    "Touchpoints",
    "Tree",
    "check",
    "checked",
    "condition",
    "depends_on",
    "explain",
    "judge",
    "load_facts",
    "moving_bounds",
    "next_move",
    "print_text",
    "read_tree",
    "rolling_windows",
    "windows_of",
    "with_segment_ids",
    "write_tree",
]
