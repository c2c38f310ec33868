"""Models with more tokens, or without those that a corpus never uses."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from mason.errors import DataError, TokenizerError
from mason.language import say
from mason.models.checkpoints import Checkpoint, load_model
from mason.models.files import writing_folder
from mason.models.saving import save_model
from mason.models.transformer import Transformer, num_parameters
from mason.models.vocabulary import special_ids, with_vocabulary
from mason.reports.numbers import count, size
from mason.sources import find_model
from mason.text import (
    InputContract,
    Tokenizer,
    behind_its_cleaner,
    load_contract,
    load_tokenizer,
    save_contract,
)
from mason.text.vocabulary import extended, trimmed
from mason.workflows.corpora import find_corpus

Say = Callable[[str], None]
_AT_ONCE = 500  # documents


@dataclass(frozen=True)
class Revised:
    """A model whose vocabulary was changed."""

    network: Transformer
    tokenizer: Tokenizer
    num_before: int
    """Tokens it had."""


def read_words(path: str | Path) -> list[str]:
    """The words of a file, one a line, each once.

    Raises:
        DataError: It cannot be read as UTF-8.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            "{file} cannot be read as UTF-8 ({reason}); give a file with a word a line.",
            file=path,
            reason=error,
        ) from error
    return list(dict.fromkeys(word for line in text.splitlines() if (word := line.strip())))


def extend_vocabulary(
    model: str | Path, words: Sequence[str], output: str | Path, *, notice: Say = lambda text: None
) -> Revised:
    """Give a model tokens for whole words; each begins as the mean of the pieces it was.

    Args:
        model: A folder, a hub id or a package, as for ``mason.load``.
        words: What to add; those that are tokens already are left out.
        output: The folder to write.
        notice: Called with what was done.

    Raises:
        MasonError: The model cannot be read, or nothing is new.
    """
    source = find_model(str(model))
    found, tokenizer = load_model(source), _tokenizer_of(source)
    pieces = dict(zip(words, tokenizer.encode_ids(words, special=False), strict=True))
    new = {word: ids for word, ids in pieces.items() if len(ids) > 1}
    if not new:
        raise DataError("Each of the words is a token already, or none is there; add others.")
    longer = extended(tokenizer, list(new))
    first = tokenizer.num_tokens
    total = max(found.model.spec.vocab_size, longer.num_tokens)

    def rows(old: Tensor) -> Tensor:
        means = torch.stack([old[ids].mean(0) for ids in new.values()])
        return torch.cat([old[:first], means, old[first + len(means) :]])

    network = with_vocabulary(found.model, total, rows)
    notice(
        say(
            "{new} of {given} words are new; {tokens} tokens.",
            new=count(len(new)),
            given=count(len(words)),
            tokens=count(longer.num_tokens),
        )
    )
    return _written(found, network, tokenizer, longer, source, Path(output), notice)


def trim_vocabulary(
    model: str | Path,
    data: str | Sequence[str],
    output: str | Path,
    *,
    text: str | None = None,
    notice: Say = lambda text: None,
) -> Revised:
    """Take out of a model the tokens that a corpus never uses; on its texts nothing changes.

    Args:
        model: A folder, a hub id or a package, as for ``mason.load``.
        data: Files, folders, patterns or ``catalog:NAME``.
        output: The folder to write.
        text: The column or key of the text in tables and jsonl.
        notice: Called with what was done.

    Raises:
        MasonError: The model or the data cannot be read, or a text would be cut otherwise.
    """
    source = find_model(str(model))
    found, tokenizer = load_model(source), _tokenizer_of(source)
    corpus = find_corpus(data, text=text)
    used: set[int] = set()
    for texts in _some(corpus.texts()):
        for ids in tokenizer.encode_ids(texts):
            used.update(ids)
    if not used:
        raise DataError("There is no text in the data; name files that hold some.")
    network, shorter, kept = trimmed_to(found.model, tokenizer, used)
    for texts in _some(corpus.texts()):
        now, before = shorter.encode_ids(texts), tokenizer.encode_ids(texts)
        for one, ids, then in zip(texts, now, before, strict=True):
            if [kept[i] for i in ids] != then:
                raise TokenizerError(
                    "Without the unused pieces this text would be cut otherwise: {text}; leave it "
                    "out, or keep the vocabulary as it is.",
                    text=repr(one[:60]),
                )
    notice(
        say(
            "{kept} of {tokens} tokens are kept; the corpus uses {used}.",
            kept=count(len(kept)),
            tokens=count(tokenizer.num_tokens),
            used=count(len(used)),
        )
    )
    return _written(found, network, tokenizer, shorter, source, Path(output), notice)


def trimmed_to(
    network: Transformer, tokenizer: Tokenizer, used: set[int]
) -> tuple[Transformer, Tokenizer, list[int]]:
    """A model and its tokenizer with the tokens ``used`` and those that any text may need.

    The third are the old ids of those that are kept.
    """
    shorter, kept = trimmed(tokenizer, used | special_ids(network.spec))
    at = torch.tensor(kept)
    places = {id: place for place, id in enumerate(kept)}
    made = with_vocabulary(network, len(kept), lambda old: old[at], places)
    return made, shorter, kept


def _contract_of(source: Path) -> InputContract | None:
    return load_contract(source) if source.is_dir() else None


def _tokenizer_of(source: Path) -> Tokenizer:
    """As the model reads: behind its cleaner."""
    return behind_its_cleaner(load_tokenizer(source), _contract_of(source), source)


def _some(texts: Iterator[str]) -> Iterator[list[str]]:
    while chunk := list(islice(texts, _AT_ONCE)):
        yield chunk


def _written(
    found: Checkpoint,
    network: Transformer,
    before: Tokenizer,
    tokenizer: Tokenizer,
    source: Path,
    output: Path,
    notice: Say,
) -> Revised:
    with writing_folder(output, kind="model", made_from={"model": source.name}) as draft:
        save_model(network, found.family, draft)
        contract = _contract_of(source)
        told = (contract.max_tokens, contract.labels) if contract else (None, network.spec.labels)
        tokenizer.save(draft)
        save_contract(draft, InputContract.of(tokenizer, max_tokens=told[0], labels=told[1]))
    each = next(network.parameters()).element_size()
    old, new = (num_parameters(m) * each for m in (found.model, network))
    saved = (
        say("{size} saved", size=size(old - new))
        if old >= new
        else say("{size} more", size=size(new - old))
    )
    notice(
        say(
            "Weights: {before} before, {after} now, {saved}.",
            before=size(old),
            after=size(new),
            saved=saved,
        )
    )
    return Revised(network, tokenizer, before.num_tokens)
