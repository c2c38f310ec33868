"""Data sets made of the running Python's library."""

import ast

import pytest

from mason.catalog.datasets import python2_to_3
from mason.catalog.datasets.python2_to_3 import translator
from mason.catalog.datasets.python_functions import KINDS, cut
from mason.catalog.python_source import functions, functions_of
from mason.catalog.python_two import python_two
from mason.errors import SourceError
from mason.metrics.code import tree_of


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ("print(a, b)", "print a, b"),
        ("print(a, end=' ')", "print a,"),
        ("print(a, file=f)", "print >>f, a"),
        ("raise E('x')", "raise E, 'x'"),
        ("raise E('x', 1)", None),
        ("try: pass\nexcept E as e: pass", "try: pass\nexcept E, e: pass"),
        ("try: pass\nexcept (A, B) as e: pass", "try: pass\nexcept (A, B), e: pass"),
        ("for i in range(3): pass", "for i in xrange(3): pass"),
        ("for k, v in d.items(): pass", "for k, v in d.iteritems(): pass"),
        ("x = list(d.keys())", "x = d.keys()"),
        ("x = list(map(f, y))", "x = map(f, y)"),
        ("x = k in cache", "x = cache.has_key(k)"),
        ("x = k not in cache", "x = not cache.has_key(k)"),
        ("x = 0o777", "x = 0777"),
        ("x = 4294967296", "x = 4294967296L"),
        ("x = next(it)", "x = it.next()"),
        ("x = input('?')", "x = raw_input('?')"),
        ("exec(code, names)", "exec code in names"),
        ("x = sys.maxsize", "x = sys.maxint"),
        ("import queue", "import Queue"),
        ("x = f'{a}'\nprint(a)", None),
        ("x = 1", None),
    ],
)
def test_a_rule_writes_python_2_and_lib2to3_leads_back(newer: str, older: str | None) -> None:
    found = python_two(newer)
    assert older == (found and found.replace("u'", "'"))  # which texts begin with u, a hash says
    if found is not None:
        assert tree_of(translator()(found + "\n") or "") == tree_of(newer)


def test_idioms_with_an_alternative_are_used_by_some_functions() -> None:
    names = [f"name{i}" for i in range(40)]
    written = [python_two(f"print({n} != '{n}', repr({n}), isinstance({n}, str))") for n in names]
    told = [text for text in written if text is not None]
    for idiom in ("<>", "!=", "`", "repr(", "u'", "unicode", "basestring"):
        assert 0 < sum(idiom in text for text in told) < len(told), idiom


def test_functions_stand_without_the_indent_of_their_class() -> None:
    source = b"class A:\n\t@property\n\tdef b(self):\n\t\tdef c(): pass\n\t\treturn c\n"
    (found,) = functions_of(source, "pack/age.py")
    assert found.text.startswith("@property\ndef b(self):\n") and found.module == "pack.age"
    assert not list(functions_of(b"print 1", "x.py")) and not list(functions_of(b"\xff", "x.py"))


def test_a_cut_function_is_whole_again_when_its_parts_are_joined() -> None:
    seen = set()
    for function, _ in zip(functions(), range(400), strict=False):
        made = cut(function)
        if made is None:
            continue
        prompt, suffix, completion, kind = made
        seen.add(kind)
        assert completion.strip() and completion.count("\n") <= 5
        if kind == "line":
            assert "\n" not in completion and function.text.startswith(prompt + completion)
        else:
            assert prompt + completion + suffix == function.text
            assert bool(suffix) == (kind == "middle")
    assert seen == set(KINDS)
    assert all(ast.parse(f.text) for f, _ in zip(functions(), range(50), strict=False))


def test_without_lib2to3_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(python2_to_3, "import_module", missing)
    with pytest.raises(SourceError, match="pip install fissix"):
        translator()
