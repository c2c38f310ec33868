"""Prefill, then a few tokens a step for each answer that still goes on."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from mason.errors import SettingsError
from mason.generation.beams import search
from mason.generation.choosing import choose, choose_likeliest, log_probabilities
from mason.generation.constraints import Guide, start_guide
from mason.generation.decoding import (
    Decoding,
    check_prompts,
    held_bytes,
    prefill,
    start_decoding,
)
from mason.generation.drafts import Drafter, DraftModel, PromptLookup
from mason.generation.lines import Generated, Line, answers_before, numbers_of
from mason.generation.sampling import Sampling
from mason.layers import Pages
from mason.models.packed import Packed
from mason.models.spec import ModelSpec
from mason.models.transformer import Transformer, device_of
from mason.text import Tokenizer
from mason.text.streaming import TextStream

GREEDY = Sampling()
_HELD = 1 << 30
"""Most bytes of keys and values that prompts have room for together; one prompt always has."""


@torch.inference_mode()
def generate(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling = GREEDY,
    *,
    tokenizer: Tokenizer | None = None,
    draft: Transformer | None = None,
    pages: Pages | None = None,
    shown: Sequence[int] = (),
) -> list[Generated]:
    """Answer each prompt.

    The prompts go through the model together without padding, as many at once as memory is set
    aside for; what a prompt gives does not depend on the others, but that equal prompts draw
    numbers of their own.

    Args:
        model: A decoder with or without an encoder, with the head ``language``.
        prompts: Token ids, as long as each may be; an encoder reads them if there is one.
        sampling: What to generate, and how.
        tokenizer: What spells the answers; needed for stop texts and a constraint.
        draft: A smaller model that guesses ahead; None: guesses are looked up in the text.
        pages: Blocks to hold keys and values in; None: each sequence has its places reserved,
            which is faster where all go on to the end.
        shown: What stands before every prompt of a lone decoder, read once; penalties and
            guesses do not look at it.

    Raises:
        DataError: A prompt is empty, or the positions do not reach far enough.
        SettingsError: The settings do not fit together, or the models do not.
    """
    if not prompts:
        return []
    _check(model, prompts, sampling, tokenizer, draft, len(shown))
    stops = stop_tokens(model.spec, sampling)
    kept = None
    if shown:
        assert pages is None, "what is read once is copied into rows of a cache"
        kept = _read_once(model, shown, prompts, sampling)
    before = answers_before(prompts, sampling.num_return)
    found: dict[int, Generated] = {}
    for run in _runs(model, prompts, sampling, len(shown)):
        some = [prompts[i] for i in run]
        if sampling.num_beams > 1:
            answers = search(model, some, sampling, stops, pages)
            if tokenizer is not None:
                pairs = zip(some, answers, strict=True)
                answers = [_spelled(model, tokenizer, *pair) for pair in pairs]
        else:
            numbers = [before[i] for i in run]
            steps = _decode(model, some, sampling, stops, tokenizer, draft, numbers, pages, kept)
            answers = _finished(steps, len(run))
        found.update(zip(run, answers, strict=True))
    return [found[i] for i in range(len(prompts))]


def _read_once(
    model: Transformer,
    shown: Sequence[int],
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
) -> Decoding:
    """What stands before every prompt, with room for the longest of them and its answer."""
    assert sampling.num_beams == 1 and not sampling.num_drafts, "what follows is read plainly"
    kept = Decoding(model, 1, len(shown) + max(map(len, prompts)) + sampling.max_new_tokens)
    kept.read(Packed.of([shown], device=device_of(model)))
    return kept


def _finished(steps: Iterator[list[Line]], num_prompts: int) -> list[Generated]:
    """The best answer to each prompt, with its others."""
    lines: list[list[Line]] = [[] for _ in range(num_prompts)]
    for step in steps:
        for line in step:
            if line.finish is not None:
                lines[line.prompt].append(line)
    return [_best([line.result() for line in each]) for each in lines]


def _runs(
    model: Transformer, prompts: Sequence[Sequence[int]], sampling: Sampling, before: int
) -> list[list[int]]:
    """Prompts of like length, as many as ``_HELD`` is enough for with what stands before each."""
    each = held_bytes(model) * max(sampling.num_beams, sampling.num_return)
    runs: list[list[int]] = [[]]
    for i in sorted(range(len(prompts)), key=lambda i: len(prompts[i])):
        # The longest of a run, which comes last, has its places reserved for all.
        size = each * (before + len(prompts[i]) + sampling.max_new_tokens)
        if runs[-1] and (len(runs[-1]) + 1) * size > _HELD:
            runs.append([])
        runs[-1].append(i)
    return runs


@torch.inference_mode()
def stream(
    model: Transformer,
    prompt: Sequence[int],
    sampling: Sampling = GREEDY,
    *,
    tokenizer: Tokenizer,
    draft: Transformer | None = None,
) -> Iterator[str]:
    """The answer to one prompt, piece by piece, never half a character.

    Raises:
        DataError: See ``generate``.
        SettingsError: See ``generate``, or there is more than one answer to follow.
    """
    if sampling.num_beams > 1 or sampling.num_return > 1:
        raise SettingsError("One answer can be watched; leave num_beams and num_return at 1.")
    _check(model, [prompt], sampling, tokenizer, draft)
    stops = stop_tokens(model.spec, sampling)
    for step in _decode(model, [prompt], sampling, stops, tokenizer, draft, [0]):
        for line in step:
            if piece := line.show():
                yield piece


def stop_tokens(spec: ModelSpec, sampling: Sampling) -> frozenset[int]:
    """The tokens that end an answer."""
    if sampling.stop_tokens is not None:
        return frozenset(sampling.stop_tokens)
    ends = spec.special.eos
    return frozenset(() if ends is None else ends if isinstance(ends, tuple) else (ends,))


def _decode(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    stops: Collection[int],
    tokenizer: Tokenizer | None,
    draft: Transformer | None,
    before: Sequence[int],
    pages: Pages | None = None,
    kept: Decoding | None = None,
) -> Iterator[list[Line]]:
    """Yield the lines that grew, step by step.

    ``before``: answers that equal prompts have; ``kept``: what was read before every prompt.
    """
    # By length, so that sequences of similar length lie side by side in the cache.
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    ordered = [prompts[i] for i in order]
    guide = _guide(model, sampling, stops, tokenizer)
    if kept is None:
        decoding, first = start_decoding(model, ordered, sampling.max_new_tokens, pages)
    else:
        decoding, first = kept.fork([0] * len(ordered)), [list(prompt) for prompt in ordered]
    drafter = _drafter(model, draft, ordered, sampling)
    rows = prefill(decoding, first, sampling.prefill_chunk)
    copies = [i for i in range(len(order)) for _ in range(sampling.num_return)]
    if sampling.num_return > 1:
        decoding.keep(copies)
        rows = rows[copies]
        if drafter is not None:
            drafter.keep(copies)
    alone = model.encoder is None
    lines = [
        Line(
            order[i],
            first[i],
            sampling,
            stops,
            numbers_of(ordered[i], before[order[i]] + number % sampling.num_return, sampling.seed),
            None if tokenizer is None else TextStream(tokenizer, first[i] if alone else ()),
            None if guide is None else guide.copy(),
        )
        for number, i in enumerate(copies)
    ]
    while True:
        _accept(lines, decoding.logits(rows), sampling)
        yield lines
        lines = _go_on(lines, decoding, drafter)
        if not lines:
            return
        rows = _read(lines, decoding, drafter, sampling)


def _accept(lines: Sequence[Line], logits: Tensor, sampling: Sampling) -> None:
    tokens, likely = _chosen(lines, logits, sampling)
    chosen, likelies, start = tokens.tolist(), likely.tolist(), 0
    for line in lines:
        end = start + 1 + len(line.draft)
        line.accept(chosen[start:end], likelies[start:end])
        start = end


def _chosen(lines: Sequence[Line], logits: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """The token of each row, and its log-probability."""
    if sampling.is_plain:
        return choose_likeliest(logits)
    contexts = [c for line in lines for c in line.contexts()] if sampling.penalises else None
    numbers = [n for line in lines for n in line.numbers()] if sampling.temperature else None
    allowed = torch.cat([line.allowed() for line in lines]) if sampling.constraint else None
    tokens = choose(logits, contexts, numbers, sampling, allowed)
    return tokens, log_probabilities(logits, tokens)


def _go_on(lines: list[Line], decoding: Decoding, drafter: Drafter | None) -> list[Line]:
    """The lines that are not finished; the caches forget wrong guesses and the others."""
    if any(line.draft for line in lines):
        lengths = decoding.lengths
        read = [min(len(line.tokens) - 1, n) for line, n in zip(lines, lengths, strict=True)]
        decoding.forget(read)
    going = [k for k, line in enumerate(lines) if line.finish is None]
    if going and len(going) < len(lines):
        decoding.keep(going)
        if drafter is not None:
            drafter.keep(going)
    return [lines[k] for k in going]


def _read(
    lines: Sequence[Line], decoding: Decoding, drafter: Drafter | None, sampling: Sampling
) -> Tensor:
    """Hidden states of each line's last token and of the guesses that follow it."""
    guesses: list[list[int]] = [[] for _ in lines]
    if drafter is not None:
        guesses = drafter.propose([line.tokens for line in lines], sampling.num_drafts)
    for line, guess in zip(lines, guesses, strict=True):
        line.expect(guess)
    chunk = [[line.tokens[-1], *line.draft] for line in lines]
    return decoding.read(Packed.of(chunk, device=device_of(decoding.model)))


