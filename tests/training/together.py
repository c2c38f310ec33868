"""Runs of several processes: what each of them does, and how a test starts them.

RANK=0 WORLD_SIZE=2 MASTER_ADDR=localhost MASTER_PORT=… python -m tests.training.together FOLDER
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mason.evaluation.language import held_scores
from mason.layers import HeadSpec
from mason.models.files import open_weights, write_weights
from mason.models.spec import SpecialTokens
from mason.models.transformer import Transformer, set_recompute
from mason.tasks.pretraining import (
    CausalLanguage,
    Marks,
    MaskedLanguage,
    Pairs,
    SpanCorruption,
    Texts,
)
from mason.training.loop import fit
from mason.training.recipe import Recipe
from mason.training.world import ALONE, World, joined
from tests.models.small import SPECS, VOCABULARY, sequences

ROOT = Path(__file__).resolve().parents[2]
MARKS = Marks(VOCABULARY, first=1, last=2, mask=3, sentinels=(30, 29, 28, 27))
RECIPE = Recipe(
    epochs=9,
    max_steps=5,
    tokens_per_batch=67,
    tokens_per_pass=29,
    learning_rate=3e-3,
    evaluate_steps=3,
    precision="fp32",
)
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "encoder": ("bert", {}),
    "encoder in fp32": ("bert", {}),
    "layers used twice": ("shared", {}),
    "decoder": ("causal", {"ema_decay": 0.5}),
    "decoder in fp32": ("causal", {}),
    "encoder-decoder": ("spans", {}),
    "encoder-decoder in fp32": ("spans", {}),
    "recomputed": ("causal", {}),
    "idle process": ("causal", {"tokens_per_batch": None, "batch_size": 1}),
    "schedule_free": ("causal", {"optimizer": "schedule_free"}),
    "no forward of its own": ("within", {}),
    "muon": ("causal", {"optimizer": "muon"}),
}
"""By name: an objective, and what the recipe has of its own. In fp64 if the name does not say:
AdamW makes a whole step of a gradient that is zero but for rounding."""


def texts(num: int = 24, seed: int = 3) -> list[list[int]]:
    """Of 3 to 19 tokens that are no marks."""
    lengths = torch.randint(3, 20, (num,), generator=torch.Generator().manual_seed(seed)).tolist()
    return [[4 + t % 20 for t in text] for text in sequences(lengths, seed)]


class _Within(nn.Module):
    """A model inside of another that is never called, as ELECTRA's two networks are."""

    def __init__(self, network: Transformer) -> None:
        super().__init__()
        self.network = network


class _OfWithin(CausalLanguage):
    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        return super().loss(model.network, run)


def build(name: str) -> tuple[nn.Module, Any]:
    """A small model without dropout, and its objective."""
    torch.manual_seed(5)
    plain = Texts(texts(), MARKS)
    if name in ("bert", "shared"):
        heads = SPECS["encoder"].heads | {"next_sentence": HeadSpec(pool="first", outputs=2)}
        spec = replace(SPECS["encoder"], heads=heads)
        assert spec.encoder is not None
        spec = replace(spec, encoder=replace(spec.encoder, shared=name == "shared"))
        sentences = [[text[:2], text[2:]] for text in texts()]
        pairs = Pairs(sentences, list(range(len(sentences))), MARKS, max_tokens=25)
        return Transformer(spec), MaskedLanguage(pairs, MARKS)
    if name == "within":
        return _Within(Transformer(SPECS["decoder"])), _OfWithin(plain, MARKS)
    if name == "causal":
        return Transformer(SPECS["decoder"]), CausalLanguage(plain, MARKS)
    spec = replace(SPECS["encoder-decoder"], special=SpecialTokens(decoder_start=1))
    return Transformer(spec), SpanCorruption(Texts(texts(), Marks(VOCABULARY)), MARKS)


def learn(case: str, world: World = ALONE) -> tuple[list[list[float]], dict[str, Tensor]]:
    """Losses, norms and evaluations of a case, and its final weights."""
    name, options = CASES[case]
    model, objective = build(name)
    model.to(torch.float32 if "fp32" in case else torch.float64)
    set_recompute(model, case == "recomputed")

    def evaluate(model: nn.Module) -> dict[str, float]:
        return dict(held_scores(model, objective, world))

    shared = world.share(model, torch.device("cpu"))
    recipe = replace(RECIPE, **options)
    history = fit(shared, objective, recipe, evaluate=evaluate, world=world)
    world.whole(shared, model)
    told = [[s.loss, s.gradient_norm] for s in history.steps]
    told += [[e.train_loss, e.valid_loss] for e in history.evaluations]
    return told, {n: p.detach() for n, p in model.named_parameters()}


def start(
    words: Sequence[str], size: int = 2, more: Mapping[str, str] | None = None
) -> list[subprocess.Popen[str]]:
    """The same command in several processes, as torchrun starts them."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    shared = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, "MASON_LANG": "en"}
    shared |= {"WORLD_SIZE": str(size), "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    return [
        subprocess.Popen(
            [sys.executable, *words],
            env={**shared, **(more or {}), "RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            text=True,
        )
        for rank in range(size)
    ]


def wait(processes: Sequence["subprocess.Popen[str]"], seconds: float = 400) -> list[str]:
    """What each has said, when all have ended; they must."""
    try:
        return [process.communicate(timeout=seconds)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()


def learned(folder: Path, case: str) -> tuple[list[list[float]], dict[str, Tensor]]:
    """What several processes left of a case."""
    place = folder / case
    told = json.loads((place / "told.json").read_text(encoding="utf-8"))
    weights = open_weights(place / "model.safetensors")
    return told, {name: weights.tensor(name) for name in weights}


def _main(folder: Path) -> None:
    for case in CASES:
        with joined() as world:
            told, weights = learn(case, world)
            if world.is_first:
                place = folder / case
                place.mkdir()
                (place / "told.json").write_text(json.dumps(told), encoding="utf-8")
                write_weights(place, {n: w.contiguous() for n, w in weights.items()})


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
