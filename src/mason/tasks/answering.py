"""Answering: the words of a text that answer a question (Rajpurkar et al. 2016)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mason.data.questions import Question, Span
from mason.models.packed import Packed
from mason.models.transformer import Transformer, device_of
from mason.tasks.classification import (
    PASS,
    costliest_pass,
    head_logits,
    reading_passes,
    rows_read,
)
from mason.tasks.matching import Matching
from mason.tasks.windows import Frame, room_for, windows
from mason.text import Tokenizer

HEAD = "answering"
OUTPUT = f"heads.{HEAD}.output.weight"
MAX_QUESTION = 64
"""Tokens of a question that are read (Devlin et al. 2019)."""
OVERLAP = 128
"""Tokens that neighbouring windows share, where they have room for it."""
MAX_ANSWER = 30
"""Tokens of the longest answer that is given, where training has not said."""
NBEST = 20
"""Answers considered: what one's probability is a share of."""


@dataclass(frozen=True)
class Examples:
    """Questions with windows of their texts, as tokens.

    Attributes:
        tokens: Of each window: question, part of the text, template.
        token_types: Their segments; None: the model does not tell them apart.
        places: The (start, end) in the text, in characters, of each token of its part.
        firsts: The row at which the part of the text begins.
        numbers: The number of the question each window belongs to.
        targets: First and last row of the answer in each window; where it has none, twice
            ``no_answer``. None: nobody knows.
        questions: The questions themselves.
        no_answer: Row that both outputs point to where a window holds no answer: the first, or
            the last (-1) where a row knows only what stands before it.
    """

    tokens: Sequence[Sequence[int]]
    token_types: Sequence[Sequence[int]] | None
    places: Sequence[Sequence[Span]]
    firsts: Sequence[int]
    numbers: Sequence[int]
    targets: Sequence[tuple[int, int]] | None
    questions: Sequence[Question]
    no_answer: int = 0

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each window."""
        return [len(t) for t in self.tokens]

    @property
    def columns(self) -> list[Sequence[Sequence[int]]]:
        """Every number of every window, a column at a time."""
        types = [] if self.token_types is None else [self.token_types]
        targets: list[Sequence[Sequence[int]]] = [] if self.targets is None else [self.targets]
        return [self.tokens, *types, *targets]

    @property
    def matching(self) -> Matching:
        """What part of each text its question speaks of; the template stands with the question."""
        return Matching(self.tokens, self.firsts, [len(places) for places in self.places])

    def cut(self, most: int) -> "Examples":
        """The same with at most ``most`` tokens a window, to see what they cost."""
        types, targets = self.token_types, self.targets
        return replace(
            self,
            tokens=[t[:most] for t in self.tokens],
            token_types=None if types is None else [t[:most] for t in types],
            targets=None
            if targets is None
            else [(min(begin, most - 1), min(end, most - 1)) for begin, end in targets],
        )

    def pack(self, run: Sequence[int], device: torch.device | str = "cpu") -> Packed:
        """The windows of these numbers as one flat batch."""
        types = self.token_types
        return Packed.of(
            [self.tokens[i] for i in run],
            None if types is None else [types[i] for i in run],
            device=device,
        )


def examples_of(
    questions: Sequence[Question],
    tokenizer: Tokenizer,
    *,
    max_tokens: int | None = None,
    typed: bool = True,
    with_targets: bool = False,
    causal: bool = False,
) -> Examples:
    """Questions as the network reads them; long texts in windows.

    Args:
        questions: With their texts.
        tokenizer: Cuts them into pieces.
        max_tokens: Most tokens of a window; None: no limit.
        typed: Whether the model tells segments apart.
        with_targets: Whether the answers are to be learned from: each question's first one.
        causal: Whether a row knows only what stands before it.
    """
    frame = Frame.of(tokenizer, pair=True)
    # A template without a mark between the two would glue them together.
    parting = "" if frame.between else "\n"
    asked = tokenizer.encode_ids([q.question + parting for q in questions], special=False)
    contexts = {text: i for i, text in enumerate(dict.fromkeys(q.context for q in questions))}
    read = tokenizer.encode(list(contexts), special=False)
    parts: list[_Part] = []
    for number, (question, ids) in enumerate(zip(questions, asked, strict=True)):
        found, head = read[contexts[question.context]], ids[:MAX_QUESTION]
        spans = [trimmed(question.context, span) for span in found.spans]
        answer = _pieces(spans, question)
        size = max(1, len(found.ids))
        room = room_for(max_tokens, frame.num_tokens + len(head)) or size
        first = len(frame.before) + len(head) + len(frame.between)
        for window in windows(size, room, min(OVERLAP, room // 2) if room < size else 0):
            inside = found.ids[window.start : window.stop]
            tokens = frame.around(head, inside)
            target = (len(tokens) - 1,) * 2 if causal else (0, 0)
            if answer and answer.start >= window.start and answer.stop <= window.stop:
                begin = first + answer.start - window.start
                target = (begin, begin + len(answer) - 1)
            parts.append(
                _Part(
                    tokens,
                    frame.types_around(len(head), len(inside)),
                    spans[window.start : window.stop],
                    first,
                    number,
                    target,
                )
            )
    return Examples(
        [part.tokens for part in parts],
        [part.types for part in parts] if typed else None,
        [part.places for part in parts],
        [part.first for part in parts],
        [part.number for part in parts],
        [part.target for part in parts] if with_targets else None,
        questions,
        -1 if causal else 0,
    )


class _Part(NamedTuple):
    """One window, on its way into ``Examples``."""

    tokens: list[int]
    types: list[int]
    places: list[Span]
    first: int
    number: int
    target: tuple[int, int]


def trimmed(text: str, span: Span) -> Span:
    """A span without the spaces at its ends, which some tokenizers count to the next piece."""
    start, end = span
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _pieces(spans: Sequence[Span], question: Question) -> range:
    """The pieces of the first right answer; empty where there is none."""
    if not question.answers:
        return range(0)
    start, end = question.answers[0]
    touching = [i for i, (a, b) in enumerate(spans) if a < end and b > start]
    return range(touching[0], touching[-1] + 1) if touching else range(0)


class AnsweringObjective:
    """Mean of the cross-entropies of where the answer begins and where it ends.

    Both are over all tokens of a window; one without the answer points to its first token
    (Devlin et al. 2019), or to its last where rows know only what stands before them.

    With ``matching`` the gradient, and not the loss that is told, has a second part: the network
    is to know what part of the text the question speaks of (see ``Matching``). That fades as the
    answers are found: its weight is the mean loss of the batch, at most 1.
    """

    def __init__(self, examples: Examples, *, matching: bool = False) -> None:
        assert examples.targets is not None, "training needs targets"
        self.examples, self.lengths = examples, examples.lengths
        self.targets = torch.tensor(list(examples.targets))
        self.matching = examples.matching if matching else None

    def count(self, batch: Any) -> int:
        """One target a window."""
        return len(batch)

    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        """The summed loss, in fp32."""
        packed = self.examples.pack(run, device_of(model))
        hidden = rows_read(model, packed)
        logits = model.heads[HEAD](hidden).float().split(packed.lengths)
        # Past the end of a window there is nothing to begin or to end with.
        table = pad_sequence(list(logits), batch_first=True, padding_value=-torch.inf)
        targets = self.targets[list(run)].to(table.device)
        loss = sum_of_both(table, targets) / 2
        if self.matching is None:
            return loss
        weight = (loss.detach() / len(run)).clamp(max=1.0)
        matched = weight * self.matching.loss(hidden, run, packed.lengths)
        return loss + (matched - matched.detach())


def sum_of_both(table: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of begins and ends [N, L, 2] for targets [N, 2], summed."""
    begins, ends = table.unbind(-1)
    loss = F.cross_entropy(begins, targets[:, 0], reduction="sum")
    return loss + F.cross_entropy(ends, targets[:, 1], reduction="sum")


