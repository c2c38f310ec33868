"""SmolLM2-135M writes, beside transformers' ``generate`` with the same weights, on one thread.

Greedy: 128 new tokens after one prompt of 64, and 32 after each of 16 prompts of 9 to 129 at
once, which transformers pads on the left. The peer reads the folder that we write. Seconds are
the processor's, so that other work on the machine does not count: medians of interleaved
rounds, the order turned each time. A step is a token of each sequence after the first. The share
of the memory's bandwidth is the weights' bytes a step, over what a sum over as many bytes takes.
Tokens in fp32 must be equal; in bf16 near ties fall one way or the other.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import transformers

from benchmarks.report import Goal, Row, publish
from mason.generation import Sampling, generate
from mason.models.checkpoints import load_model, save_model
from mason.models.transformer import Transformer
from mason.sources import find_model
from mason.text.loading import load_tokenizer

MODEL = "SmolLM2-135M-Instruct"
TEXT = (
    "Once upon a time, in a village by the sea, there lived an old fisherman who had never "
    "learned to swim. Every morning he rowed out before the sun was up, and every evening he "
    "came home with less than he had hoped for. His wife kept the books, mended the nets and "
    "said nothing. One winter the harbour froze, and the boats lay in the ice like flies in "
    "amber, so that the whole village came down to the quay to look at them and to talk."
)
Tokens = list[list[int]]


@dataclass(frozen=True)
class Load:
    """Prompts to write after, and how much."""

    name: str
    prompts: Tokens
    num_new: int
    goal: float
    """Times as fast as the peer in the same precision."""


def loads(ids: list[int]) -> list[Load]:
    """One prompt; sixteen of different lengths."""
    many = [(ids * 2)[3 * i : 3 * i + 9 + 8 * i] for i in range(16)]
    return [Load("batch 1", [ids[:64]], 128, 2.2), Load("16 unequal prompts", many, 32, 4.0)]


def ours(model: Transformer, load: Load) -> Tokens:
    found = generate(model, load.prompts, Sampling(load.num_new, stop_tokens=()))
    return [answer.tokens for answer in found]


def theirs(model: Any, load: Load) -> Tokens:
    longest = max(map(len, load.prompts))
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in load.prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in load.prompts])
    options = {"max_new_tokens": load.num_new, "do_sample": False, "pad_token_id": 0}
    out = model.generate(ids, attention_mask=mask, **options)
    tokens: Tokens = out[:, longest:].tolist()
    return tokens


def timed(ways: dict[str, Callable[[], Tokens]], rounds: int) -> dict[str, list[float]]:
    """Processor seconds of each way, a round after one that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways)[:: 1 if number % 2 else -1]:
            start = time.process_time()
            ways[name]()
            seconds[name].append(time.process_time() - start)
    return seconds


def bandwidth() -> float:
    """Bytes a second that one thread reads: the best of many sums over 256 MiB."""
    held = torch.ones(2**26)
    best = float("inf")
    for _ in range(10):
        start = time.process_time()
        held.sum()
        best = min(best, time.process_time() - start)
    return held.numel() * held.element_size() / best


def equal(mine: Tokens, other: Tokens) -> float:
    """Share of tokens that are the same."""
    pairs = [(a, b) for x, y in zip(mine, other, strict=True) for a, b in zip(x, y, strict=True)]
    return sum(a == b for a, b in pairs) / len(pairs)


def measured(
    model: Transformer, peer: Any, load: Load, precision: str, rounds: int, limit: float
) -> list[Row]:
    """The rows of one load in one precision."""
    same = equal(ours(model, load), theirs(peer, load))  # the round that does not count
    ways = {"ours": lambda: ours(model, load), "peer": lambda: theirs(peer, load)}
    seconds = timed(ways, rounds)
    mine, other = (statistics.median(seconds[name]) for name in ("ours", "peer"))
    written = len(load.prompts) * load.num_new
    name = f"{load.name}, {precision}"
    exact = Goal("≥", 1.0) if precision == "fp32" else None
    rows = [
        Row(f"{name}: tokens/s", written / mine, written / other, Goal("≥", load.goal, "ratio")),
        Row(f"{name}: share of equal tokens", same, goal=exact),
    ]
    if len(load.prompts) == 1:
        size = sum(p.numel() * p.element_size() for p in model.parameters())
        short = Load(load.name, load.prompts, 1, load.goal)
        first = timed({"ours": lambda: ours(model, short)}, rounds)["ours"]
        step = (mine - statistics.median(first)) / (load.num_new - 1)
        rows.append(Row(f"{name}: ms a step", 1e3 * step))
        rows.append(Row(f"{name}: share of the bandwidth", size / step / limit))
    return rows


def main() -> int:
    """Run, print, perhaps save; exit with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--save", action="store_true", help="write docs/results/generation-DATE.md")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds to time")
    parser.add_argument("--only", default="", help="loads with this in their names: fp32, batch 1")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    path = find_model(MODEL)
    checkpoint, limit = load_model(path), bandwidth()
    (ids,) = load_tokenizer(path).encode_ids([TEXT])
    rows = [Row("bandwidth of one thread, GB/s", limit / 1e9)]
    with TemporaryDirectory() as folder:
        save_model(checkpoint.model, checkpoint.family, Path(folder))
        for precision, dtype in {"fp32": torch.float32, "bf16": torch.bfloat16}.items():
            chosen = [x for x in loads(ids) if options.only in f"{x.name}, {precision}"]
            if not chosen:
                continue
            peer = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=dtype).eval()
            peer.generation_config.eos_token_id = None
            model = checkpoint.model.to(dtype)
            for load in chosen:
                rows += measured(model, peer, load, precision, options.rounds, limit)
                print(*(f"{r.measure} {r.ours:.4g} {r.peer or ''}" for r in rows), file=sys.stderr)
    notes = (__doc__ or "").partition("\n\n")[2]
    return 0 if publish("generation", rows, notes=notes, save=options.save) else 1


if __name__ == "__main__":
    sys.exit(main())
