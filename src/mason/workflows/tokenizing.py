"""Tokenizers: learn one from a corpus, and say how well it fits."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from mason.errors import DataError, SettingsError
from mason.language import say
from mason.models.files import writing_folder
from mason.sources import find_model
from mason.text import Tokenizer, load_tokenizer
from mason.text.fertility import Fit, fit_of
from mason.text.trainers import Kind, train_tokenizer
from mason.workflows.corpora import find_corpus

_REPORT_BYTES = 8 << 20


def make_tokenizer(
    data: str | Sequence[str],
    output: str | Path,
    *,
    kind: Kind = "wordpiece",
    vocab_size: int = 30_000,
    lowercase: bool = True,
    max_tokens: int | None = 512,
    text: str | None = None,
) -> Tokenizer:
    """Learn a tokenizer from files and write its folder.

    Args:
        data: Files, folders or patterns.
        output: The folder to write.
        kind: See ``mason.text.trainers.train_tokenizer``, as for what follows.
        vocab_size: Number of pieces.
        lowercase: Whether ``wordpiece`` forgets capitals.
        max_tokens: Longest text the model will read.
        text: The column or key of the text in tables and jsonl.

    Raises:
        MasonError: There is no text, or the folder cannot be written.
    """
    tokenizer = train_tokenizer(
        _texts(data, text),
        kind=kind,
        vocab_size=vocab_size,
        lowercase=lowercase,
        max_tokens=max_tokens,
    )
    with writing_folder(Path(output), kind="tokenizer") as draft:
        tokenizer.save(draft)
    return tokenizer


def learn_once(
    folder: Path | None,
    texts: Iterable[str],
    *,
    kind: Kind,
    size: int,
    notice: Callable[[str], None],
) -> Tokenizer:
    """A run's tokenizer: learned, and kept in its folder for when it goes on.

    Learning breaks ties as the library's hash tables fall, so it is done once a run.

    Args:
        folder: What a run keeps to go on with; None: nothing is kept.
        texts: What to learn from.
        kind: See ``mason.text.trainers.train_tokenizer``.
        size: Number of pieces.
        notice: Called before it begins.
    """
    if folder is not None and (folder / "tokenizer").is_dir():
        return load_tokenizer(folder / "tokenizer")
    notice(say("Learning a tokenizer of {size} pieces ({kind}).", size=size, kind=kind))
    tokenizer = train_tokenizer(texts, kind=kind, vocab_size=size, max_tokens=512)
    if folder is not None:
        with writing_folder(folder / "tokenizer", kind="tokenizer") as draft:
            tokenizer.save(draft)
    return tokenizer


def report_tokenizers(
    names: Sequence[str], data: str | Sequence[str], *, text: str | None = None
) -> dict[str, Fit]:
    """How well each tokenizer fits the first 8 MB of a corpus.

    Args:
        names: Folders or models, as for ``mason.load``.
        data: Files, folders or patterns.
        text: The column or key of the text in tables and jsonl.

    Raises:
        MasonError: A tokenizer or the data cannot be read.
    """
    if not names:
        raise SettingsError(
            "No tokenizer is named; name folders or models, such as all-MiniLM-L6-v2."
        )
    sample = list(_first_bytes(_texts(data, text)))
    if not sample:
        raise DataError("There is no text in the data; name files that hold some.")
    return {name: fit_of(load_tokenizer(find_model(name)), sample) for name in names}


def _texts(data: str | Sequence[str], text: str | None) -> Iterator[str]:
    return find_corpus(data, text=text).texts()


def _first_bytes(texts: Iterator[str]) -> Iterator[str]:
    seen = 0
    for text in texts:
        yield text
        seen += len(text.encode("utf-8", "surrogatepass"))
        if seen > _REPORT_BYTES:
            return