@dataclass(frozen=True)
class Answer:
    """An answer that a text may hold.

    Attributes:
        text: The words, as they stand in the text; "": it has none.
        start: First character.
        end: Last character + 1.
        score: Sum of the logits of both ends.
        probability: Its share among the answers considered.
    """

    text: str
    start: int
    end: int
    score: float
    probability: float


@dataclass(frozen=True)
class Answers:
    """What was found for one question, the best first, and the score of there being none."""

    best: list[Answer]
    null_score: float


@torch.inference_mode()
def find_answers(
    model: Transformer,
    examples: Examples,
    *,
    num_best: int = NBEST,
    max_answer: int = MAX_ANSWER,
    tokens_per_pass: int = PASS,
) -> list[Answers]:
    """The likeliest spans of each question's text, over all its windows.

    Args:
        model: With the head.
        examples: What ``examples_of`` made of the questions.
        num_best: How many answers of each.
        max_answer: Most tokens of an answer.
        tokens_per_pass: Most tokens that are read at once.
    """
    device, lengths = device_of(model), examples.lengths
    found: list[dict[Span, float]] = [{} for _ in examples.questions]
    nulls = [float("inf")] * len(examples.questions)
    for run in reading_passes(lengths, tokens_per_pass):
        packed = examples.pack(run, device)
        logits = head_logits(model, HEAD, packed).float().cpu().split(packed.lengths)
        for i, rows in zip(run, logits, strict=True):
            number, first = examples.numbers[i], examples.firsts[i]
            nulls[number] = min(nulls[number], float(rows[examples.no_answer].sum()))
            part = rows[first : first + len(examples.places[i])]
            for begin, end, score in _spans(part, num_best, max_answer):
                span = examples.places[i][begin][0], examples.places[i][end][1]
                # The same words may stand in two windows.
                found[number][span] = max(score, found[number].get(span, score))
    return [
        Answers(_ranked(spans, question.context, num_best), null)
        for spans, question, null in zip(found, examples.questions, nulls, strict=True)
    ]


