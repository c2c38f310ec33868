"""Dialogue: conversations of many turns, learned where the model speaks."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from itertools import compress
from pathlib import Path
from typing import Any, TypeVar, get_args

from mason.data.columns import Columns
from mason.data.conversations import flat_conversations
from mason.data.tables import Table
from mason.errors import SettingsError
from mason.evaluation.dialogue import judge_dialogue
from mason.language import say
from mason.models.spec import ModelSpec
from mason.settings import PREFERENCE_ONLY, DataSettings, Settings
from mason.tasks.dialogue import HEAD, Conversations, Dialogue
from mason.text.scripts import LossOn
from mason.workflows.chat_templates import settle_template
from mason.workflows.opening import Chosen, facts_error, open_model
from mason.workflows.preparing import Prepared, texts_of
from mason.workflows.starting import Beginning, begin_writer
from mason.workflows.talker import Before, Sighted, Talker, spread
from mason.workflows.tasks.talks import TalkTask
from mason.workflows.tasks.task import Block, Marked
from mason.workflows.tasks.text_to_text import OF_WRITERS
from mason.workflows.tasks.tokens import OfTokens
from mason.workflows.writer import guard_of

W = TypeVar("W", bound=Talker)


class DialogueTask(TalkTask[Talker, Conversations], OfTokens[Talker]):
    """The assistant's turns of conversations."""

    name = "dialogue"
    unused = (*OF_WRITERS, *PREFERENCE_ONLY, "training.label_smoothing")

    def arrange(self, tables: dict[str, Table], settings: DataSettings) -> dict[str, Table]:
        """Whatever the form of the conversations, as one."""
        given = {"text": settings.text, "target": settings.target}
        return {name: flat_conversations(table, **given) for name, table in tables.items()}

    def reads(self, columns: Columns) -> str:
        """In which form they were found."""
        return say("Reads conversations as {layout}.", layout=columns.layout)

    def load(self, path: Path, chosen: Chosen) -> Talker:
        """Any decoder."""
        return open_talker(Talker, path, chosen)

    def create(self, settings: Settings, prepared: Prepared, beginning: Beginning) -> Talker:
        """A model of random weights of the shape named."""
        texts = texts_of(prepared.tables["train"], prepared.columns.text)
        made = begin_writer(Talker, settings, texts, beginning)
        _check_lone(made.network.spec, made.source)
        return made

    def heed(self, model: Talker, settings: Settings) -> None:
        """Which turns are learned, and a template for a model that has none."""
        adapts = settings.adapter.kind is not None
        settle_template(model, settings.model.chat_template, adapts=adapts)
        model.loss_on = settings.training.loss_on or model.loss_on

    def examples(self, model: Talker, table: Table, columns: Columns) -> Conversations:
        """Conversations as tokens."""
        return model.encode(sighted(table, columns))

    def marked(self, model: Talker, table: Table, columns: Columns) -> Marked:
        """A conversation, whole; the turns that are learned."""
        script = model.script(sighted(table.take([0]), columns)[0])
        return Marked(script.ids, script.learned, script.closed)

    def num_tokens(
        self, model: Talker, table: Table, columns: Columns, examples: Conversations
    ) -> list[int]:
        """Tokens of each conversation, whole."""
        return [*examples.whole]

    def ask_before(self, model: Talker, examples: Mapping[str, Conversations]) -> None:
        """What the model says of the rows it will be measured on."""
        model.network.eval()
        held = examples.get("test", examples.get("valid"))
        told = Dialogue(held).tell(model.network) if held else None
        said = model.last_replies(held, spread(len(held))) if held else []
        model.before = Before(told, said, examples["train"].num_learned)

    def chance_loss(self, model: Talker, train: Conversations) -> float:
        """Of tokens drawn as often as they are learned."""
        rows = zip(train.tokens, train.learned, strict=True)
        counts = Counter(token for ids, mask in rows for token in compress(ids, mask))
        return -sum(n / counts.total() * math.log(n / counts.total()) for n in counts.values())

    def measure(
        self, model: Talker, prepared: Prepared, split: str, examples: Conversations
    ) -> Block:
        """The loss of the answers' tokens, before and after, and some answers."""
        before = model.before
        told = Dialogue(examples).tell(model.network)
        block = judge_dialogue(told, before.told if before else None)
        block["replies"] = _replies(model, examples)
        block["learned_targets"] = before.num_learned if before else None
        return {"split": split, "rows": len(examples), "confidence": 0.95, **block}

    def answer(self, model: Talker, table: Table, columns: Columns) -> list[str]:
        """The next turn after each conversation's last question."""
        examples = model.encode(sighted(table, columns))
        return model.last_replies(examples, range(len(examples)))

    def describe(self, model: Talker, columns: Columns) -> Block:
        """The form of the conversations."""
        return {"text": columns.layout}


def open_talker(kind: type[W], path: Path, chosen: Chosen) -> W:
    """A chat model, or a decoder that shall become one.

    Raises:
        MasonError: It cannot be read, or cannot write.
    """
    opened = open_model(path, chosen, heads=(HEAD,))
    _check_lone(opened.network.spec, chosen.source)
    loss_on: Any = opened.facts().get("loss_on", "answers")
    if loss_on not in get_args(LossOn):
        raise facts_error(opened.folder)
    return opened.become(kind, loss_on=loss_on, guard=guard_of(opened))


def _check_lone(spec: ModelSpec, source: str) -> None:
    if spec.topology != "decoder":
        raise SettingsError(
            "{source} is no lone decoder, and conversations are learned by one; choose a model "
            "such as SmolLM2-135M-Instruct.",
            source=source,
        )


def sighted(table: Table, columns: Columns) -> list[Sighted]:
    """A table's conversations, each with its place."""
    assert columns.answer is not None, "an arranged table has turns"
    cells = zip(table.rows, table.texts(columns.answer), strict=True)
    return [Sighted(table.path, row, json.loads(cell or "[]")) for row, cell in cells]


def _replies(model: Talker, examples: Conversations) -> list[dict[str, str]]:
    """The model's last answers in some conversations, before and after, beside those wanted."""
    places, spell, found = spread(len(examples)), model.tokenizer.decode, []
    written = model.last_replies(examples, places)
    before = model.before.replies if model.before else []
    for number, place in enumerate(places):
        ids, begin = examples.tokens[place], examples.last[place]
        sample = {"given": spell(ids[:begin]), "wanted": spell(ids[begin:])}
        sample["written"] = written[number]
        if before:
            sample["before"] = before[number]
        found.append({name: text.strip() for name, text in sample.items()})
    return found
