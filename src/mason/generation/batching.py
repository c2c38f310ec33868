"""A batch that runs on: answers join it as they are asked for and leave as they end.

Yu et al. 2022 (Orca), with prompts read a piece at a time beside the answers that are being
written, as Agrawal et al. 2024 (arXiv:2403.02310) do: one packed batch holds a token of each
answer and pieces of prompts, so that a long prompt holds nobody up.
"""

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mason.errors import MasonError, SettingsError
from mason.generation.choosing import choose, log_probabilities
from mason.generation.constraints import Guide, start_guide
from mason.generation.decoding import Decoding, check_prompts
from mason.generation.lines import Line, numbers_of
from mason.generation.sampling import Sampling
from mason.layers import Pages
from mason.models.packed import Packed
from mason.models.transformer import Transformer, device_of
from mason.text import Tokenizer
from mason.text.streaming import TextStream

PIECE = 256
"""Tokens of prompts that are read in one step."""

Likely = list[tuple[int, float]]
"""Tokens and their log-probabilities, the likeliest first."""


@dataclass(eq=False)
class Answer:
    """One answer on its way through a batch.

    Attributes:
        line: What is written so far.
        sampling: How its tokens are chosen.
        num_likeliest: Alternatives that are kept for each token.
        likeliest: Those of each token written.
        unread: Tokens of the prompt that were not read yet.
        error: Why it cannot go on.
    """

    line: Line
    sampling: Sampling
    num_likeliest: int = 0
    likeliest: list[Likely] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)
    error: MasonError | None = None

    @property
    def done(self) -> bool:
        """Whether nothing more comes of it."""
        return self.error is not None or self.line.finish is not None

    @property
    def room(self) -> int:
        """Tokens it may come to fill, prompt and answer together."""
        return self.line.num_given + self.sampling.max_new_tokens


def begin(
    model: Transformer,
    prompt: Sequence[int],
    sampling: Sampling,
    *,
    tokenizer: Tokenizer,
    stops: Collection[int],
    number: int = 0,
    num_likeliest: int = 0,
    guide: Guide | None = None,
) -> Answer:
    """An answer that a batch can take up; any thread may prepare it.

    Args:
        model: A lone decoder.
        prompt: Its tokens.
        sampling: How tokens are chosen; neither beams nor drafts.
        tokenizer: What spells the answer.
        stops: Tokens that end it.
        number: Which of several answers to the same prompt it is.
        num_likeliest: Alternatives to keep for each token.
        guide: Where ``sampling.constraint`` begins; see ``start``.

    Raises:
        DataError: The prompt is empty, or the positions do not reach far enough.
        SettingsError: The settings do not fit a batch that runs on.
    """
    if sampling.num_beams > 1 or sampling.num_drafts:
        raise SettingsError("A batch that runs on has neither beams nor drafts; leave them out.")
    check_prompts(model, [prompt], sampling.max_new_tokens)
    random = numbers_of(prompt, number, sampling.seed)
    stream = TextStream(tokenizer, prompt)
    place = None if guide is None else guide.copy()
    line = Line(0, prompt, sampling, stops, random, stream, place)
    return Answer(line, sampling, num_likeliest, unread=list(prompt))


def start(
    model: Transformer, sampling: Sampling, tokenizer: Tokenizer, stops: Collection[int]
) -> Guide | None:
    """Where the answers' constraint begins, if they have one; this takes up to a second.

    Raises:
        MasonError: See ``start_guide``.
    """
    if sampling.constraint is None:
        return None
    size = model.spec.stack.embedding.vocab_size
    return start_guide(sampling.constraint, tokenizer, stops, size, sampling.max_new_tokens)


