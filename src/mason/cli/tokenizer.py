"""``mason tokenizer``."""

from typing import Annotated, Literal

from cyclopts import Parameter

from mason.cli import options
from mason.cli.terminal import fits_table, notice
from mason.language import say

Corpus = Annotated[
    list[str],
    Parameter(
        help=say("Files, folders or patterns of text, jsonl or tables, or catalog:NAME."),
        consume_multiple=True,
    ),
]
Kind = Annotated[
    Literal["wordpiece", "bpe", "byte-bpe", "unigram"],
    Parameter(help=say("As in BERT, Llama 2, GPT-2 or T5.")),
]
Size = Annotated[int, Parameter(help=say("Pieces of the vocabulary, special ones included."))]
Cased = Annotated[
    bool, Parameter(help=say("Keep capitals and accents in wordpiece; the other kinds always do."))
]
Longest = Annotated[int, Parameter(help=say("Longest text the model will read, in tokens."))]
Model = Annotated[str, Parameter(help=say("The model: a folder, a hub id or a package."))]
Folder = Annotated[str, Parameter(help=say("The folder to write."))]
Name = Annotated[str, Parameter(help=say("Folders of tokenizers, or names of models."))]


def train(
    *,
    data: Corpus,
    output: Folder,
    kind: Kind = "wordpiece",
    vocab_size: Size = 30_000,
    cased: Cased = False,
    max_tokens: Longest = 512,
    text: options.Text = None,
) -> int:
    """Learn a vocabulary from text."""
    from mason.workflows import make_tokenizer, report_tokenizers

    make_tokenizer(
        data,
        output,
        kind=kind,
        vocab_size=vocab_size,
        lowercase=not cased,
        max_tokens=max_tokens,
        text=text,
    )
    fits_table(report_tokenizers([output], data, text=text))
    return 0


def report(*names: Name, data: Corpus, text: options.Text = None) -> int:
    """Say how well tokenizers fit a text."""
    from mason.workflows import report_tokenizers

    fits_table(report_tokenizers(list(names), data, text=text))
    return 0


def extend(
    model: Model,
    *,
    add: Annotated[str, Parameter(help=say("A file of words, one a line, in UTF-8."))],
    output: Folder,
) -> int:
    """Give a model tokens for whole words."""
    from mason.workflows import extend_vocabulary, read_words

    extend_vocabulary(model, read_words(add), output, notice=notice)
    return 0


def trim(model: Model, *, data: Corpus, output: Folder, text: options.Text = None) -> int:
    """Take out of a model the tokens that a corpus never uses."""
    from mason.workflows import trim_vocabulary

    trim_vocabulary(model, data, output, text=text, notice=notice)
    return 0
