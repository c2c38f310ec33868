"""Functions of Python 3 as they were written for Python 2, by rules.

A rule finds one idiom in the syntax tree and gives edits of the text. Where an idiom had an
alternative (``<>``, backticks, ``u''``, ``has_key``), a hash of the function chooses, so that the
same function always becomes the same text. Whether the result means the same is for whoever
calls to check, by leading it back.
"""

import ast
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from mason.catalog.dataset import hashed_share

_MAPPING = re.compile(r"(dict|cache|map|table|memo|registry|attrs|headers|modules|environ|\bd)$")
_LAZY = {"items": "iteritems", "keys": "iterkeys", "values": "itervalues"}
_LISTED = ("map", "filter", "zip", "range")
_RENAMED = {"__code__": "func_code", "__defaults__": "func_defaults", "__globals__": "func_globals"}
_RENAMED |= {"__func__": "im_func", "maxsize": "maxint", "getcwd": "getcwdu"}
_MODULES = {"queue": "Queue", "configparser": "ConfigParser", "builtins": "__builtin__"}
_MODULES |= {"copyreg": "copy_reg", "socketserver": "SocketServer", "reprlib": "repr"}
_NEVER = (
    *(ast.JoinedStr, ast.AsyncFunctionDef, ast.Await, ast.Nonlocal, ast.NamedExpr, ast.YieldFrom),
    *(ast.AnnAssign, ast.Match, ast.Starred, ast.MatMult),
)
"""What Python 2 had no words for, or other ones."""


class Edit(NamedTuple):
    """Bytes ``start`` to ``end`` of the text become ``text``."""

    start: int
    end: int
    text: str


class _Source:
    """A function's text, with places of the tree as offsets of bytes."""

    def __init__(self, text: str) -> None:
        self.text, self.tree = text.encode(), ast.parse(text)
        self.starts = [0]
        for line in self.text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def begin(self, node: ast.expr | ast.stmt | ast.excepthandler) -> int:
        return self.starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt | ast.excepthandler) -> int:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self.starts[node.end_lineno - 1] + node.end_col_offset

    def of(self, node: ast.expr) -> str:
        return self.text[self.begin(node) : self.end(node)].decode()

    def one_line(self, node: ast.expr | ast.stmt) -> bool:
        return node.lineno == node.end_lineno


def python_two(text: str) -> str | None:
    """A function's text in Python 2; None: nothing changes, or Python 2 cannot say it.

    Args:
        text: Of one function, without indent.
    """
    source = _Source(text)
    if any(_is_new(node) for node in ast.walk(source.tree)):
        return None
    found = {
        edit for node in ast.walk(source.tree) for rule in RULES for edit in rule(source, node)
    }
    written, place = b"", 0
    for edit in sorted(found, key=lambda edit: (edit.start, -edit.end)):
        if edit.start < place:  # inside of what is another already
            if edit.end > place:
                return None
            continue
        written += source.text[place : edit.start] + edit.text.encode()
        place = edit.end
    return (written + source.text[place:]).decode() if found else None


def _is_new(node: ast.AST) -> bool:
    if isinstance(node, ast.arguments):
        return bool(node.kwonlyargs or node.posonlyargs)
    if isinstance(node, ast.arg):
        return node.annotation is not None
    if isinstance(node, ast.FunctionDef):
        return node.returns is not None
    if isinstance(node, ast.Raise):
        return node.cause is not None
    if isinstance(node, ast.Call) and _called(node) == "super":
        return not node.args
    return isinstance(node, _NEVER)


def _called(node: ast.AST) -> str | None:
    """The name of a plain call."""
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return node.func.id if named else None  # type: ignore[attr-defined]


def _chosen(source: _Source, idiom: str) -> bool:
    """Whether this function has an idiom that not every one had."""
    return hashed_share(f"{idiom} {source.text.decode()}") < 0.5


Rule = Callable[[_Source, ast.AST], Iterator[Edit]]


def _printed(source: _Source, node: ast.AST) -> Iterator[Edit]:
    """``print(a, file=f)`` is ``print >>f, a``."""
    if not (isinstance(node, ast.Expr) and _called(node.value) == "print"):
        return
    call = node.value
    assert isinstance(call, ast.Call)
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    ended = named.get("end")
    space = isinstance(ended, ast.Constant) and ended.value == " "
    if not source.one_line(call) or not call.args or set(named) - {"end", "file"}:
        return
    if ended is not None and not space:
        return
    to = f">>{source.of(named['file'])}, " if "file" in named else ""
    yield Edit(source.begin(call), source.begin(call.args[0]), f"print {to}")
    yield Edit(source.end(call.args[-1]), source.end(call), "," if space else "")


def _raised(source: _Source, node: ast.AST) -> Iterator[Edit]:
    """``raise E(x)`` is ``raise E, x``."""
    if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
        return
    call = node.exc
    single = len(call.args) == 1 and not call.keywords and not isinstance(call.args[0], ast.Tuple)
    if single and source.one_line(call):
        yield Edit(source.end(call.func), source.begin(call.args[0]), ", ")
        yield Edit(source.end(call.args[0]), source.end(call), "")


def _caught(source: _Source, node: ast.AST) -> Iterator[Edit]:
    """``except E as e`` is ``except E, e``."""
    if isinstance(node, ast.ExceptHandler) and node.name and node.type is not None:
        after = source.end(node.type)
        named = re.match(rb"\)?\s+as ", source.text[after:])
        if named is not None:
            yield Edit(after, after + named.end(), ", ")