class Batch:
    """Answers that are written together by one model.

    What an answer becomes does not depend on those beside it, to the rounding of products.

    Args:
        model: A lone decoder with the head ``language``.
        piece: Tokens of prompts that are read in one step.
    """

    def __init__(self, model: Transformer, piece: int = PIECE) -> None:
        decoder = model.spec.decoder
        assert decoder is not None and model.encoder is None, "a lone decoder"
        self._model, self._piece = model, piece
        self._most = model.spec.max_tokens or 2**31
        self.pages = Pages(decoder.depth)
        self._decoding = Decoding(model, 0, self._most, pages=self.pages)
        self.answers: list[Answer] = []

    def add(self, answer: Answer) -> None:
        """Take up an answer; it is read from the next step on."""
        self._decoding.admit()
        self.answers.append(answer)

    def drop(self, unwanted: Collection[Answer]) -> None:
        """Go on without some answers; the places that they held are free."""
        kept = [i for i, answer in enumerate(self.answers) if answer not in unwanted]
        if len(kept) < len(self.answers):
            self._decoding.keep(kept)
            self.answers = [self.answers[i] for i in kept]

    @torch.inference_mode()
    def step(self) -> list[Answer]:
        """Read on; give the answers that have a new token or cannot go on.

        Those that are done have left the batch.
        """
        pieces = self._pieces()
        reading = [i for i, piece in enumerate(pieces) if piece]
        new = Packed.of([pieces[i] for i in reading], device=device_of(self._model))
        rows = self._decoding.read(new, at=new.layout.last, sequences=reading)
        ready = [k for k, i in enumerate(reading) if not self.answers[i].unread]
        if not ready:
            return []
        grown = [self.answers[reading[k]] for k in ready]
        self._write(grown, self._decoding.logits(rows[ready]))
        self.drop([answer for answer in grown if answer.done])
        return grown

    def _pieces(self) -> list[list[int]]:
        """What each answer reads now: its newest token, or some of its prompt; first come first."""
        left, pieces = self._piece, []
        for answer in self.answers:
            if answer.unread:
                pieces.append(answer.unread[:left])
                del answer.unread[:left]
                left -= len(pieces[-1])
            else:
                pieces.append(answer.line.tokens[-1:])
        return pieces

    def _write(self, answers: Sequence[Answer], logits: Float[Tensor, "R V"]) -> None:
        tokens = torch.zeros(len(answers), dtype=torch.long, device=logits.device)
        alike: dict[Hashable, list[int]] = {}
        for row, answer in enumerate(answers):
            alike.setdefault(_way(answer.sampling), []).append(row)
        for rows in alike.values():
            tokens[rows] = _chosen([answers[row] for row in rows], logits[rows])
        likely = log_probabilities(logits, tokens).tolist()
        for row, (answer, token) in enumerate(zip(answers, tokens.tolist(), strict=True)):
            if answer.error is None:
                answer.likeliest += _likeliest(logits[row], answer.num_likeliest)
                _accept(answer, token, likely[row])


def _way(sampling: Sampling) -> Hashable:
    """What two answers share whose tokens are chosen in one go."""
    return (
        sampling.temperature,
        sampling.top_k,
        sampling.top_p,
        sampling.min_p,
        sampling.repetition_penalty,
        sampling.frequency_penalty,
        sampling.presence_penalty,
        tuple(sampling.logit_bias.items()),
        sampling.constraint is not None,
    )


def _chosen(answers: Sequence[Answer], logits: Float[Tensor, "R V"]) -> Int[Tensor, "R"]:
    sampling = answers[0].sampling
    lines = [answer.line for answer in answers]
    contexts = [c for line in lines for c in line.contexts()] if sampling.penalises else None
    numbers = [n for line in lines for n in line.numbers()] if sampling.temperature else None
    allowed = None
    if sampling.constraint is not None:
        size = logits.shape[1]
        allowed = torch.cat([_allowed(answer, size) for answer in answers])
    return choose(logits, contexts, numbers, sampling, allowed)


def _allowed(answer: Answer, size: int) -> Tensor:
    try:
        return answer.line.allowed()
    except MasonError as error:
        answer.error = error
        return torch.ones(1, size, dtype=torch.bool)


def _accept(answer: Answer, token: int, likely: float) -> None:
    try:
        answer.line.accept([token], [likely])
    except MasonError as error:
        answer.error = error


def _likeliest(logits: Float[Tensor, "V"], count: int) -> list[Likely]:
    """Of one token, where alternatives are wanted."""
    if not count:
        return []
    best = logits.log_softmax(-1).topk(min(count, len(logits)))
    return [list(zip(best.indices.tolist(), best.values.tolist(), strict=True))]
