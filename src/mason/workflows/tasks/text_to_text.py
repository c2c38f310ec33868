"""Text to text: translation, summaries, completions."""

import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from mason.data.columns import Columns
from mason.data.lengths import NOTABLE_SHARE
from mason.data.order import order
from mason.data.tables import Table
from mason.data.text_pairs import find_text_pair, flat_texts
from mason.errors import SettingsError
from mason.evaluation.language import held_scores, held_tokens, read_costliest
from mason.evaluation.texts import judge_texts, lead_sentence
from mason.language import say
from mason.metrics.texts import Measure, TextScores, bleu_and_chrf, match_scores, rouge
from mason.models.transformer import Transformer, num_parameters
from mason.settings import (
    DIALOGUE_ONLY,
    EMBEDDING_ONLY,
    PREFERENCE_ONLY,
    PRETRAINING_ONLY,
    DataSettings,
    Settings,
)
from mason.tasks.text_to_text import HEAD, Exchanges, TextToText
from mason.training.budgets import MODERN, peak_rate
from mason.training.defaults import named, recipe_for
from mason.training.loop import Scores
from mason.training.recipe import Recipe
from mason.workflows.dialling import embedding_size
from mason.workflows.needs import Held
from mason.workflows.opening import Chosen, facts_error, open_model
from mason.workflows.preparing import Prepared, texts_of
from mason.workflows.rewriter import Completer, Rewriter, Summariser, Translator
from mason.workflows.starting import Beginning, begin_writer
from mason.workflows.tasks.task import Block, Marked, RowScores, Task

_MOST_ROWS = 1000
"""Rows that are written at the end: writing costs far more than reading."""
_BATCH_TOKENS = 4096
"""Of a model from random weights, both sides together."""
_FROM_RANDOM_WEIGHTS = ("model.shape", "model.tokenizer", "model.vocab_size", "training.budget")
_OF_CLASSES = (
    *EMBEDDING_ONLY,
    "data.label",
    "data.separator",
    "data.pair",
    "training.probe_rows",
    "training.head_learning_rate",
)
OF_WRITERS = (*(n for n in PRETRAINING_ONLY if n not in _FROM_RANDOM_WEIGHTS), *_OF_CLASSES)
"""Settings that mean nothing to a model that writes."""


