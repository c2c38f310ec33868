"""Tagging: one label for each word, such as its part of speech or the name it belongs to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from mason.models.packed import Packed
from mason.models.stack import Look
from mason.models.transformer import Transformer, device_of
from mason.tasks.classification import (
    PASS,
    costliest_pass,
    head_logits,
    reading_passes,
    smoothed_entropy,
    softened_divergence,
)
from mason.tasks.windows import Frame, clearest, room_for, windows
from mason.text import Tokenizer

HEAD = "tagging"
OUTPUT = f"heads.{HEAD}.output.weight"
"""The matrix whose rows are the labels."""
OVERLAP = 0.25
"""Share of a window that the next one repeats."""

Words = Sequence[str]


class Alignment(NamedTuple):
    """A sentence as pieces, and where each word begins among them.

    ``own`` is False for a word that shares its piece with an earlier word, or has none at all
    (characters that the tokenizer drops): nothing is learned from it, but it gets a label.
    """

    pieces: list[int]
    rows: list[int]
    own: list[bool]


def spelled(words: Words) -> tuple[str, list[tuple[int, int]]]:
    """Words as running text, and the (start, end) of each in it, in characters.

    Spaces part them, but not beside Chinese or Japanese, which is written without.
    """
    text, places = "", []
    for word in words:
        if text and not (_is_unspaced(text[-1]) or _is_unspaced(word[:1])):
            text += " "
        places.append((len(text), len(text) + len(word)))
        text += word
    return text, places


def _is_unspaced(character: str) -> bool:
    code = ord(character) if character else 0
    return 0x2E80 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x3FFFF


def align(
    sentences: Sequence[Words], tokenizer: Tokenizer, *, last: bool = False
) -> list[Alignment]:
    """Each sentence's pieces, and the piece that stands for each word.

    Args:
        sentences: Words.
        tokenizer: Cuts them into pieces.
        last: Whether it is a word's last piece and not its first: what reads from left to right
            has seen the whole word only there.
    """
    texts = [spelled(words) for words in sentences]
    found = tokenizer.encode([text for text, _ in texts], special=False)
    return [
        _aligned(encoding.ids, encoding.spans, places, last=last)
        for encoding, (_, places) in zip(found, texts, strict=True)
    ]


def _aligned(
    ids: list[int],
    spans: Sequence[tuple[int, int]],
    places: Sequence[tuple[int, int]],
    *,
    last: bool,
) -> Alignment:
    rows, own, piece = [], [], 0
    taken = -1
    for start, end in places:
        while piece < len(spans) - 1 and spans[piece][1] <= start:
            piece += 1
        while last and piece < len(spans) - 1 and spans[piece + 1][0] < end:
            piece += 1
        meets = bool(spans) and spans[piece][0] < end and spans[piece][1] > start
        rows.append(piece)
        own.append(meets and piece != taken)
        taken = piece if meets else taken
    return Alignment(ids, rows, own)


@dataclass(frozen=True)
class Examples:
    """Windows of sentences as tokens, and which of their rows answer for which words.

    Attributes:
        tokens: Of each window, template included.
        rows: Rows of each window that answer for a word: its first piece, or its last.
        words: The word each of them answers for, counted through all sentences.
        targets: The labels of those words as numbers; -1: nothing is learned from it. None:
            nobody knows them.
        sentences: Words of each sentence.
    """

    tokens: Sequence[Sequence[int]]
    rows: Sequence[Sequence[int]]
    words: Sequence[Sequence[int]]
    targets: Sequence[Sequence[int]] | None
    sentences: Sequence[int]

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each window."""
        return [len(t) for t in self.tokens]

    def pack(self, run: Sequence[int], device: torch.device | str = "cpu") -> Packed:
        """The windows of these numbers as one flat batch."""
        return Packed.of([self.tokens[i] for i in run], device=device)

    @property
    def columns(self) -> list[Sequence[Sequence[int]]]:
        """Every number of every window, a column at a time."""
        targets = [] if self.targets is None else [self.targets]
        return [self.tokens, self.rows, *targets]

    def cut(self, most: int) -> "Examples":
        """The same with at most ``most`` tokens a window, to see what they cost."""
        return replace(
            self,
            tokens=[t[:most] for t in self.tokens],
            rows=[[min(row, most - 1) for row in rows] for rows in self.rows],
        )

    def learnable(self) -> "Examples":
        """The windows that have something to learn."""
        assert self.targets is not None, "training needs targets"
        kept = [i for i, targets in enumerate(self.targets) if any(t >= 0 for t in targets)]
        return replace(
            self,
            tokens=[self.tokens[i] for i in kept],
            rows=[self.rows[i] for i in kept],
            words=[self.words[i] for i in kept],
            targets=[self.targets[i] for i in kept],
        )