def _spans(rows: Tensor, num_best: int, max_answer: int) -> Iterator[tuple[int, int, float]]:
    """The best spans of a window: first token, last token, score; none is missed."""
    size = len(rows)
    if not size:
        return
    sums = rows[:, None, 0] + rows[None, :, 1]
    allowed = torch.ones(size, size, dtype=torch.bool).triu().tril(max_answer - 1)
    flat = sums.masked_fill(~allowed, -torch.inf).flatten()
    scores, where = flat.topk(min(num_best, int(allowed.sum())))
    for score, place in zip(scores.tolist(), where.tolist(), strict=True):
        yield place // size, place % size, score


def _ranked(spans: dict[Span, float], context: str, num_best: int) -> list[Answer]:
    kept = {(a, b): score for (a, b), score in spans.items() if b > a}
    chosen = sorted(kept.items(), key=lambda item: (-item[1], item[0]))[:num_best]
    shares = torch.tensor([score for _, score in chosen]).softmax(0).tolist()
    return [
        Answer(context[start:end], start, end, score, share)
        for ((start, end), score), share in zip(chosen, shares, strict=True)
    ]


def decide(answers: Answers, threshold: float | None) -> Answer:
    """The best answer, or none where that is likelier by more than ``threshold``.

    Args:
        answers: Of one question.
        threshold: What the null score must exceed the best one by; None: there always is an
            answer.
    """
    best = answers.best[0] if answers.best else Answer("", 0, 0, -torch.inf, 1.0)
    if threshold is None or answers.null_score - best.score <= threshold:
        return best
    margin = torch.tensor(answers.null_score - best.score)
    return Answer("", 0, 0, answers.null_score, float(margin.sigmoid()))


def read_costliest(model: Transformer, examples: Examples) -> None:
    """The costliest pass of ``find_answers``."""
    packed = examples.pack(costliest_pass(examples.lengths), device_of(model))
    head_logits(model, HEAD, packed)
