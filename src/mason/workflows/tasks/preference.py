"""Preference tuning: of two answers in a conversation the better one becomes the likelier."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

from mason.data.columns import Columns
from mason.data.conversations import TURNS
from mason.data.preferences import ANSWERS, flat_preferences
from mason.data.tables import Table
from mason.evaluation.language import held_scores, held_tokens, read_costliest
from mason.evaluation.preference import judge_preferences
from mason.language import say
from mason.models.transformer import Transformer
from mason.settings import DataSettings, Settings
from mason.tasks.preference import FREE, Kind, PreferenceObjective, Preferences, reference_of
from mason.training.loop import Scores
from mason.training.recipe import Recipe
from mason.workflows.advised import Advice, Advised
from mason.workflows.chat_templates import settle_template
from mason.workflows.needs import Held
from mason.workflows.opening import Chosen, facts_error, facts_of
from mason.workflows.preparing import Prepared
from mason.workflows.talker import spread
from mason.workflows.tasks.dialogue import open_talker
from mason.workflows.tasks.talks import TalkTask
from mason.workflows.tasks.task import Block, Marked
from mason.workflows.tasks.text_to_text import OF_WRITERS, writing_recipe

_MOST_EPOCHS = 3.0
_RATE_SHARE = 0.1
"""Of the learning rate of other fine-tuning: a preference is a nudge."""


class PreferenceTask(TalkTask[Advised, Advice]):
    """Which of two answers is better."""

    name = "preference"
    answers = ANSWERS
    unused = (
        *(name for name in OF_WRITERS if name != "data.pair"),
        *("model.shape", "model.tokenizer", "model.vocab_size", "training.loss_on"),
    )

    def arrange(self, tables: dict[str, Table], settings: DataSettings) -> dict[str, Table]:
        """Whatever the form of the pairs, as two conversations."""
        named = {"prompt": settings.text, "chosen": settings.target, "rejected": settings.pair}
        return {name: flat_preferences(table, **named) for name, table in tables.items()}

    def reads(self, columns: Columns) -> str:
        """Which columns they are."""
        return say("Reads preferences as {layout}.", layout=columns.layout)

    def load(self, path: Path, chosen: Chosen) -> Advised:
        """Any decoder."""
        folder = path if path.is_dir() else path.parent
        kind: Any = facts_of(folder).get("preference_loss", "dpo")
        if kind not in get_args(Kind):
            raise facts_error(folder)
        model = open_talker(Advised, path, chosen)
        model.kind = kind
        return model

    def heed(self, model: Advised, settings: Settings) -> None:
        """The loss and its numbers, and a template for a model that has none."""
        adapts = settings.adapter.kind is not None
        settle_template(model, settings.model.chat_template, adapts=adapts)
        given = settings.training
        model.loss_on = "last"
        model.kind = given.preference_loss or model.kind
        model.beta = given.preference_beta
        if given.preference_margin is not None:
            model.margin = given.preference_margin

    def examples(self, model: Advised, table: Table, columns: Columns) -> Advice:
        """Prompts and answers as tokens."""
        return model.advice(table, TURNS)

    def marked(self, model: Advised, table: Table, columns: Columns) -> Marked:
        """The better conversation; the worse answer is read in the same way."""
        (cell,) = table.texts(TURNS)[:1]
        better, _ = model.sides(table.path, table.rows[0], json.loads(cell or "[]"))
        return Marked(better.ids, better.learned, better.closed)

    def num_tokens(
        self, model: Advised, table: Table, columns: Columns, examples: Advice
    ) -> list[int]:
        """Of the longer of both conversations; nothing is cut."""
        pairs = examples.pairs
        sides = zip(pairs.prompts, pairs.chosen, pairs.rejected, strict=True)
        return [len(p) + max(len(c), len(r)) for p, c, r in sides]

    def recipe(self, settings: Settings, network: Transformer, train: Advice) -> Recipe:
        """Gentler than other fine-tuning, and shorter."""
        usual, given = writing_recipe(settings, network, len(train)), settings.training
        rate, epochs = usual.learning_rate, usual.epochs
        timed = given.epochs or given.budget
        return replace(
            usual,
            label_smoothing=given.label_smoothing or 0.0,
            learning_rate=rate if given.learning_rate else rate * _RATE_SHARE,
            epochs=epochs if timed else min(epochs, _MOST_EPOCHS),
        )

    def objective(self, train: Advice, recipe: Recipe) -> PreferenceObjective:
        """The loss that was chosen."""
        return train.objective(recipe.label_smoothing)

    def held(self, held: Advice) -> Held:
        """As much as an evaluation reads."""
        objective = held.objective()
        return Held(held_tokens(objective), partial(read_costliest, held=objective))

    def ask_before(self, model: Advised, examples: Mapping[str, Advice]) -> None:
        """What the model says of all answers: the reference, so that no second model is kept."""
        model.network.eval()
        for name, advice in examples.items():
            if name != "train" or advice.kind not in FREE:
                advice.reference = reference_of(model.network, advice.pairs)
        held = examples.get("test", examples.get("valid"))
        model.said = _said(model, held.pairs) if held else []

    def validate(self, model: Advised, held: Advice) -> Scores:
        """The mean loss of a pair."""
        return dict(held_scores(model.network, held.objective()))

    def chance_loss(self, model: Advised, train: Advice) -> float | None:
        """Of a model that has not moved; without a reference that is not known."""
        still = {"dpo": math.log(2), "hinge": 1.0, "ipo": 1 / (4 * train.beta**2)}
        return still.get(train.kind)

    def measure(self, model: Advised, prepared: Prepared, split: str, examples: Advice) -> Block:
        """Accuracy and margin on the pairs, before and after, and some answers."""
        block = judge_preferences(
            reference_of(model.network, examples.pairs),
            examples.reference,
            examples.pairs,
            kind=model.kind,
            beta=model.usual_beta,
        )
        replies = _replies(model, examples.pairs)
        return {
            "split": split,
            "rows": len(examples),
            "confidence": 0.95,
            "replies": replies,
            **block,
        }

    def answer(self, model: Advised, table: Table, columns: Columns) -> list[str]:
        """An answer to each prompt."""
        return model.replies(model.advice(table, TURNS).pairs.prompts)

    def describe(self, model: Advised, columns: Columns) -> Block:
        """The columns and the loss."""
        return {"text": columns.layout, "loss": f"{model.kind}, beta {model.usual_beta:g}"}


def _said(model: Advised, pairs: Preferences) -> list[str]:
    return model.replies([pairs.prompts[place] for place in spread(len(pairs))])


def _replies(model: Advised, pairs: Preferences) -> list[dict[str, str]]:
    """The model's answers to some prompts, before and after, beside the better ones."""
    spell, found, written = model.tokenizer.decode, [], _said(model, pairs)
    for number, place in enumerate(spread(len(pairs))):
        sample = {"given": spell(pairs.prompts[place]), "wanted": spell(pairs.chosen[place])}
        sample["written"] = written[number]
        if model.said:
            sample["before"] = model.said[number]
        found.append({name: text.strip() for name, text in sample.items()})
    return found