class TextTask(Task[Rewriter, Exchanges]):
    """What every task shares that writes a text for a text."""

    unused = (*OF_WRITERS, *DIALOGUE_ONLY, *PREFERENCE_ONLY)
    writer: ClassVar[type[Rewriter]]
    """What a model of it is."""

    def arrange(self, tables: dict[str, Table], settings: DataSettings) -> dict[str, Table]:
        """Alpaca's two columns as one, nested translations as two."""
        return {name: flat_texts(table) for name, table in tables.items()}

    def columns(
        self, tables: Mapping[str, Table], settings: DataSettings, *, complete: bool = True
    ) -> Columns:
        """What is read, and what is written."""
        return find_text_pair(
            next(iter(tables.values())),
            text=settings.text,
            target=settings.target,
            group=settings.group,
            need_target=complete,
        )

    def reads(self, columns: Columns) -> str:
        """Which columns they are."""
        return say(
            "Reads {text} and learns to write {target}.", text=columns.text, target=columns.target
        )

    def load(self, path: Path, chosen: Chosen) -> Rewriter:
        """Any model with a decoder."""
        opened = open_model(path, chosen, heads=(HEAD,))
        if opened.network.spec.decoder is None:
            raise SettingsError(
                "{source} has no decoder and so cannot write; choose a model such as T5, BART, "
                "Marian or GPT-2.",
                source=chosen.source,
            )
        told = opened.facts()
        separator = told.get("separator", self.writer.SEPARATOR)
        longest = told.get("max_new_tokens", 128)
        if not isinstance(separator, str) or type(longest) is not int or longest < 1:
            raise facts_error(opened.folder)
        return opened.become(self.writer, separator=separator, max_new_tokens=longest)

    def create(self, settings: Settings, prepared: Prepared, beginning: Beginning) -> Rewriter:
        """A model of random weights of the shape named."""
        train = prepared.tables["train"]
        names = filter(None, (prepared.columns.text, prepared.columns.target))
        texts = [text for name in names for text in texts_of(train, name)]
        known = {"separator": self.writer.SEPARATOR}
        return begin_writer(self.writer, settings, texts, beginning, **known)

    def adopt(self, model: Rewriter, prepared: Prepared) -> None:
        """Remember the longest text to write."""
        assert prepared.columns.target is not None, "training needs targets"
        texts = texts_of(prepared.tables["train"], prepared.columns.target)
        longest = 1 + max(map(len, model.tokenizer.encode_ids(texts)), default=0)
        limit = model.max_tokens or longest
        model.max_new_tokens = min(longest, limit if model.encodes else max(1, limit // 2))

    def examples(self, model: Rewriter, table: Table, columns: Columns) -> Exchanges:
        """Sources and targets."""
        assert columns.target is not None, "examples have targets"
        return model.exchanges(texts_of(table, columns.text), texts_of(table, columns.target))

    def marked(self, model: Rewriter, table: Table, columns: Columns) -> Marked:
        """What is read, then what is written; the latter is learned."""
        told = self.examples(model, table.take([0]), columns)
        source, target = told.sources[0], told.targets[0]
        learned = [False] * len(source) + [True] * len(target)
        return Marked([*source, *target], learned, closed=True)

    def num_tokens(
        self, model: Rewriter, table: Table, columns: Columns, examples: Exchanges
    ) -> list[int]:
        """Tokens of both sides, or of the longer one."""
        assert columns.target is not None, "examples have targets"
        return model.num_tokens(texts_of(table, columns.text), texts_of(table, columns.target))

    def num_cut(self, model: Rewriter, lengths: Sequence[int], examples: Exchanges) -> int:
        """By either side: each has its own room."""
        return sum(examples.shortened)

    def crowded(self, model: Rewriter, train: Exchanges) -> str | None:
        """Of a lone decoder, whose text and target share the limit."""
        share = sum(train.shortened) / len(train)
        if model.encodes or share <= NOTABLE_SHARE:
            return None
        return say(
            "{share:.1%} of the rows are cut: the model reads {limit} tokens, and keeps {room} of "
            "them for what it writes. Raise model.max_tokens, choose a model that reads more, or "
            "shorten the texts.",
            share=share,
            limit=model.max_tokens,
            room=model.max_new_tokens,
        )

    def recipe(self, settings: Settings, network: Transformer, train: Exchanges) -> Recipe:
        """As for any fine-tuning; from random weights, as for pretraining."""
        return writing_recipe(settings, network, len(train))

    def objective(self, train: Exchanges, recipe: Recipe) -> TextToText:
        """Cross-entropy of the targets' tokens."""
        return TextToText(train, label_smoothing=recipe.label_smoothing)

    def held(self, held: Exchanges) -> Held:
        """As much as an evaluation reads."""
        objective = TextToText(held)
        return Held(held_tokens(objective), partial(read_costliest, held=objective))

    def validate(self, model: Rewriter, held: Exchanges) -> Scores:
        """The mean loss of a target's token."""
        return dict(held_scores(model.network, TextToText(held)))

    def chance_loss(self, model: Rewriter, train: Exchanges) -> float:
        """Of tokens drawn as often as they stand in the targets."""
        counts = Counter(token for target in train.targets for token in target)
        return -sum(n / counts.total() * math.log(n / counts.total()) for n in counts.values())

    def measure(
        self, model: Rewriter, prepared: Prepared, split: str, examples: Exchanges
    ) -> Block:
        """Scores of what it writes, the worst of it, and simpler ways to write."""
        table, columns = prepared.tables[split], prepared.columns
        assert columns.target is not None, "what is measured has targets"
        some = table if prepared.whole else table.take(_chosen(table))
        sources, wanted = texts_of(some, columns.text), texts_of(some, columns.target)
        told = judge_texts(
            sources,
            self.answer(model, some, columns),
            wanted,
            self.measures(some, columns),
            rivals=self.rivals(sources, prepared),
        )
        for mistake in told["errors"]:
            place = mistake.pop("place")
            mistake |= {"row": int(some.rows[place]), "file": str(some.path)}
        return {"split": split, "rows": len(some), "confidence": 0.95, **told}

    def measures(self, table: Table, columns: Columns) -> Measure:
        """What scores texts written for these rows."""
        return self.scores

    @abstractmethod
    def scores(self, written: Sequence[str], wanted: Sequence[str]) -> TextScores:
        """How near they are; the first score is the one that counts."""

    @abstractmethod
    def rivals(self, sources: Sequence[str], prepared: Prepared) -> dict[str, list[str]]:
        """What simpler ways write for these texts, by their names."""

    def answer(self, model: Rewriter, table: Table, columns: Columns) -> list[str]:
        """A text a row."""
        return model.predict(texts_of(table, columns.text))

    def each(self, model: Rewriter, table: Table, columns: Columns) -> RowScores:
        """How near each written text is to the one wanted."""
        assert columns.target is not None, "what is compared has targets"
        chosen = _chosen(table)
        some = table.take(chosen)
        written, wanted = self.answer(model, some, columns), texts_of(some, columns.target)
        measured = self.measures(some, columns)(written, wanted)
        return RowScores(next(iter(measured.overall)), measured.each.tolist(), chosen)

    def describe(self, model: Rewriter, columns: Columns) -> Block:
        """The columns."""
        return {"text": columns.text, "label": columns.target}


def _chosen(table: Table) -> list[int]:
    """The rows that are written, the same every time: all, or some of very many."""
    return sorted(order(len(table), seed=0, epoch=0)[:_MOST_ROWS].tolist())


def writing_recipe(settings: Settings, network: Transformer, num_examples: int) -> Recipe:
    """As for any fine-tuning; from random weights, as for pretraining."""
    given = settings.training
    size = num_parameters(network)
    if settings.model.source is not None or settings.model.shape is None:
        tuned = recipe_for(given, num_parameters=size, num_examples=num_examples)
        chosen = replace(tuned, probe_rows=0)
    else:
        base = Recipe(
            epochs=10.0,
            tokens_per_batch=_BATCH_TOKENS,
            label_smoothing=0.1,
            **MODERN | {"learning_rate": peak_rate(size - embedding_size(network.spec))},
        )
        chosen = replace(base, **named(given, but={"batch_size", "accumulation"}))
        if given.batch_size:
            chosen = replace(
                chosen,
                tokens_per_batch=given.tokens_per_batch,
                batch_size=given.batch_size * (given.accumulation or 1),
            )
    if given.budget is not None and given.epochs is None:
        chosen = replace(chosen, epochs=1e9, max_steps=given.max_steps or 1000)
    return chosen


class Translation(TextTask):
    """A text in another language."""

    name, writer = "translation", Translator

    def scores(self, written: Sequence[str], wanted: Sequence[str]) -> TextScores:
        """BLEU and chrF."""
        return bleu_and_chrf(written, wanted)

    def rivals(self, sources: Sequence[str], prepared: Prepared) -> dict[str, list[str]]:
        """The source itself: names and numbers are right already."""
        return {say("the text as it is"): list(sources)}


class Summarisation(TextTask):
    """The gist of a text."""

    name, writer = "summarisation", Summariser

    def scores(self, written: Sequence[str], wanted: Sequence[str]) -> TextScores:
        """ROUGE."""
        return rouge(written, wanted)

    def rivals(self, sources: Sequence[str], prepared: Prepared) -> dict[str, list[str]]:
        """The first sentence."""
        return {say("the first sentence"): [lead_sentence(text) for text in sources]}


class Completion(TextTask):
    """What follows a prompt."""

    name, writer = "completion", Completer

    def scores(self, written: Sequence[str], wanted: Sequence[str]) -> TextScores:
        """Exact match and edit similarity."""
        return match_scores(written, wanted)

    def rivals(self, sources: Sequence[str], prepared: Prepared) -> dict[str, list[str]]:
        """The most frequent one, whatever the prompt."""
        train, target = prepared.tables.get("train"), prepared.columns.target
        if train is None or target is None:
            return {}
        usual = Counter(texts_of(train, target)).most_common(1)[0][0]
        return {say("the most frequent completion"): [usual] * len(sources)}
