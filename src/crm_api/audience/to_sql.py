"""Compiles an audience to the condition an expert would write: bound values, bare leaves, EXISTS where it will do."""

from pydantic import MISSING
from sqlalchemy import BigInteger, ColumnElement, Uuid, and_, literal, not_, or_

from .buckets import bucket_column
from .catalog import Catalog
from .check import checked
from .distance import DistanceTo
from .household_nodes import HouseholdAny, OverHousehold
from .operands import operand
from .sql_distance import is_so_far
from .sql_household import another_meets
from .sql_tests import Tests, compared, is_known, unless
from .sql_touchpoints import Timeline
from .touchpoint_nodes import (
    FirstTouchpoint,
    LatestTouchpoint,
    NeverTouched,
    TouchpointAverage,
    TouchpointCount,
    TouchpointShare,
    TouchpointSum,
)
from .tree import AllOf, AnyOf, Audience, FieldTest, InBucket, InNamedSegment, InSegment, Not
from .windows import Moment


def condition(tree: Audience, catalog: Catalog, moment: Moment, *, live: bool = False) -> ColumnElement[bool]:
    """Answer the condition on a customer, for a statement that has the customer table in its FROM.

    A customer for whom a value is missing is no match. The answer may be NULL instead of false; do not negate it, ask
    for `{"not": tree}`. Bounds of windows that move are bound by name (`moving_bounds`): conditions in one
    statement are of one moment. `live` lets it ask for the context of a decision, which is bound by name as well.
    Errors: AudienceRefused when the tree does not fit the catalog.
    """
    return _Compiler(catalog, moment).node(checked(tree, catalog, live=live), wanted=True)


class _Compiler:
    """Compiles nodes at one moment.

    A negation is carried down to the leaves (`wanted` is false there), so that each becomes the plainest form of its
    opposite: a count's EXISTS a NOT EXISTS, which the planner turns into an anti-join, a comparison `(…) IS NOT
    TRUE`.
    """

    def __init__(self, catalog: Catalog, moment: Moment) -> None:
        self._catalog, self._moment = catalog, moment
        zone = catalog.zone
        self._tests = Tests(moment, None if zone is None else zone.column_at(moment))

    def node(self, node: Audience, wanted: bool) -> ColumnElement[bool]:
        match node:
            case AllOf(all=branches):
                return (and_ if wanted else or_)(*(self.node(branch, wanted) for branch in branches))
            case AnyOf(any=branches):
                return (or_ if wanted else and_)(*(self.node(branch, wanted) for branch in branches))
            case Not(not_=inner):
                return self.node(inner, not wanted)
            case OverHousehold():
                return self._over_household(node, wanted)
            case FieldTest():
                return self._field_test(node, wanted)
            case NeverTouched():
                return self._timeline.never(node, wanted)
            case TouchpointCount():
                return self._timeline.count(node, wanted)
            case _:
                return unless(self._leaf(node), wanted)

    def _leaf(self, node: Audience) -> ColumnElement[bool]:
        match node:
            case TouchpointSum():
                return self._timeline.sum(node)
            case TouchpointAverage():
                return self._timeline.average(node)
            case TouchpointShare():
                return self._timeline.share(node)
            case FirstTouchpoint() | LatestTouchpoint():
                return self._timeline.edge(node)
            case InBucket():
                return self._in_bucket(node)
            case DistanceTo(distance=name):
                place = self._catalog.get(name)
                assert place is not None  # noqa: S101  # check() saw to it
                return is_so_far(place, node)
            case InSegment(segment=segment):
                field = self._catalog.segment
                assert field is not None  # noqa: S101  # check() saw to it
                return field.matches(lambda column: column == literal(segment, Uuid()), self._moment)
            case InNamedSegment():
                raise AssertionError("check() lets no name of a segment through")
        raise AssertionError(f"{type(node).__name__} is no leaf")

    def _over_household(self, node: OverHousehold, wanted: bool) -> ColumnElement[bool]:
        """Ask the customer itself, and the others: one of them decides, for any by meeting it, for all by not."""
        decisive = isinstance(node, HouseholdAny)
        another = another_meets(self._catalog, self.node(node.asked, decisive))
        own = self.node(node.asked, wanted)
        return or_(own, another) if decisive is wanted else and_(own, not_(another))

    def _field_test(self, node: FieldTest, wanted: bool) -> ColumnElement[bool]:
        field = self._catalog.get(node.field)
        assert field is not None  # noqa: S101  # check() saw to it
        operator, raw = node.comparison
        value = operand(field, operator, raw)
        if operator == "known":
            known = field.matches(is_known(field), self._moment)
            return known if value is wanted else not_(known)
        test = self._tests.of_field(field, operator, value, "02-28" if node.leap is MISSING else node.leap)
        return unless(field.matches(test, self._moment), wanted)

    def _in_bucket(self, node: InBucket) -> ColumnElement[bool]:
        countable = self._catalog.countable
        assert countable is not None  # noqa: S101  # check() saw to it
        operator, number = node.comparison
        column = bucket_column(node.bucket, node.of, countable.outer_customer_id)
        return compared(column, operator, number, BigInteger())

    @property
    def _timeline(self) -> Timeline:
        countable = self._catalog.countable
        assert countable is not None  # noqa: S101  # check() saw to it
        return Timeline(countable, self._moment, self._tests, self._inside)

    def _inside(self, tree: Audience, catalog: Catalog) -> ColumnElement[bool]:
        return _Compiler(catalog, self._moment).node(tree, wanted=True)