def examples_of(
    sentences: Sequence[Words],
    tokenizer: Tokenizer,
    *,
    max_tokens: int | None = None,
    targets: Sequence[Sequence[int]] | None = None,
    last: bool = False,
) -> Examples:
    """Sentences as the network reads them; a long one in windows, each word in just one.

    Args:
        sentences: Words.
        tokenizer: Cuts them into pieces.
        max_tokens: Most tokens of a window; None: no limit.
        targets: Of each word of each sentence, -1 where there is none.
        last: Whether a word's last piece stands for it, see ``align``.
    """
    frame = Frame.of(tokenizer)
    room = room_for(max_tokens, frame.num_tokens)
    begins = list(accumulate(map(len, sentences), initial=0))
    tokens: list[list[int]] = []
    rows: list[list[int]] = []
    numbers: list[list[int]] = []
    wanted: list[list[int]] = []
    for number, one in enumerate(align(sentences, tokenizer, last=last)):
        if not one.rows:
            continue
        # The tokenizer may leave nothing of a sentence; its words are tagged all the same.
        pieces = one.pieces or [tokenizer.special.unk or 0]
        size = len(pieces)
        parts = windows(size, room or size, int(OVERLAP * room) if room and room < size else 0)
        chosen = [clearest(row, parts) for row in one.rows]
        for place, part in enumerate(parts):
            mine = [word for word, window in enumerate(chosen) if window == place]
            if not mine:
                continue
            tokens.append(frame.around(pieces[part.start : part.stop]))
            rows.append([len(frame.before) + one.rows[word] - part.start for word in mine])
            numbers.append([begins[number] + word for word in mine])
            if targets is not None:
                given = targets[number]
                wanted.append([given[word] if one.own[word] else -1 for word in mine])
    lengths = [len(words) for words in sentences]
    return Examples(tokens, rows, numbers, wanted if targets is not None else None, lengths)


class TaggingObjective:
    """Cross-entropy of the right label of each word, at the piece that stands for it.

    With smoothing, the entropy of the smoothed target is taken off, as in classification.
    """

    def __init__(self, examples: Examples, *, label_smoothing: float = 0.0) -> None:
        self.examples = examples.learnable()
        self.lengths = self.examples.lengths
        self.label_smoothing = label_smoothing

    def count(self, batch: Any) -> int:
        """Words to learn from."""
        assert self.examples.targets is not None
        return sum(t >= 0 for i in batch for t in self.examples.targets[int(i)])

    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        """The summed cross-entropy, in fp32."""
        return self.right(self.said(model, run), run)

    def said(self, model: Any, run: Sequence[int], look: Look | None = None) -> Tensor:
        """Logits of each word of a run, in fp32 [words, tags]; see ``Transformer.logits``."""
        return word_logits(model, self.examples, run, look).float()

    def num_rows(self, run: Sequence[int]) -> list[int]:
        """A row a word."""
        return [len(self.examples.rows[i]) for i in run]

    def apart(self, said: Tensor, wanted: Tensor, run: Sequence[int], heat: float) -> Tensor:
        """How far the logits of learned words are from a teacher's; see ``softened_divergence``."""
        learned = self._wanted(run).to(said.device) >= 0
        return softened_divergence(said[learned], wanted[learned], heat)

    def right(self, logits: Tensor, run: Sequence[int]) -> Tensor:
        """The summed loss of logits, by the tags of a run."""
        loss = F.cross_entropy(
            logits,
            self._wanted(run).to(logits.device),
            reduction="sum",
            ignore_index=-1,
            label_smoothing=self.label_smoothing,
        )
        return loss - self.count(run) * smoothed_entropy(self.label_smoothing, logits.shape[1])

    def _wanted(self, run: Sequence[int]) -> Tensor:
        assert self.examples.targets is not None, "training needs targets"
        return torch.tensor([t for i in run for t in self.examples.targets[i]])


def word_logits(
    model: Transformer, examples: Examples, run: Sequence[int], look: Look | None = None
) -> Tensor:
    """A row of logits for each word of the windows of these numbers, in their order."""
    packed = examples.pack(run, device_of(model))
    starts = packed.layout.starts
    rows = [start + row for start, i in zip(starts, run, strict=True) for row in examples.rows[i]]
    at = torch.tensor(rows, device=packed.tokens.device)
    return head_logits(model, HEAD, packed, at=at, look=look)


@torch.inference_mode()
def predict_logits(
    model: Transformer, examples: Examples, *, tokens_per_pass: int = PASS
) -> npt.NDArray[np.float32]:
    """Logits [words, labels] in fp32, words in the order of the sentences."""
    num_words = sum(examples.sentences)
    outputs = np.zeros((num_words, max(len(model.spec.labels), 1)), dtype=np.float32)
    for run in reading_passes(examples.lengths, tokens_per_pass):
        words = [word for i in run for word in examples.words[i]]
        outputs[words] = word_logits(model, examples, run).float().cpu().numpy()
    return outputs


def read_costliest(model: Transformer, examples: Examples) -> None:
    """The costliest pass of ``predict_logits``."""
    word_logits(model, examples, costliest_pass(examples.lengths))
