"""Views into a network that reads one text: where attention looks, what each layer would say."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from mason.errors import DataError, SettingsError
from mason.explanation import Explainer, Subject, as_block
from mason.explanation.attention import Looks, habit, look
from mason.explanation.lens import Reading, lens
from mason.explanation.methods.rollout import ROLLOUT
from mason.explanation.numbers import RowOdds
from mason.explanation.subjects import read
from mason.models.packed import Packed
from mason.models.transformer import device_of
from mason.text import Tokenizer
from mason.workflows import results as blocks
from mason.workflows.embedder import Embedder
from mason.workflows.explaining import subject_of, write_page
from mason.workflows.guesser import Guesser
from mason.workflows.loading import load_as_it_is
from mason.workflows.model import Model
from mason.workflows.writer import HEAD, Writer

MOST_TOKENS = 64
"""Tokens of a text whose attention is drawn."""
Block = dict[str, Any]
_SPACES = {ord(" "): "␣", ord("\n"): "↵", ord("\t"): "⇥"}


def view_attention(
    model: Model | str | Path,
    text: str,
    pair: str | None = None,
    *,
    why: str | None = None,
    layer: int | None = None,
    head: int | None = None,
    output: str | Path | None = None,
    command: str | None = None,
) -> Block:
    """Where the heads of every layer look while a model reads a text.

    Where the model has an answer that can be explained, attention rollout of it is drawn too,
    with the figures and checks that every picture of words has.

    Args:
        model: A model, or a name as for ``mason.load``.
        text: What it reads: a text, the first of a pair, or a question.
        pair: The second text of a pair, or the text of a question.
        why: See ``mason.workflows.explaining.explain``; for rollout.
        layer: One layer alone, from 1; None: all.
        head: One head alone, from 1; None: all.
        output: Folder for ``results.json`` and ``report.html``; None: nothing is written.
        command: How to repeat this, for the report.

    Returns:
        What ``results.json`` holds; the view is in ``extras.attention``.

    Raises:
        MasonError: The model cannot be read, the text has too many tokens, or there is no such
            layer or head.
    """
    ready = model if isinstance(model, Model) else load_as_it_is(model)
    given = [text] if pair is None else [text, pair]
    # Without a gap a masked language model says nothing of a text, like an embedder.
    silent = isinstance(ready, Embedder) or (isinstance(ready, Guesser) and ready.mask not in text)
    subject = None if silent else subject_of(ready, given, why)
    found = _looks(ready, given, subject)
    _refuse_long(max(len(one.keys) for one in found))
    kinds = [_kind(ready.tokenizer, one, layer, head) for one in found]
    if not any(kind["layers"] for kind in kinds):
        raise SettingsError(
            "There is no such layer or head: the model has {layers} layers of {heads} heads each.",
            layers=len(found[0].layers),
            heads=len(found[0].layers[0]),
        )
    results = blocks.header("explain", {}, ready, command)
    results["extras"] = {"attention": {"texts": given, "kinds": kinds}}
    if subject is not None:
        pictures = Explainer(ready.network)(subject, [ROLLOUT.name])
        results["extras"]["explanations"] = as_block(pictures)
    write_page(results, output)
    return results


def _refuse_long(size: int) -> None:
    if size > MOST_TOKENS:
        raise DataError(
            "The text has {tokens} tokens, and attention is drawn for at most {limit}; give a "
            "shorter one.",
            tokens=size,
            limit=MOST_TOKENS,
        )


def _looks(model: Model, given: Sequence[str], subject: Subject | None) -> list[Looks]:
    if subject is not None:
        return look(model.network, partial(read, [subject]))
    if len(given) > 1:
        raise DataError("This model reads one text at a time; leave --pair out.")
    (encoding,) = model.tokenizer.encode(given, max_tokens=model.max_tokens)
    packed = Packed.of([encoding.ids], device=device_of(model.network))
    stack = model.network.encoder if model.network.encoder is not None else model.network.decoder
    assert stack is not None, "a network has a stack"
    return look(model.network, partial(stack, packed))


def _kind(tokenizer: Tokenizer, looks: Looks, layer: int | None, head: int | None) -> Block:
    """One kind of attention as a report holds it: shares in percent, a line a token that looks."""
    layers = []
    for i, weights in enumerate(looks.layers, 1):
        heads = [_head(j, one, looks) for j, one in enumerate(weights, 1) if head in (None, j)]
        if layer in (None, i) and heads:
            layers.append({"layer": i, "heads": heads})
    return {
        "place": looks.place,
        "queries": token_names(tokenizer, looks.queries),
        "keys": token_names(tokenizer, looks.keys),
        "layers": layers,
    }


def _head(number: int, weights: Any, looks: Looks) -> Block:
    kind, share = habit(weights, looks.place)
    rows = [" ".join(str(round(100 * float(one))) for one in row) for row in weights]
    return {"head": number, "habit": kind, "share": share, "percent": rows}


def view_lens(
    model: Model | str | Path,
    text: str,
    *,
    why: str | None = None,
    output: str | Path | None = None,
    command: str | None = None,
) -> Block:
    """What a language model would say after each of its layers: the next token, or a hidden one.

    Args:
        model: A decoder, or a masked language model, or its name.
        text: What is read; for a masked language model, with a mask.
        why: The first token of this is followed through the layers; None: the model's answer.
        output: Folder for ``results.json`` and ``report.html``; None: nothing is written.
        command: How to repeat this, for the report.

    Returns:
        What ``results.json`` holds; the view is in ``extras.lens``.

    Raises:
        MasonError: The model cannot be read, or is no language model; the text is empty or has
            no mask.
    """
    ready = model if isinstance(model, Model) else load_as_it_is(model)
    if not isinstance(ready, Writer | Guesser):
        raise SettingsError(
            "The lens is for language models, which say a token; {source} is for {task}.",
            source=ready.source,
            task=ready.task,
        )
    ready.network.eval()
    subject = subject_of(ready, [text], why)
    assert isinstance(subject.number, RowOdds), "what a language model says is at one position"
    packed, row = Packed.of([subject.tokens], device=device_of(ready.network)), subject.asked[0]
    readings = lens(ready.network, HEAD, packed, row, subject.number.index)
    results = blocks.header("explain", {}, ready, command)
    results["extras"] = {
        "lens": {
            "text": text,
            "hidden": isinstance(ready, Guesser),
            "token": subject.answer.strip() or subject.answer,
            "layers": [_layer(ready.tokenizer, one) for one in readings],
        }
    }
    write_page(results, output)
    return results


def _layer(tokenizer: Tokenizer, reading: Reading) -> Block:
    """What one layer would say, as a report holds it."""
    ids, likely = zip(*reading.top, strict=True)
    named = zip(token_names(tokenizer, ids), likely, strict=True)
    top = [{"token": name, "probability": one} for name, one in named]
    return {**asdict(reading), "top": top}


def token_names(tokenizer: Tokenizer, ids: Sequence[int]) -> list[str]:
    """Tokens as a person reads them: their text; of half a character, the vocabulary's spelling."""
    names = []
    for token, piece in zip(ids, tokenizer.pieces(ids), strict=True):
        text = tokenizer.decode([token], skip_special=False)
        text = text.strip() or text.translate(_SPACES)
        names.append(text if text and "\ufffd" not in text else piece)
    return names
