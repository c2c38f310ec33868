"""Chat templates of strangers: they reach nothing outside, and neither fill memory nor run on.

jinja2's sandbox keeps a template from code and files, and lets it count to the end of time or
ask for as much memory as there is. Here everything a template makes is weighed before or as it
is made, and everything it repeats looks at the clock.
"""

import json
import re
import string
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import wraps
from itertools import chain
from typing import Any, NoReturn

from jinja2 import TemplateError, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

MARKS = ("mason_begin", "mason_end")
"""Names of what stands around the model's own words; a render gives their values."""
_MOST_CHARACTERS, _SECONDS, _SECONDS_A_TURN = 50_000_000, 0.5, 0.02
"""All that one render may make, and how long its thread may compute."""
_LARGEST, _MOST_BITS, _ENTRY = 10_000_000, 4096, 8
"""Characters of one value; bits of a number; what a number or an entry weighs, in characters."""
_WIDEST = 100_000
"""The largest number that a function or a field of a format may be given."""
_WIDE_FIELD = re.compile(r"\d{6}|%[^a-zA-Z%]*\*|\{[^{}]*\{")
"""In a format: a width of six digits, or one that is a value."""
_WIDTH = re.compile(r"\d{1,5}")
_UNUSED = ("urlize", "xmlattr", "wordwrap", "center", "pprint", "random", "filesizeformat")
"""Filters of web pages, which no conversation needs and which make much of little."""
_GROWING = ("batch", "indent", "round", "slice", "tojson")
"""Filters whose result may be as large as their value times what they are given."""


class EndlessError(Exception):
    """A template makes more, or takes longer, than any conversation needs."""


class _Budget:
    """What is left for a render."""

    def __init__(self, turns: int) -> None:
        self._characters = _MOST_CHARACTERS
        self._end = time.thread_time() + _SECONDS + turns * _SECONDS_A_TURN
        self._known: dict[int, tuple[Any, int]] = {}

    def spend(self, characters: int = 0) -> None:
        self._characters -= characters
        if characters > _LARGEST or self._characters < 0 or time.thread_time() > self._end:
            raise EndlessError

    def weight(self, value: Any) -> int:
        """Characters of it as text; what is held twice counts twice, as when it is written."""
        if isinstance(value, str | bytes):
            return len(value) + 1
        if isinstance(value, int) and value.bit_length() > _MOST_BITS:
            raise EndlessError
        if not isinstance(value, list | tuple | Mapping):
            return _ENTRY
        if id(value) not in self._known:  # nothing can be changed here, so it stays
            parts: Iterable[Any] = chain(
                value, value.values() if isinstance(value, Mapping) else ()
            )
            self._known[id(value)] = value, _ENTRY + sum(map(self.weight, parts))
        found = self._known[id(value)][1]
        if found > _LARGEST:
            raise EndlessError
        return found


class _Space(Namespace):
    """What a template keeps; spaces within spaces, written out, would have no end."""

    def __repr__(self) -> str:
        raise SecurityError("a namespace is no text")


_budget: ContextVar[_Budget] = ContextVar("budget")


@contextmanager
def within_bounds(turns: int) -> Iterator[None]:
    """What is compiled and rendered within shares one budget, for a conversation so long."""
    token = _budget.set(_Budget(turns))
    try:
        yield
    finally:
        _budget.reset(token)


def _made(value: Any) -> Any:
    """A value that is new: its own characters or entries, within a bound for all it holds."""
    budget = _budget.get()
    weight = budget.weight(value)
    budget.spend(weight if isinstance(value, str | bytes) else _num_entries(value) * _ENTRY)
    return value


def _num_entries(value: Any) -> int:
    return len(value) if isinstance(value, list | tuple | Mapping) else 1


def _written(value: Any) -> Any:
    """A value that is to be text."""
    _spend(_weight(value))
    return value


def _spend(characters: int) -> None:
    _budget.get().spend(characters)


def _weight(value: Any) -> int:
    return _budget.get().weight(value)


def _concatenated(parts: Iterable[Any]) -> str:
    """``~``, and blocks that are caught."""
    return "".join(str(_written(part)) for part in parts)