def _drafter(
    model: Transformer,
    draft: Transformer | None,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
) -> Drafter | None:
    if not sampling.num_drafts:
        return None
    if draft is not None:
        return DraftModel(draft, prompts, sampling.max_new_tokens)
    # A lone decoder has the prompt in its own text.
    return PromptLookup(prompts if model.encoder else [()] * len(prompts))


def _guide(
    model: Transformer, sampling: Sampling, stops: Collection[int], tokenizer: Tokenizer | None
) -> Guide | None:
    if sampling.constraint is None:
        return None
    assert tokenizer is not None, "checked before"
    size = model.spec.stack.embedding.vocab_size
    return start_guide(sampling.constraint, tokenizer, stops, size, sampling.max_new_tokens)


def _best(found: list[Generated]) -> Generated:
    best, *others = sorted(found, key=lambda answer: -answer.score)
    return replace(best, others=tuple(others))


def _spelled(
    model: Transformer, tokenizer: Tokenizer, prompt: Sequence[int], found: Generated
) -> Generated:
    stream = TextStream(tokenizer, () if model.encoder else prompt)
    text = "".join(map(stream.add, found.tokens)) + stream.end()
    others = tuple(_spelled(model, tokenizer, prompt, other) for other in found.others)
    return replace(found, text=text, others=others)


def _check(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    tokenizer: Tokenizer | None,
    draft: Transformer | None,
    before: int = 0,
) -> None:
    for reader in (model, draft):
        if reader is not None:
            check_prompts(reader, prompts, before + sampling.max_new_tokens)
    if sampling.stop and tokenizer is None:
        raise SettingsError("Stop texts need a tokenizer; give one, or stop at tokens.")
    if sampling.constraint is not None and tokenizer is None:
        raise SettingsError("A constraint needs a tokenizer; give the model's.")
    if draft is not None and draft.spec.vocab_size != model.spec.vocab_size:
        raise SettingsError(
            "The draft model has {theirs} tokens and the model {ours}; choose one with the same "
            "vocabulary.",
            theirs=draft.spec.vocab_size,
            ours=model.spec.vocab_size,
        )
    size = model.spec.stack.embedding.vocab_size
    for token in sampling.logit_bias:
        if not 0 <= token < size:
            raise SettingsError(
                "logit_bias names the token {token}, but the vocabulary ends at {last}.",
                token=token,
                last=size - 1,
            )
