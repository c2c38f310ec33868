"""A language model in few bits, rounded by what it does with a user's text, or weight by weight."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import torch

from mason.compression.rounding import hold_in_int4_by
from mason.data.corpora.documents import documents, find_files
from mason.errors import CheckpointError, DataError, SettingsError
from mason.language import say
from mason.layers import hold_in_int4
from mason.models.eight_bits import refuse_rounded
from mason.models.files import writing_folder
from mason.models.files.folders import HELD, ROUNDED
from mason.models.packed import Packed
from mason.models.transformer import Transformer
from mason.runtime import map_large_memory
from mason.sources import find_model
from mason.tasks.classification import reading_passes
from mason.workflows.loading import load
from mason.workflows.model import Model
from mason.workflows.writer import HEAD, Writer

NUM_TOKENS = 16_384
"""To round by; as many as rows that a layer is given at once."""
_LENGTH = 512
"""Tokens of a text, the first ones."""
_EVERY = 5
"""One text of so many is not rounded by, and tells what rounding costs."""

Tokens = list[list[int]]


@dataclass(frozen=True)
class Rounded:
    """A model in 4 bits, and the perplexity of texts that it was not rounded by."""

    model: Writer
    before: float
    after: float
    nearest: float
    """If each weight is rounded alone, to the nearest."""


def round_weights(
    model: Model | str | Path,
    data: str | Path,
    *,
    output: str | Path | None = None,
    num_tokens: int = NUM_TOKENS,
    notice: Callable[[str], None] = lambda sentence: None,
) -> Rounded:
    """Hold a language model's layers in 4 bits; some texts say which way weights are rounded.

    Args:
        model: What writes, or its name as for ``mason.load``; it is rounded in place.
        data: Documents, as for ``mason pretrain``.
        output: Folder to write; None: nothing is written.
        num_tokens: To round by, at most.
        notice: Called with each sentence the user should read.

    Raises:
        MasonError: The model does not write, was rounded before, or there is too little text.
    """
    writer = model if isinstance(model, Model) else load(model, task=Writer.task)
    if not isinstance(writer, Writer) or writer.network.spec.topology != "decoder":
        raise SettingsError(
            "--weights int4 is for models that go on from a text, and this is one for {task}.",
            task=writer.task,
        )
    refuse_rounded(writer.network, writer.source)
    by, held_out = _texts(writer, data, num_tokens)
    network = writer.network.float().eval()
    before = perplexity(network, held_out)
    alone = copy.deepcopy(network)
    hold_in_int4(alone)
    nearest = perplexity(alone, held_out)
    after = perplexity(hold_in_int4_by(network, by), held_out)
    notice(
        say(
            "Perplexity of {count:,} tokens that it was not rounded by: {before:.2f} before, "
            "{after:.2f} in 4 bits; {nearest:.2f} if each weight were rounded alone.",
            count=sum(map(len, held_out)),
            before=before,
            after=after,
            nearest=nearest,
        )
    )
    if output is not None:
        _write(writer, output)
    return Rounded(writer, before, after, nearest)


def round_alone(
    source: str | Path,
    output: str | Path,
    *,
    weights: Literal["int8", "int4"],
) -> Writer:
    """Hold a language model in few bits, each weight rounded alone, and write it.

    Weights are rounded as they are read, so that memory holds what becomes of them and never the
    model as its files have it.

    Args:
        source: What writes, as for ``mason.load``; it may be larger than memory.
        output: Folder to write.
        weights: 8 bits, or 4 in the layers.

    Raises:
        MasonError: The model cannot be read, does not write, or was rounded before.
    """
    path = find_model(str(source))
    if path.is_dir() and any((path / name).is_file() for name in (ROUNDED, *HELD)):
        raise CheckpointError(
            "{source} was rounded before; take the model it was made from.", source=source
        )
    map_large_memory()  # what a weight was is gone for good once it is rounded
    writer = load(source, task=Writer.task, weights=weights)
    assert isinstance(writer, Writer), "asked for"
    _write(writer, output)
    return writer


def _write(writer: Writer, output: str | Path) -> None:
    made_from = {"model": writer.source}
    with writing_folder(Path(output), kind="model", made_from=made_from) as draft:
        writer.write(draft)


def _texts(writer: Writer, data: str | Path, num_tokens: int) -> tuple[Tokens, Tokens]:
    """Texts to round by, and those to measure on."""
    most = num_tokens * _EVERY // (_EVERY - 1)
    found: Tokens = []
    for ids in _encoded(writer, data):
        if len(ids) > 1:
            found.append(ids[: min(_LENGTH, most)])
            most -= len(found[-1])
        if most < 2:
            break
    held_out = found[_EVERY - 1 :: _EVERY]
    if not held_out:
        raise DataError(
            "{data} has too few texts to round by; give {count} documents of a few words at least.",
            data=data,
            count=_EVERY,
        )
    return [ids for i, ids in enumerate(found) if i % _EVERY != _EVERY - 1], held_out


def _encoded(writer: Writer, data: str | Path) -> Iterator[list[int]]:
    texts = documents(find_files([str(data)]))
    while some := list(islice(texts, 16)):
        yield from writer.tokenizer.encode_ids(some)


@torch.inference_mode()
def perplexity(network: Transformer, texts: Tokens) -> float:
    """Of the tokens after the first of each text, by a model that writes.

    Texts go through together, for weights in few bits are made wide once a pass.
    """
    loss, head = 0.0, network.heads[HEAD]
    for run in reading_passes([len(ids) for ids in texts]):
        hidden = network(Packed.of([texts[i][:-1] for i in run]))
        following = torch.tensor([token for i in run for token in texts[i][1:]])
        loss += float(head.cross_entropy(hidden, following))  # type: ignore[operator]
    return math.exp(loss / sum(len(ids) - 1 for ids in texts))
