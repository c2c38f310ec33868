"""What a language model gives away of its training texts."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mason.data.columns import find_columns
from mason.data.tables import read_splits
from mason.errors import DataError, SettingsError
from mason.generation import Sampling
from mason.security.memory import (
    FEWEST_DIGITS,
    exposure,
    find_secret,
    losses,
    membership,
    other_secrets,
    token_losses,
)
from mason.sources import find_data
from mason.workflows import results as blocks
from mason.workflows.attacking import ROWS, write_results
from mason.workflows.loading import load
from mason.workflows.model import Model
from mason.workflows.preparing import TRAINING, UNSEEN, pick
from mason.workflows.writer import Writer

_OTHERS = 1023
"""Secrets that a planted one is held against: 10 bits can be told."""
_LEAST = 2


def leak(
    model: Model | str | Path,
    learned: str | Path,
    unseen: str | Path,
    *,
    text: str | None = None,
    rows: int = ROWS,
    canary: str | None = None,
    seed: int = 0,
    output: str | Path | None = None,
    command: str | None = None,
) -> dict[str, Any]:
    """Say whether a language model's losses tell which texts it learned from.

    Args:
        model: A decoder, or a name as for ``mason.load``.
        learned: A file of texts it learned from.
        unseen: A file of like texts that it has not seen.
        text: The column of the texts, where it is not found.
        rows: Most texts of each, drawn by ``seed``.
        canary: A sentence that was planted among the training texts, as ``Canary.text``; its
            last digits, of which there are four at least, are the secret.
        seed: Of all that is drawn.
        output: Folder for ``results.json`` and ``report.html``; None: nothing is written.
        command: How to repeat this, for the report.

    Returns:
        What ``results.json`` holds; the findings are under ``security.memory``.

    Raises:
        MasonError: The model does not write by itself, or the texts cannot be read.
    """
    ready = model if isinstance(model, Writer) else load(str(model), task=Writer.task)
    if not isinstance(ready, Writer) or ready.network.encoder is not None:
        raise SettingsError("What a model remembers is asked of decoders, and this has an encoder.")
    inside, outside = (
        losses(ready.network, _read(ready, file, wanted, text, rows, seed))
        for file, wanted in ((learned, TRAINING), (unseen, UNSEEN))
    )
    told: dict[str, Any] = {"learned": len(inside), "unseen": len(outside)}
    told["membership"] = asdict(membership(inside, outside, seed=seed))
    if canary is not None:
        told |= _exposed(ready, canary, seed)
    results = blocks.header("attack", {"text": text}, ready, command)
    results["security"] = {"seed": seed, "memory": told}
    write_results(results, output, kind="attack")
    return results


def _exposed(model: Writer, canary: str, seed: int) -> dict[str, Any]:
    where = find_secret(canary)
    if where is None:
        raise SettingsError(
            "The secret that was planted has too few digits to guess: {text}. Plant {fewest} in a "
            "row or more.",
            text=canary,
            fewest=FEWEST_DIGITS,
        )
    start, end = where
    others = other_secrets(canary[start:end], _OTHERS, seed)
    texts = [canary[:start] + secret + canary[end:] for secret in others]
    each = token_losses(model.network, _ids(model, [canary, *texts]))
    first, *rest = [sum(one) for one in each]
    told = {"exposure": exposure(first, rest), "bits": math.log2(len(rest) + 1)}
    return {**told, "extracted": _extracts(model, canary[:start].rstrip(), canary[start:end])}


def _extracts(model: Writer, before: str, secret: str) -> bool:
    """Whether the likeliest continuation of what stands before a secret is the secret."""
    room = Sampling(max_new_tokens=2 * len(secret))
    return _digits(model.generate(before, room).text).startswith(_digits(secret))


def _digits(text: str) -> str:
    return "".join(c for c in text if c.isdigit())


def _read(
    model: Writer,
    file: str | Path,
    wanted: Sequence[str],
    column: str | None,
    rows: int,
    seed: int,
) -> list[list[int]]:
    tables = read_splits(find_data(str(file)))
    table = tables[pick(tables, wanted, file)]
    name = find_columns(table, text=column, need_label=False).text
    texts = [text for text in table.texts(name) if text]
    drawn = np.random.default_rng(seed).permutation(len(texts))[:rows]
    found = [ids for ids in _ids(model, [texts[i] for i in drawn]) if len(ids) >= _LEAST]
    if not found:
        raise DataError("{file} holds no text of two tokens or more.", file=file)
    return found


def _ids(model: Writer, texts: Sequence[str]) -> list[list[int]]:
    most = model.max_tokens or model.network.spec.max_tokens
    return [ids[:most] for ids in model.tokenizer.encode_ids(texts)]
