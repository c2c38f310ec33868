"""What a model in training makes of held-out text, for a person to read."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

from mason.generation import Sampling, generate
from mason.models.transformer import Transformer, device_of
from mason.tasks.pretraining import CausalLanguage, Learner, MaskedLanguage
from mason.tasks.pretraining.spans import SequenceToSequence
from mason.text import Tokenizer
from mason.training.step import seed_step

_SAMPLES = 3
_SHORTEST, _TOKENS = 8, 24
"""Tokens of the shortest passage worth reading; most tokens shown before, and written after."""

Sample = dict[str, str]
"""``given``: what the model reads; ``written``: its answer; ``wanted``: what the text says."""


def samples(model: Learner, held: Any, tokenizer: Tokenizer) -> list[Sample] | None:
    """A few held-out passages, continued, filled or restored; the same ones every time.

    None where the objective writes nothing.
    """
    write = next((way for kind, way in _WAYS.items() if isinstance(held, kind)), None)
    if write is None:
        return None
    seed_step(0, 0)
    long = [i for i, n in enumerate(held.lengths[:1000]) if n >= _SHORTEST]
    chosen = (long or range(len(held.lengths)))[:_SAMPLES]
    found = []
    for index in chosen:
        given, written, wanted = write(model, held, int(index))
        found.append(
            {
                "given": _spelled(tokenizer, given),
                "written": _spelled(tokenizer, written),
                "wanted": _spelled(tokenizer, wanted),
            }
        )
    return found


Written = tuple[Sequence[int], Sequence[int], Sequence[int]]


def _filled(model: Transformer, held: MaskedLanguage, index: int) -> Written:
    """Every hole is shown as one, whatever stands in it."""
    packed, at, wanted, _ = held.read([index], device_of(model))
    with torch.no_grad():
        guesses = model.logits("language", packed, at=at).argmax(1)
    assert held.marks.mask is not None, "hiding needs a mask"
    given = packed.tokens.index_fill(0, at, held.marks.mask)
    end = 3 * _TOKENS
    whole = (given.index_copy(0, at, ids).tolist()[:end] for ids in (guesses, wanted))
    written, was = whole
    return given.tolist()[:end], written, was


def _continued(model: Transformer, held: CausalLanguage, index: int) -> Written:
    tokens = held.read(index).tolist()
    cut = min(_TOKENS, max(1, len(tokens) // 2))
    room = (model.spec.max_tokens or len(tokens)) - cut
    (new,) = generate(model, [tokens[:cut]], Sampling(max(1, min(_TOKENS, room))))
    return tokens[:cut], new.tokens, tokens[cut : cut + _TOKENS]


def _restored(model: Transformer, held: SequenceToSequence, index: int) -> Written:
    source, target = (part.tolist() for part in held.pair(index))
    (new,) = generate(model, [source], Sampling(min(len(target), 2 * _TOKENS)))
    return source[: 4 * _TOKENS], new.tokens, target[: 2 * _TOKENS]


_WAYS: dict[type, Callable[[Any, Any, int], Written]] = {
    MaskedLanguage: _filled,
    CausalLanguage: _continued,
    SequenceToSequence: _restored,
}


def _spelled(tokenizer: Tokenizer, ids: Iterable[int]) -> str:
    """Text with the marks that say something: holes and their names, not where texts end."""
    special = tokenizer.special
    silent = {special.cls, special.bos, special.eos, special.pad}
    kept = [i for i in ids if i not in silent]
    return tokenizer.decode(kept, skip_special=False).strip()
