"""The tags of templates: those of Liquid that neither load nor repeat without a bound, and what each of them costs."""

from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Final, TextIO, cast

from liquid import Environment, Mode, RenderContext
from liquid.ast import BlockNode, Node
from liquid.builtin.content import Literal as ContentTag
from liquid.builtin.expressions.logical import EqExpression, NeExpression
from liquid.builtin.expressions.primitive import Blank, Empty, Identifier
from liquid.builtin.illegal import Illegal
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.assign_tag import AssignNode, AssignTag
from liquid.builtin.tags.capture_tag import CaptureNode, CaptureTag
from liquid.builtin.tags.case_tag import CaseNode, CaseTag, MultiExpressionBlockNode
from liquid.builtin.tags.comment_tag import CommentTag
from liquid.builtin.tags.for_tag import BreakTag, ContinueTag, ForLoop, ForNode, ForTag
from liquid.builtin.tags.if_tag import IfNode, IfTag
from liquid.builtin.tags.inline_comment_tag import InlineCommentTag
from liquid.builtin.tags.unless_tag import UnlessNode, UnlessTag
from liquid.exceptions import BreakLoop, ContinueLoop, LiquidSyntaxError
from liquid.expression import Expression
from liquid.stream import TokenStream

from .bounds import RenderRefused
from .sandbox import ROOTS, Context, Missing, line_of


class _Output(Output):
    """Output, escaped where it must be."""

    class Written(OutputNode):
        __slots__ = ()

        def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
            assert isinstance(context, Context)  # noqa: S101  # nothing else renders these nodes
            return buffer.write(context.written(self.expression.evaluate(context), self.expression.token))

    node_class = Written


class _Assign(AssignTag):
    """Assignment to names of the template's own."""

    def parse(self, stream: TokenStream) -> AssignNode:
        node = super().parse(stream)
        _refuse_reserved(node.name)
        return node


class _Capture(CaptureTag):
    """Captures, bounded, and HTML where the template is."""

    class Captured(CaptureNode):
        __slots__ = ()

        def _assign(self, context: RenderContext, buf: StringIO) -> None:
            assert isinstance(context, Context)  # noqa: S101  # nothing else renders these nodes
            context.assign(self.name, context.captured(buf.getvalue()))

    node_class = Captured

    def parse(self, stream: TokenStream) -> CaptureNode:
        node = super().parse(stream)
        _refuse_reserved(node.name)
        return node


class _For(ForTag):
    """Loops that are paid for, turn by turn."""

    class Turning(ForNode):
        __slots__ = ("cost",)
        cost: int

        def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
            assert isinstance(context, Context)  # noqa: S101  # nothing else renders these nodes
            items, length = self._items(context)
            if not length:
                return self.default.render(context, buffer) if self.default else 0
            name = self.expression.identifier
            loop = ForLoop(name, items, length, context.parentloop())
            namespace: dict[str, object] = {"forloop": loop, name: None}
            count = 0
            with context.loop(namespace, loop):
                for item in loop:
                    namespace[name] = item
                    context.iterate(self.cost, self.token)
                    try:
                        count += self.block.render(context, buffer)
                    except ContinueLoop:
                        continue
                    except BreakLoop:
                        break
            return count

        def _items(self, context: Context) -> tuple[Iterator[object], int]:
            """Look at the length before anything is made of it: a range may be endless."""
            over = self.expression.iterable.evaluate(context)
            if isinstance(over, Missing):
                raise over.refusal()
            if not isinstance(over, range | list):
                raise RenderRefused("template-invalid", "for needs a list or a range", line=line_of(self.token))
            context.check_length(over.stop - over.start if isinstance(over, range) else len(over), self.token)
            return self.expression.evaluate(context)

    node_class = Turning

    def parse(self, stream: TokenStream) -> Node:
        node = super().parse(stream)
        if isinstance(node, self.Turning):
            _refuse_reserved(Identifier(node.expression.identifier, token=node.token))
            node.cost = _weight(node.block)
        return node


class _Case(CaseTag):
    """Choices; what is chosen is rendered once, however often it matches."""

    def parse(self, stream: TokenStream) -> Node:
        node = super().parse(stream)
        if isinstance(node, CaseNode):
            for block in node.blocks:
                if isinstance(block, MultiExpressionBlockNode):
                    block.expression = _Once(block.expression)  # type: ignore[assignment]  # evaluated alike
        return node


class _Once(Expression):
    """Whether any of the values after `when` is the one."""

    __slots__ = ("_any",)

    def __init__(self, any_of: Expression) -> None:
        super().__init__(any_of.token)
        self._any = any_of

    def evaluate(self, context: RenderContext) -> list[bool]:
        return [True in cast(list[bool], self._any.evaluate(context))]

    def children(self) -> Iterable[Expression]:
        return self._any.children()


class _If(IfTag):
    """Conditions that know what is missing."""

    mode = Mode.STRICT

    def parse(self, stream: TokenStream) -> Node:
        return _knowing(super().parse(stream))


class _Unless(UnlessTag):
    """Conditions that know what is missing."""

    mode = Mode.STRICT

    def parse(self, stream: TokenStream) -> Node:
        return _knowing(super().parse(stream))


class _Equal(EqExpression):
    """Equality, where what is missing is equal to blank, empty, nil and a text without characters."""

    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        left, right = self.left.evaluate(context), self.right.evaluate(context)
        if isinstance(right, Missing):
            left, right = right, left
        if isinstance(left, Missing):
            return right is None or right == "" or isinstance(right, Missing | Blank | Empty)
        return super().evaluate(context)


class _Unequal(_Equal):
    """Inequality."""

    __slots__ = ()

    def evaluate(self, context: RenderContext) -> object:
        return not super().evaluate(context)


def _knowing(node: Node) -> Node:
    """Let the comparisons of a condition know what is missing."""
    if isinstance(node, IfNode | UnlessNode):
        node.condition = _compared(node.condition)
        for alternative in node.alternatives:
            alternative.expression = _compared(alternative.expression)
    return node


def _compared(expression: Expression) -> Expression:
    for side in ("expression", "left", "right"):
        inner = getattr(expression, side, None)
        if isinstance(inner, Expression):
            setattr(expression, side, _compared(inner))
    if isinstance(expression, EqExpression):
        return _Equal(expression.token, expression.left, expression.right)
    if isinstance(expression, NeExpression):
        return _Unequal(expression.token, expression.left, expression.right)
    return expression


def _weight(node: Node) -> int:
    """Count the nodes that a turn of a loop passes at most."""
    children = node.nodes if isinstance(node, BlockNode) else node.children(None)  # type: ignore[arg-type]
    return 1 + sum(map(_weight, children))


def _refuse_reserved(name: Identifier) -> None:
    if name in ROOTS or name == "forloop":
        raise LiquidSyntaxError(f"{name} is given, choose another name", token=name.token)


TAGS: Final = (
    ContentTag,
    _Output,
    Illegal,
    _If,
    _Unless,
    _Case,
    _For,
    BreakTag,
    ContinueTag,
    _Assign,
    _Capture,
    CommentTag,
    InlineCommentTag,
)


class Sandbox(Environment):
    """The environment of one kind of part."""

    block_nesting_limit = 20

    def __init__(self, *, html: bool) -> None:
        super().__init__(undefined=Missing, autoescape=html)

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Register what templates may use, and nothing else."""
        for tag in TAGS:
            self.add_tag(tag)