def _spelled(source: _Source, node: ast.AST) -> Iterator[Edit]:
    """``0o777`` is ``0777``, large numbers end in L, texts may begin with u."""
    if not isinstance(node, ast.Constant):
        return
    told, begin = source.of(node), source.begin(node)
    if type(node.value) is int:
        if told.startswith("0o"):
            yield Edit(begin, begin + 2, "0")
        elif node.value >= 2**31:
            yield Edit(source.end(node), source.end(node), "L")
    elif isinstance(node.value, str) and told[:1] in "'\"" and told[:3] not in ('"""', "'''"):
        if source.one_line(node) and _chosen(source, "u") and hashed_share(told) < 0.5:
            yield Edit(begin, begin, "u")


def _looped(source: _Source, node: ast.AST) -> Iterator[Edit]:
    """``range`` and ``d.items()`` of a loop are ``xrange`` and ``d.iteritems()``."""
    if not isinstance(node, ast.For | ast.comprehension):
        return
    given = node.iter
    if _called(given) == "range":
        yield Edit(source.begin(given), source.begin(given) + len("range"), "xrange")
    if isinstance(given, ast.Call) and isinstance(given.func, ast.Attribute) and not given.args:
        lazy = _LAZY.get(given.func.attr)
        if lazy is not None:
            end = source.end(given.func)
            yield Edit(end - len(given.func.attr), end, lazy)


def _listed(source: _Source, node: ast.AST) -> Iterator[Edit]:
    """``list(map(f, x))`` is ``map(f, x)``, and ``list(d.items())`` is ``d.items()``."""
    if not (isinstance(node, ast.Call) and _called(node) == "list" and len(node.args) == 1):
        return
    inner = node.args[0]
    method = (
        isinstance(inner, ast.Call)
        and isinstance(inner.func, ast.Attribute)
        and inner.func.attr in _LAZY
        and not inner.args
    )
    if (method or _called(inner) in _LISTED) and source.one_line(node):
        yield Edit(source.begin(node), source.begin(inner), "")
        yield Edit(source.end(inner), source.end(node), "")


def _asked(source: _Source, node: ast.AST) -> Iterator[Edit]:
    """``k in d`` is ``d.has_key(k)``, and ``a != b`` may be ``a <> b``."""
    if not (isinstance(node, ast.Compare) and len(node.ops) == 1):
        return
    left, right, sign = node.left, node.comparators[0], node.ops[0]
    simple = isinstance(left, ast.Name | ast.Constant) and source.one_line(node)
    if (
        isinstance(sign, ast.In | ast.NotIn)
        and simple
        and isinstance(right, ast.Name | ast.Attribute)
    ):
        if _MAPPING.search(source.of(right)):
            refused = "not " if isinstance(sign, ast.NotIn) else ""
            told = f"{refused}{source.of(right)}.has_key({source.of(left)})"
            yield Edit(source.begin(node), source.end(node), told)
    if isinstance(sign, ast.NotEq) and _chosen(source, "<>"):
        place = source.text.find(b"!=", source.end(left), source.begin(right))
        if place >= 0:
            yield Edit(place, place + 2, "<>")


def _called_so(source: _Source, node: ast.AST) -> Iterator[Edit]:
    """``repr(x)`` may be backticks; ``input``, ``next`` and ``exec`` had other forms."""
    name = _called(node)
    if name is None or not isinstance(node, ast.Call) or node.keywords:
        return
    begin, num = source.begin(node), len(node.args)
    if name == "input":
        yield Edit(begin, begin + len(name), "raw_input")
    elif name == "str" and _chosen(source, "unicode"):
        yield Edit(begin, begin + len(name), "unicode")
    elif name == "repr" and num == 1 and source.one_line(node) and _chosen(source, "`"):
        if "repr(" not in source.of(node.args[0]):
            yield Edit(begin, source.begin(node.args[0]), "`")
            yield Edit(source.end(node.args[0]), source.end(node), "`")
    elif name == "next" and num == 1 and isinstance(node.args[0], ast.Name | ast.Attribute):
        yield Edit(begin, source.begin(node.args[0]), "")
        yield Edit(source.end(node.args[0]), source.end(node), ".next()")
    elif name == "isinstance" and num == 2:
        kind = node.args[1]
        if isinstance(kind, ast.Name) and kind.id == "str":
            older = "basestring" if _chosen(source, "basestring") else "unicode"
            yield Edit(source.begin(kind), source.end(kind), older)


def _executed(source: _Source, node: ast.AST) -> Iterator[Edit]:
    """``exec(code, names)`` is ``exec code in names``."""
    if not (isinstance(node, ast.Expr) and _called(node.value) == "exec"):
        return
    call = node.value
    assert isinstance(call, ast.Call)
    if call.args and not call.keywords and source.one_line(call):
        yield Edit(source.begin(call), source.begin(call.args[0]), "exec ")
        if len(call.args) > 1:
            yield Edit(source.end(call.args[0]), source.begin(call.args[1]), " in ")
        yield Edit(source.end(call.args[-1]), source.end(call), "")


def _renamed(source: _Source, node: ast.AST) -> Iterator[Edit]:
    """Attributes and modules that had other names."""
    if isinstance(node, ast.Attribute) and node.attr in _RENAMED:
        end = source.end(node)
        yield Edit(end - len(node.attr), end, _RENAMED[node.attr])
    if isinstance(node, ast.Import) and len(node.names) == 1 and node.names[0].asname is None:
        older = _MODULES.get(node.names[0].name)
        if older is not None:
            yield Edit(source.end(node) - len(node.names[0].name), source.end(node), older)


RULES: tuple[Rule, ...] = (
    *(_printed, _raised, _caught, _spelled, _looped),
    *(_listed, _asked, _called_so, _executed, _renamed),
)
