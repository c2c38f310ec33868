"""``results.json`` to one HTML page that needs nothing else: no script, no remote asset."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from mason import language
from mason.language import say
from mason.reports.markup import Part, attribute, escape
from mason.reports.schema import Results
from mason.reports.sections import parts_of
from mason.reports.validation import validate


def render(results: Mapping[str, Any]) -> str:
    """The whole page, in the language the results name.

    Raises:
        DataError: The results do not follow the schema.
    """
    valid = validate(results)
    with speaking(valid.language):
        return _page(valid, parts_of(valid))


def write_report(results: Mapping[str, Any], folder: Path) -> Path:
    """Write ``report.html`` into ``folder`` and return its path.

    Raises:
        DataError: The results do not follow the schema.
    """
    path = folder / "report.html"
    path.write_text(render(results), encoding="utf-8")
    return path


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak ``code`` inside the block, then the language of before."""
    before = language._chosen
    language.use(code)
    try:
        yield
    finally:
        language.use(before)


def _page(results: Results, parts: list[tuple[str, Part]]) -> str:
    (_, first), *rest = parts
    code = "zh-Hans" if results.language == "zh" else "en"
    links = "".join(f'<a href="#{name}">{escape(part.title)}</a>' for name, part in rest)
    sections = "".join(_section(name, part) for name, part in rest)
    return (
        f'<!DOCTYPE html>\n<html lang="{code}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{attribute(first.title)}</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n"
        f'<header><p class="kicker">{_kicker(results)}</p><h1>{_unbroken(first.title)}</h1>'
        f"{first.body}</header>\n"
        f'<nav aria-label="{attribute(say("Contents"))}">{links}</nav>\n'
        f"<main>\n{sections}</main>\n<footer><p>{_footer(results)}</p></footer>\n</body>\n</html>\n"
    )


def _section(name: str, part: Part) -> str:
    explanation = f'<p class="explanation">{escape(part.explanation)}</p>'
    return f'<section id="{name}"><h2>{escape(part.title)}</h2>{explanation}{part.body}</section>\n'


def _unbroken(title: str) -> str:
    """The title with its bracketed range kept on one line."""
    return re.sub(r"[(（][^)）]*[)）]", r'<span class="nowrap">\g<0></span>', escape(title))


def _kicker(results: Results) -> str:
    kinds = {
        "train": say("Training report"),
        "pretrain": say("Pretraining report"),
        "evaluate": say("Evaluation report"),
        "compress": say("Compression report"),
    }
    kind = kinds[results.kind]
    task = results.task.name if results.task else None
    task = say("text classification") if task == "classification" else task
    names = [kind, results.name, task, results.created[:10]]
    return " · ".join(escape(name) for name in names if name)


def _footer(results: Results) -> str:
    return escape(
        say(
            "Made by Mason {version} on {date} from results.json, which holds every number here.",
            version=results.mason,
            date=results.created,
        )
    )


@cache
def _style() -> str:
    return files("mason.reports").joinpath("style.css").read_text(encoding="utf-8")
