"""Every sentence a person reads exists in English and in Chinese, with the same fields."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from tests.contracts.source_tree import SOURCE, listed, name_of, source_files, tree_of

FORWARDING = {"errors.py", "language.py"}  # they pass on the template they were given
CHINESE = re.compile(r"[\u4e00-\u9fff]")
HALF_WIDTH = re.compile(r"[\u4e00-\u9fff][,;?!]|[\u4e00-\u9fff]\.(?:\s|$)")


@dataclass(frozen=True)
class Spoken:
    """One call of ``say`` or of an error of ours."""

    where: str
    templates: tuple[str, ...]
    given: frozenset[str] | None
    """Names of the values passed; None where some come from ``**mapping``."""


def _error_classes() -> set[str]:
    tree = tree_of(SOURCE / "errors.py")
    return {n.name for n in tree.body if isinstance(n, ast.ClassDef)}


def _speaking_names(tree: ast.Module) -> set[str]:
    """Names by which a module calls ``say`` and the errors, aliases and subclasses included."""
    errors = _error_classes()
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in {"mason.errors", "mason.language"}:
            wanted = (a for a in node.names if a.name in errors | {"say"})
            names |= {a.asname or a.name for a in wanted}
    for node in ast.walk(tree):
        bases = {ast.unparse(b) for b in node.bases} if isinstance(node, ast.ClassDef) else set()
        if isinstance(node, ast.ClassDef) and bases & names:
            names.add(node.name)
    return names


def _literals(node: ast.expr) -> tuple[str, ...] | None:
    """The strings an argument can be: a literal, or a choice between literals."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return (node.value,)
    if isinstance(node, ast.IfExp):
        first, second = _literals(node.body), _literals(node.orelse)
        return first + second if first and second else None
    return None


def _calls() -> Iterator[tuple[str, ast.Call]]:
    for path in source_files():
        if path.parent == SOURCE and path.name in FORWARDING:
            continue
        names = _speaking_names(tree_of(path))
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and _called(node.func) in names:
                yield f"{name_of(path)}:{node.lineno}", node


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _spoken() -> list[Spoken]:
    spoken = []
    for where, call in _calls():
        templates = _literals(call.args[0]) if call.args else None
        if templates:
            names = [k.arg for k in call.keywords]
            given = None if None in names else frozenset(n for n in names if n)
            spoken.append(Spoken(where, templates, given))
    return spoken


def _fields(template: str) -> set[str]:
    return {
        re.split(r"[.\[]", field)[0]
        for _, field, _, _ in Formatter().parse(template)
        if field is not None
    }


def _translations() -> dict[Path, dict[str, str]]:
    files = sorted((SOURCE / "messages" / "zh").glob("*.json"))
    return {file: json.loads(file.read_text(encoding="utf-8")) for file in files}


def merged() -> dict[str, str]:
    """Every template and its Chinese."""
    return {en: zh for one in _translations().values() for en, zh in one.items()}


def test_templates_are_literal() -> None:
    built = [where for where, call in _calls() if not (call.args and _literals(call.args[0]))]
    assert not built, listed(built)


def test_every_template_has_its_values() -> None:
    wrong = {
        s.where: (sorted(_fields(t)), sorted(s.given))
        for s in _spoken()
        for t in s.templates
        if s.given is not None
        and (not _fields(t) <= s.given or (len(s.templates) == 1 and s.given - _fields(t)))
        and (s.given or _fields(t))
    }
    assert not wrong, listed(wrong)


def test_every_template_has_its_chinese() -> None:
    known = merged()
    missing = {s.where: t for s in _spoken() for t in s.templates if t not in known}
    assert not missing, listed(missing)


def test_no_translation_is_left_over() -> None:
    used = {t for s in _spoken() for t in s.templates}
    orphans = {
        f"{name_of(file)}: {english}"
        for file, pairs in _translations().items()
        for english in pairs
        if english not in used
    }
    assert not orphans, listed(orphans)


def test_translations_have_the_same_fields() -> None:
    wrong = {en: zh for en, zh in merged().items() if _fields(en) != _fields(zh)}
    assert not wrong, listed(wrong)


def test_one_template_has_one_translation() -> None:
    seen: dict[str, str] = {}
    for pairs in _translations().values():
        for english, chinese in pairs.items():
            assert seen.setdefault(english, chinese) == chinese, english


def test_translations_are_punctuated_in_chinese() -> None:
    half_width = [zh for zh in merged().values() if HALF_WIDTH.search(zh)]
    assert not half_width, listed(half_width)


def test_sentences_are_translated_not_copied() -> None:
    copied = [en for en, zh in merged().items() if " " in en and not CHINESE.search(zh)]
    assert not copied, listed(copied)