def _filter(name: str, inner: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that is weighed; asking for the context keeps it from running at compile time."""
    wanted = getattr(inner, "jinja_pass_arg", None)

    @pass_context
    @wraps(inner)
    def outer(context: Context, value: Any, *args: Any, **options: Any) -> Any:
        if name in _LISTING and not isinstance(value, str) and isinstance(value, Iterable):
            value = list(value)
        if name in _GROWING:
            _spend(_weight(value) * (1 + sum(map(_factor, (*args, *options.values())))))
        elif name in _SIZES:
            text = value if isinstance(value, list) else str(_written(value))
            _spend(_SIZES[name](text, *args, **options))
        elif name in _WRITING:
            _written(value)
        asked = {"context": context, "eval_context": context.eval_ctx}
        first = [asked.get(wanted.name, context.environment)] if wanted is not None else []
        found = inner(*first, value, *args, **options)
        return found if isinstance(found, Iterator) else _made(found)

    return outer


def _factor(given: Any) -> int:
    """How much larger an argument may make what it is applied to."""
    if not isinstance(given, int):
        return _weight(given)
    if abs(given) > _WIDEST:
        raise EndlessError
    return abs(given)


def _size_replaced(owner: str, old: Any = "", new: Any = "", *_: Any, **__: Any) -> int:
    return len(owner) + owner.count(str(old)) * len(str(new))


def _size_joined(parts: list[Any] | str, d: Any = "", *_: Any, **__: Any) -> int:
    return _weight(parts) + len(str(d)) * len(parts)


def _size_split(owner: str, sep: str | None = None, *_: Any, **__: Any) -> int:
    """A piece is an object of its own, however short."""
    return len(owner) + 64 * sum(map(owner.count, string.whitespace if sep is None else [sep]))


def _size_expanded(owner: str, tabsize: int = 8) -> int:
    return len(owner) + owner.count("\t") * tabsize


def _size_formatted(owner: str, *given: Any, **named: Any) -> int:
    """Each field may hold all that is given; widths come beside."""
    if _WIDE_FIELD.search(owner):
        raise EndlessError
    fields = owner.count("%") + owner.count("{")
    return len(owner) + fields * _weight([given, named]) + sum(map(int, _WIDTH.findall(owner)))


def _power(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int) and right > 0:
        _check_bits(left.bit_length() * right)
    return left**right


def _product(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        _check_bits(left.bit_length() + right.bit_length())
        return left * right
    for part, times in ((left, right), (right, left)):
        if isinstance(times, int) and isinstance(part, str | bytes | list | tuple):
            _spend(_weight(part) * max(times, 0))
    return left * right


def _formatted(left: Any, right: Any) -> Any:
    if isinstance(left, str | bytes):
        _spend(_size_formatted(str(left), right))
    return left % right


def _sum(left: Any, right: Any) -> Any:
    return _made(left + right)


def _check_bits(count: int) -> None:
    if count > _MOST_BITS:
        raise EndlessError


_LISTING, _WRITING = ("join", "list", "sum"), ("string", "e", "escape", "forceescape", "urlencode")
_SIZES: dict[str, Callable[..., int]] = {
    "replace": _size_replaced,
    "join": _size_joined,
    "format": _size_formatted,
}
"""Filters whose result may be larger than all they are given, and how large."""
_METHODS: dict[str, Callable[..., int]] = {
    **dict.fromkeys(("split", "rsplit"), _size_split),
    "splitlines": lambda owner, *_, **__: _size_split(owner),
    "replace": _size_replaced,
    "join": lambda between, parts: _size_joined(parts, between),
    "expandtabs": _size_expanded,
    "format": _size_formatted,
    "format_map": _size_formatted,
}
"""The same of methods of text."""


class _Code(CodeGenerator):
    """Puts the scales into what jinja2 compiles."""

    def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802
        """Each round looks at the clock."""
        tick = nodes.Call(nodes.EnvironmentAttribute("tick"), [], [], None, None)
        node.body.insert(0, nodes.ExprStmt(tick).set_lineno(node.lineno))
        super().visit_For(node, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        """``~`` without an operator that could be intercepted."""
        self.write("environment.concat((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def visit_List(self, node: nodes.List, frame: Frame) -> None:  # noqa: N802
        """Lists of lists that are one and the same grow as if they were not."""
        self._counted(super().visit_List, node, frame)

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:  # noqa: N802
        """As lists."""
        self._counted(super().visit_Dict, node, frame)

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:  # noqa: N802
        """As lists, where it is no list of names to fill."""
        if node.ctx == "load":
            self._counted(super().visit_Tuple, node, frame)
        else:
            super().visit_Tuple(node, frame)

    def _counted(self, visit: Callable[[Any, Frame], None], node: Any, frame: Frame) -> None:
        self.write("environment.made(")
        visit(node, frame)
        self.write(")")


class _Answers(Extension):
    """``{% generation %}`` marks the model's own words for training; they stay as they are."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it so

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        """The marked part, between what the render calls its marks: mostly nothing."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        begin, end = (nodes.Output([nodes.Name(name, "load")]).set_lineno(line) for name in MARKS)
        return [begin, *body, end]


class Sandbox(ImmutableSandboxedEnvironment):
    """What chat templates may use: as transformers has it, within bounds."""

    code_generator_class = _Code
    intercepted_binops = frozenset(("*", "**", "%", "+"))
    concat = staticmethod(_concatenated)
    made = staticmethod(_made)

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Answers, "jinja2.ext.loopcontrols"],
            finalize=_written,
        )
        self.binop_table |= {"*": _product, "**": _power, "%": _formatted, "+": _sum}
        self.filters["tojson"] = _to_json
        self.filters = {
            name: _filter(name, inner)
            for name, inner in self.filters.items()
            if name not in _UNUSED
        }
        del self.globals["lipsum"]
        self.globals["namespace"] = _Space
        self.globals["raise_exception"] = _refuse
        self.globals["strftime_now"] = lambda format: datetime.now().strftime(format)

    def tick(self) -> None:
        """Nothing; ``call`` looks at the clock."""

    def call(self, context: Context, called: Any, /, *args: Any, **options: Any) -> Any:
        """Call a function, a macro or a method, if what comes of it is of no great size."""
        _spend(_ENTRY)
        owner = getattr(getattr(called, "__wrapped__", called), "__self__", None)
        if isinstance(owner, str | bytes | int):
            args = tuple(list(arg) if isinstance(arg, Iterator) else arg for arg in args)
            self._check_method(owner, called.__name__, args, options)
        found = super().call(context, called, *args, **options)
        return found if isinstance(found, Iterator) else _made(found)

    def _check_method(
        self, owner: str | bytes | int, name: str, args: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        if not isinstance(owner, str) or name == "translate":
            raise SecurityError(f"{name} is not for templates")
        given = (*args, *options.values())
        if any(isinstance(value, int) and abs(value) > _WIDEST for value in given):
            raise EndlessError
        if name in _METHODS:
            _spend(_METHODS[name](owner, *args, **options))


def _to_json(value: Any, indent: int | None = None, **options: Any) -> str:
    options.setdefault("ensure_ascii", False)
    return json.dumps(value, indent=indent, **options)


def _refuse(reason: str) -> NoReturn:
    raise TemplateError(reason)
