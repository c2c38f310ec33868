"""Beam search: the likeliest answers side by side, as transformers counts them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from mason.generation.choosing import Context, adjusted
from mason.generation.decoding import prefill, start_decoding
from mason.generation.lines import Generated
from mason.generation.sampling import Sampling
from mason.layers import Pages
from mason.models.packed import Packed
from mason.models.transformer import Transformer, device_of


@dataclass(frozen=True)
class Beam:
    """An answer so far: its new tokens, their own log-probabilities, and its score."""

    tokens: tuple[int, ...] = ()
    log_probabilities: tuple[float, ...] = ()
    score: float = 0.0


@dataclass
class Candidates:
    """One prompt's beams, and its answers that are finished, best first.

    Attributes:
        prompt: Number of the prompt.
        given: What the decoder reads before the first new token.
        running: The beams that go on.
        finished: Their scores are divided by their lengths to the power of the penalty.
        done: No better answer is looked for.
    """

    prompt: int
    given: list[int]
    running: list[Beam] = field(default_factory=lambda: [Beam()])
    finished: list[Beam] = field(default_factory=list)
    done: bool = False

    def grow(
        self, found: Sequence[tuple[int, Beam]], sampling: Sampling, stops: Collection[int]
    ) -> list[int]:
        """Take the likeliest next beams, with the places of those they grew from, best first.

        Returns:
            For each beam that goes on, the place of the one it grew from.
        """
        num, length = sampling.num_beams, len(found[0][1].tokens)
        last = length == sampling.max_new_tokens
        ended = [last or beam.tokens[-1] in stops for _, beam in found]
        # Those beyond the first are there to have enough that go on.
        self.finished += [
            replace(beam, score=beam.score / length**sampling.length_penalty)
            for (_, beam), end in zip(found[:num], ended, strict=False)
            if end
        ]
        self.finished = sorted(self.finished, key=lambda beam: -beam.score)[:num]
        going = [pair for pair, end in zip(found, ended, strict=True) if not end][:num]
        self.running = [beam for _, beam in going]
        self.done = not self.running or self._settled(sampling, length)
        return [place for place, _ in going]

    def _settled(self, sampling: Sampling, length: int) -> bool:
        """Whether there are enough answers, and as far as can be told no better one comes."""
        if len(self.finished) < sampling.num_beams:
            return False
        if sampling.early_stopping is True:
            return True
        if sampling.early_stopping == "never" and sampling.length_penalty > 0:
            length = sampling.max_new_tokens
        best = self.running[0].score / length**sampling.length_penalty
        return bool(best <= self.finished[-1].score)

    def results(self, sampling: Sampling, stops: Collection[int]) -> Generated:
        """The best answer, with the others asked for."""
        best, *others = [
            Generated(
                list(beam.tokens),
                list(beam.log_probabilities),
                beam.score,
                "stop" if beam.tokens[-1] in stops else "length",
            )
            for beam in self.finished[: sampling.num_return]
        ]
        return replace(best, others=tuple(others))


def search(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    sampling: Sampling,
    stops: Collection[int],
    pages: Pages | None = None,
) -> list[Generated]:
    """The best answers to each prompt, found with beams."""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    by_length = [prompts[i] for i in order]
    decoding, first = start_decoding(model, by_length, sampling.max_new_tokens, pages)
    everyone = [Candidates(i, given) for i, given in zip(order, first, strict=True)]
    live, rows = everyone, prefill(decoding, first, sampling.prefill_chunk)
    while True:
        parents = _grow(live, decoding.logits(rows), sampling, stops)
        live = [candidates for candidates in live if not candidates.done]
        if not live:
            break
        decoding.keep(parents)
        beams = [beam for candidates in live for beam in candidates.running]
        new = Packed.of([beam.tokens[-1:] for beam in beams], device=device_of(model))
        rows = decoding.read(new)
    ordered = sorted(everyone, key=lambda candidates: candidates.prompt)
    return [candidates.results(sampling, stops) for candidates in ordered]


def _grow(
    live: Sequence[Candidates], logits: Tensor, sampling: Sampling, stops: Collection[int]
) -> list[int]:
    """Grow every prompt's beams by a token; the rows that those which go on grew from."""
    own = logits.log_softmax(-1)
    contexts = [
        Context([*candidates.given, *beam.tokens], len(candidates.given))
        for candidates in live
        for beam in candidates.running
    ]
    scores = adjusted(own, contexts, sampling)
    parents, start = [], 0
    for candidates in live:
        end = start + len(candidates.running)
        found = _likeliest(candidates, scores[start:end], own[start:end], sampling, len(stops))
        places = candidates.grow(found, sampling, stops)
        if not candidates.done:
            parents += [start + place for place in places]
        start = end
    return parents


def _likeliest(
    candidates: Candidates, scores: Tensor, own: Tensor, sampling: Sampling, num_stops: int
) -> list[tuple[int, Beam]]:
    """The next beams, best first: enough that ``num_beams`` go on when the others end."""
    before = torch.tensor([beam.score for beam in candidates.running], device=scores.device)
    whole = (scores + before[:, None]).flatten()
    count = min(max(2, 1 + num_stops) * sampling.num_beams, len(whole))
    best = whole.topk(count)
    likely = own.flatten()[best.indices].tolist()
    found = []
    for score, index, own_score in zip(
        best.values.tolist(), best.indices.tolist(), likely, strict=True
    ):
        place, token = divmod(index, scores.shape[1])
        beam = candidates.running[place]
        longer = Beam((*beam.tokens, token), (*beam.log_probabilities, own_score), score)
        found.append((place, longer))
    return found
