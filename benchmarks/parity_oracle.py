"""A model of transformers beside ours: how far apart are they?

Every distance is max |ours - theirs| / max |theirs|, worst over layers or outputs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from benchmarks.parity_cases import Case
from mason.generation import Decoding
from mason.models.checkpoints import Checkpoint, load_model
from mason.models.packed import Packed
from mason.models.saving import save_model

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

# A short one before each longer one, because transformers' dynamic rotary remembers the
# longest sequence until a short one comes.
LENGTHS = (3, 11, 1, 7, 17)
TARGET_LENGTHS = (5, 13, 2, 7, 1)
STEPS = (1, 1, 2, 1)
"""Tokens of each sequence in each call of cached decoding after the first."""
LIMITS = {
    "layers": 1e-5,
    "outputs": 1e-5,
    "mask": 1e-5,
    "caches": 1e-5,
    "batch": 1e-6,
    "return": 1e-6,
}
"""The largest distance of each comparison."""
FIRST_PLAIN_TOKEN = 5
"""Tokens below are special in some family: RoBERTa gives its padding no position."""


@dataclass(frozen=True)
class Streams:
    """What both models read: sequences of tokens, their types, the decoder's tokens."""

    sources: list[list[int]]
    token_types: list[list[int]] | None
    targets: list[list[int]] | None

    @property
    def last(self) -> list[list[int]]:
        """The sequences of the stack whose hidden states the heads read."""
        return self.targets or self.sources

    def __iter__(self) -> Iterator["Streams"]:
        for i in range(len(self.sources)):
            pick = slice(i, i + 1)
            types = self.token_types and self.token_types[pick]
            yield Streams(self.sources[pick], types, self.targets and self.targets[pick])

    @property
    def packed(self) -> tuple[Packed, Packed | None]:
        """As our models read them."""
        source = Packed.of(self.sources, self.token_types)
        return source, Packed.of(self.targets) if self.targets else None

    @property
    def padded(self) -> dict[str, Tensor]:
        """As transformers reads them: padded on the right, with masks."""
        given = {"input_ids": pad(self.sources), "attention_mask": pad(ones(self.sources))}
        if self.token_types:
            given["token_type_ids"] = pad(self.token_types)
        if self.targets:
            given["decoder_input_ids"] = pad(self.targets)
        return given


def pad(rows: Sequence[Sequence[int]]) -> Tensor:
    """Rows of different lengths as a matrix; zeros fill the right."""
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)


