"""Language: texts as they are, for a model that goes on from a text."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from mason.data.columns import Columns
from mason.data.parts import text_frame
from mason.data.tables import Table
from mason.errors import DataError
from mason.evaluation.dialogue import judge_dialogue
from mason.settings import DataSettings
from mason.tasks.dialogue import Conversations, Dialogue
from mason.workflows.corpora import find_corpus
from mason.workflows.opening import Chosen
from mason.workflows.preparing import Prepared, texts_of
from mason.workflows.tasks.task import Block
from mason.workflows.tasks.text_to_text import OF_WRITERS
from mason.workflows.tasks.tokens import OfTokens
from mason.workflows.writer import Writer, load_writer

_MOST, _LENGTH = 640, 256
"""Texts that are read of a source, and tokens of each: the first ones."""
_FEWEST = 30
"""Texts that leave some to learn from, to choose by and to test on."""


class Language(OfTokens[Writer]):
    """Each token of a text, given those before it."""

    name = Writer.task
    unused = OF_WRITERS
    cuts = False  # that only the beginning is read is as it should be

    def read(self, settings: DataSettings) -> tuple[dict[str, Table], DataSettings]:
        """Documents as for pretraining, a row each."""
        named = {"all": settings.train, "validation": settings.valid, "test": settings.test}
        tables = {}
        for split, sources in named.items():
            if sources is None:
                continue
            corpus = find_corpus(
                [sources] if isinstance(sources, str) else sources, text=settings.text
            )
            texts: list[str | None] = list(islice(corpus.texts(), _MOST))
            path = corpus.files[0]
            if not texts:
                raise DataError("There is no text in the data; name files that hold some.")
            rows = range(1, len(texts) + 1)
            tables[split] = Table(text_frame({"text": texts}), rows, path, "txt", "utf-8")
        return tables, settings

    def columns(
        self, tables: Mapping[str, Table], settings: DataSettings, *, complete: bool = True
    ) -> Columns:
        """The texts."""
        return Columns("text")

    def load(self, path: Path, chosen: Chosen) -> Writer:
        """Any model that writes."""
        return load_writer(path, chosen)

    def examples(self, model: Writer, table: Table, columns: Columns) -> Conversations:
        """The first token of each text is given, the others are learned."""
        most = min(_LENGTH, model.max_tokens or _LENGTH)
        read = (model.encode_prompt(text)[:most] for text in texts_of(table, columns.text))
        texts = [ids for ids in read if len(ids) > 1]
        if not texts:
            raise DataError(
                "{file} has too few texts for a part of them; give {count} documents of a few "
                "words at least.",
                file=table.path,
                count=_FEWEST,
            )
        learned = [[0] + [1] * (len(ids) - 1) for ids in texts]
        return Conversations(texts, learned, [1] * len(texts), list(map(len, texts)))

    def num_tokens(
        self, model: Writer, table: Table, columns: Columns, examples: Conversations
    ) -> list[int]:
        """Tokens of each text, whole."""
        return [len(ids) for ids in model.tokenizer.encode_ids(texts_of(table, columns.text))]

    def measure(
        self, model: Writer, prepared: Prepared, split: str, examples: Conversations
    ) -> Block:
        """The loss of the texts' tokens, and how many of them are the likeliest."""
        told = judge_dialogue(Dialogue(examples).tell(model.network), None)
        told["nats"] = {"token_loss": told["nats"]["loss"]}
        return {"split": split, "rows": len(examples), "confidence": 0.95, **told}

    def answer(self, model: Writer, table: Table, columns: Columns) -> list[str]:
        """What it goes on with."""
        asked = [text for (text,) in self.given(table, columns)]
        return [written.text for written in self.ask(model, asked)]

    def describe(self, model: Writer, columns: Columns) -> Block:
        """The texts."""
        return {"text": columns.text}
