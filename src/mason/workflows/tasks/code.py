"""Code: from one language to another, and what is missing in a program."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from mason.data.columns import Columns, check_present, check_scalar
from mason.data.tables import Table
from mason.evaluation.sandbox import passes
from mason.language import say
from mason.metrics.code import completion_scores, translation_scores
from mason.metrics.texts import Measure, TextScores
from mason.settings import DataSettings, Settings
from mason.tasks.text_to_text import Exchanges
from mason.workflows.coder import CodeCompleter, CodeTranslator, with_infill
from mason.workflows.opening import Chosen
from mason.workflows.preparing import Prepared, texts_of
from mason.workflows.rewriter import Rewriter
from mason.workflows.starting import Beginning
from mason.workflows.tasks.text_to_text import Completion, TextTask

TESTS, SUFFIX = "tests", "suffix"
"""Columns that are known by their names."""


class CodeTranslation(TextTask):
    """A program in another language; a column ``tests`` holds programs that test what is written.

    They are run in a sandbox, whenever a model is measured.
    """

    name, writer = "code-translation", CodeTranslator

    def measures(self, table: Table, columns: Columns) -> Measure:
        """Trees, compiling, tests where there are some; exact match, edit similarity."""
        tests = texts_of(table, TESTS) if TESTS in table.frame.columns else []
        return partial(translation_scores, tests=tests, passing=passes)

    def scores(self, written: Sequence[str], wanted: Sequence[str]) -> TextScores:
        """The same without tests."""
        return translation_scores(written, wanted)

    def rivals(self, sources: Sequence[str], prepared: Prepared) -> dict[str, list[str]]:
        """The source itself: much of it is right already."""
        return {say("the program as it is"): list(sources)}


class CodeCompletion(Completion):
    """What follows a part of a program, or fills a gap before the column ``suffix``."""

    name, writer = "code-completion", CodeCompleter
    unused = tuple(name for name in Completion.unused if name != "data.pair")

    def columns(
        self, tables: Mapping[str, Table], settings: DataSettings, *, complete: bool = True
    ) -> Columns:
        """What is read, what is written, and what follows that."""
        found = super().columns(tables, settings, complete=complete)
        table = next(iter(tables.values()))
        suffix = settings.pair or (SUFFIX if SUFFIX in table.frame.columns else None)
        if suffix is not None:
            check_present(suffix, table)
            check_scalar(suffix, table)
        return replace(found, suffix=suffix)

    def reads(self, columns: Columns) -> str:
        """Which columns they are."""
        if columns.suffix is None:
            return super().reads(columns)
        return say(
            "Reads {text} and, where there is one, {suffix} behind the gap; learns to write "
            "{target}.",
            text=columns.text,
            suffix=columns.suffix,
            target=columns.target,
        )

    def start(self, path: Path, chosen: Chosen, prepared: Prepared) -> Rewriter:
        """Any model with a decoder, given tokens for fill-in-the-middle where there are gaps."""
        return _ready(super().start(path, chosen, prepared), prepared)

    def create(self, settings: Settings, prepared: Prepared, beginning: Beginning) -> Rewriter:
        """A model of random weights of the shape named, likewise."""
        return _ready(super().create(settings, prepared, beginning), prepared)

    def examples(self, model: Rewriter, table: Table, columns: Columns) -> Exchanges:
        """Programs with a gap, and what belongs there."""
        assert isinstance(model, CodeCompleter) and columns.target is not None
        targets = texts_of(table, columns.target)
        return model.exchanges(texts_of(table, columns.text), targets, _suffixes(table, columns))

    def answer(self, model: Rewriter, table: Table, columns: Columns) -> list[str]:
        """What belongs into each gap."""
        assert isinstance(model, CodeCompleter)
        return model.predict(texts_of(table, columns.text), _suffixes(table, columns))

    def measures(self, table: Table, columns: Columns) -> Measure:
        """Exact match, edit similarity, and whether the whole compiles."""
        return partial(
            completion_scores,
            before=texts_of(table, columns.text),
            after=_suffixes(table, columns),
        )


def _suffixes(table: Table, columns: Columns) -> list[str]:
    return [""] * len(table) if columns.suffix is None else texts_of(table, columns.suffix)


def _ready(model: Rewriter, prepared: Prepared) -> Rewriter:
    assert isinstance(model, CodeCompleter)
    return with_infill(model) if prepared.columns.suffix is not None else model