def ones(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """A one for every token."""
    return [[1] * len(row) for row in rows]


def distance(ours: Tensor, theirs: Tensor) -> float:
    """Max |ours - theirs| / max |theirs|."""
    assert ours.numel() == theirs.numel(), f"{tuple(ours.shape)} beside {tuple(theirs.shape)}"
    return float((ours - theirs.reshape(ours.shape)).abs().max() / theirs.abs().max())


class Pair:
    """A model of transformers and ours, read from the same files.

    Args:
        case: What they are, and which of their heads to compare.
        theirs: The model of transformers.
        path: The files that ours is read from.
        folder: A folder to save ours to.
        texts: Sequences to read; None: random ones.
    """

    def __init__(
        self,
        case: Case,
        theirs: Any,
        path: Path,
        folder: Path,
        texts: list[list[int]] | None = None,
    ) -> None:
        self.case, self.theirs, self.folder = case, theirs.eval(), folder
        self.checkpoint: Checkpoint = load_model(path)
        self.ours = self.checkpoint.model
        self.streams = self._streams() if texts is None else Streams(texts, None, None)

    @classmethod
    def random(cls, case: Case, folder: Path) -> "Pair":
        """A small model with random weights, every one of them moved from its default."""
        torch.manual_seed(7)
        kind: Any = getattr(transformers, case.model)
        config = kind.config_class(**case.config)
        theirs = kind._from_config(config, attn_implementation="eager")
        _disturb(theirs)
        theirs.save_pretrained(folder / "theirs")
        return cls(case, theirs, folder / "theirs", folder)

    def _streams(self) -> Streams:
        generator = torch.Generator().manual_seed(11)

        def draw(lengths: Sequence[int], low: int, high: int) -> list[list[int]]:
            return [torch.randint(low, high, (n,), generator=generator).tolist() for n in lengths]

        size = self.case.config["vocab_size"]
        sources = draw(LENGTHS, FIRST_PLAIN_TOKEN, size)
        if (last := self.case.last_token) is not None:
            sources = [[*row[:-1], last] for row in sources]
        types = draw(LENGTHS, 0, self.case.token_types) if self.case.token_types else None
        targets = None
        if self.ours.spec.topology == "encoder-decoder":
            start = self.ours.spec.special.decoder_start or 0
            targets = [[start, *row] for row in draw(TARGET_LENGTHS, FIRST_PLAIN_TOKEN, size)]
            if "classification" in self.case.heads:
                targets = [[start, *row[:-1]] for row in sources]
        return Streams(sources, types, targets)

    def distances(self) -> Iterator[tuple[str, float]]:
        """Every comparison of numbers that means something for this row, by name."""
        yield "layers", self.hidden()
        if self.case.heads:
            yield "outputs", self.logits()
            if not self.case.alone:
                yield "mask", self.padded()
        if self.decodes:
            yield "caches", self.cached()
        yield "batch", self.batched()

    @property
    def decodes(self) -> bool:
        """Whether tokens can be decoded step by step beside transformers."""
        decodes = self.ours.decoder is not None and "language" in self.case.heads
        return decodes and not self.case.alone

    @torch.no_grad()
    def hidden(self) -> float:
        """Hidden states of every layer: one packed batch beside single sequences."""
        streams = self.streams
        ours = _layers(self.ours, *streams.packed)
        singles = [self._their_layers(single) for single in streams]
        return max(
            distance(mine, torch.cat([single[name] for single in singles]))
            for name, mine in ours.items()
        )

    def _their_layers(self, single: Streams) -> dict[str, Tensor]:
        base = self.theirs.base_model
        out = base(**single.padded, output_hidden_states=True)
        if base.config.is_encoder_decoder:
            named = {"encoder": out.encoder_hidden_states, "decoder": out.decoder_hidden_states}
        else:
            named = {self.ours.spec.topology: out.hidden_states}
        return {
            f"{stack} {i}": rows[0]
            for stack, layers in named.items()
            for i, rows in enumerate(layers)
        }

    @torch.no_grad()
    def logits(self) -> float:
        """Outputs of every head: one packed batch beside single sequences."""
        worst = 0.0
        for head, output in self.case.heads.items():
            mine = self.ours.logits(head, *self.streams.packed)
            theirs = [_pick(self.theirs(**single.padded), output) for single in self.streams]
            worst = max(worst, distance(mine.flatten(), torch.cat([t.flatten() for t in theirs])))
        return worst

    @torch.no_grad()
    def padded(self) -> float:
        """Outputs beside a padded batch with an attention mask."""
        worst, given = 0.0, self.streams.padded
        theirs = self.theirs(**given)
        for head, output in self.case.heads.items():
            found, mine = _pick(theirs, output), self.ours.logits(head, *self.streams.packed)
            if self.ours.spec.heads[head].pool is None:
                found = found[pad(ones(self.streams.last)).bool()]
            worst = max(worst, distance(mine, found))
        return worst

    @torch.no_grad()
    def batched(self) -> float:
        """Hidden states of a packed batch beside those of each sequence alone, both ours."""
        alone = [self.ours(*single.packed) for single in self.streams]
        return distance(self.ours(*self.streams.packed), torch.cat(alone))

    @torch.no_grad()
    def cached(self) -> float:
        """Logits of a prefill and of steps with caches beside transformers without any."""
        starts, more = self.streams.last, sum(STEPS)
        longer = [(row * (more + 1))[: len(row) + more] for row in starts]
        source = self.streams.packed[0] if self.streams.targets else None
        decoding = Decoding(self.ours, len(longer), max(map(len, longer)), source)
        chunks = [[len(row) for row in starts], *([n] * len(starts) for n in STEPS)]
        ours: list[list[Tensor]] = [[] for _ in longer]
        begins = [0] * len(longer)
        for sizes in chunks:
            ends = [begin + size for begin, size in zip(begins, sizes, strict=True)]
            new = [row[b:e] for row, b, e in zip(longer, begins, ends, strict=True)]
            rows = self.ours.heads["language"](decoding.read(Packed.of(new))).split(sizes)
            for kept, fresh in zip(ours, rows, strict=True):
                kept.append(fresh)
            begins = ends
        changed = replace(
            self.streams, **{"targets" if self.streams.targets else "sources": longer}
        )
        theirs = [self.theirs(**single.padded).logits[0] for single in changed]
        return distance(torch.cat([torch.cat(kept) for kept in ours]), torch.cat(theirs))

    @torch.no_grad()
    def round_trip(self) -> tuple[float, dict[str, Any]]:
        """Logits of transformers reading what we saved, and what it had to say about it."""
        folder = self.folder / "ours"
        folder.mkdir()
        save_model(self.ours, self.checkpoint.family, folder)
        back, said = type(self.theirs).from_pretrained(
            folder, output_loading_info=True, attn_implementation="eager"
        )
        given = self.streams.padded
        before, after = self.theirs(**given), back.eval()(**given)
        outputs = self.case.heads.values() or ("last_hidden_state",)
        worst = max(distance(_pick(after, name), _pick(before, name)) for name in outputs)
        return worst, {key: found for key, found in said.items() if found}

    def again(self) -> Checkpoint:
        """Ours, read again from the folder ``round_trip`` saved."""
        return load_model(self.folder / "ours")


def _pick(found: Any, output: str | tuple[str, ...]) -> Tensor:
    """An output by name, or several side by side."""
    if isinstance(output, str):
        named: Tensor = found[output]
        return named
    return torch.stack([found[name] for name in output], dim=-1)


def _disturb(model: torch.nn.Module) -> None:
    """Move every weight and buffer, norms' too, so that none is one, zero or its default.

    Frozen weights are not learned but computed: sinusoidal positions.
    """
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point() and name not in frozen:
                tensor.add_(torch.randn_like(tensor) * 0.1)


def _layers(model: Any, source: Packed, target: Packed | None) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}

    def watch(stack: str) -> Any:
        return lambda i, rows: seen.__setitem__(f"{stack} {i}", rows)

    def end(stack: str, depth: int, rows: Tensor) -> None:
        # transformers gives the last layer's rows only after the last norm.
        seen[f"{stack} {depth}"] = rows

    spec = model.spec
    if target is None:
        end(spec.topology, spec.stack.depth, model(source, look=watch(spec.topology)))
        return seen
    encoded = model.encoder(source, look=watch("encoder"))
    end("encoder", spec.encoder.depth, encoded)
    end("decoder", spec.decoder.depth, model.decode(target, encoded, source, look=watch("decoder")))
    return seen
