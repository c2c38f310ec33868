"""LoRA on SmolLM2-135M beside transformers + peft: speed, memory, equal losses; QLoRA beside LoRA.

Texts of unequal length (log-normal, 16 to 512 tokens) of which the second half is learned, as the
answers of conversations are; batches of 16, rank 8 on query and value, which is peft's default.
Both sides begin with the same adapter, in peft's folder, and take their steps in turn on the same
batches; each is a process of its own, whose most memory counts. ``bits``: the same beside bases
held in 8 and in 4 bits (QLoRA), whose losses may differ by what rounding costs. Beside 4 bits
activations are computed again, as ``mason train`` does there; kept ones have rows of their own.
"""

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.report import Goal, Row, collect, publish

MODEL = "SmolLM2-135M-Instruct"
RANK, RATE = 8, 1e-3
TARGETS = ("query", "value")
QLORA = Goal("≤", 0.6, "ratio")
"""Of the memory that the base in bf16 takes."""


@dataclass(frozen=True)
class Job:
    """What a side learns.

    Attributes:
        folder: The model, as transformers wrote it.
        adapter: The adapter both begin with; None: a new one.
        batches: Texts of each step, as tokens.
        side: "peft fp32", "peft bf16", "ours", "ours fp32", "ours 8 bits" or "ours 4 bits".
        recompute: Whether activations are computed again in the backward pass.
    """

    folder: Path
    adapter: Path | None
    batches: list[list[list[int]]]
    side: str = "ours"
    recompute: bool = False


@dataclass(frozen=True)
class Took:
    """A step: its seconds and its loss."""

    seconds: float
    loss: float


def texts(num_batches: int, batch_size: int, longest: int, vocabulary: int) -> list[Any]:
    """Batches of random tokens of log-normal length."""
    rng = np.random.default_rng(0)
    mean = math.log(longest / 4)
    return [
        [
            rng.integers(1000, vocabulary, n).tolist()
            for n in np.clip(rng.lognormal(mean, 0.8, batch_size), 16, longest).astype(int)
        ]
        for _ in range(num_batches)
    ]


def learned(ids: Sequence[int]) -> list[int]:
    """For each token 1 where it is a target: the second half."""
    begin = len(ids) // 2
    return [0] * begin + [1] * (len(ids) - begin)


def ours(job: Job) -> Iterator[float]:
    """Mason's step; the loss of each."""
    from mason.layers import AdapterSpec
    from mason.models.adapters import (
        HELD_AS,
        attach,
        chosen_places,
        freeze,
        hold_base,
        narrowed,
        places_of,
    )
    from mason.models.checkpoints import load_model
    from mason.models.peft import load_adapter, read_adapter
    from mason.models.transformer import set_recompute
    from mason.runtime import keep_freed_memory
    from mason.tasks.dialogue import Conversations, Dialogue
    from mason.training.batches import Cursor
    from mason.training.recipe import Recipe
    from mason.training.state import State
    from mason.training.step import take_step

    keep_freed_memory()
    bits: Any = {"ours 8 bits": 8, "ours 4 bits": 4, "ours fp32": 32}.get(job.side, 16)
    found = load_model(job.folder, held=HELD_AS.get(bits))
    hold_base(found.model, bits)
    if job.adapter is None:
        places = chosen_places(places_of(found.model, found.family), TARGETS)
        attach(found.model, AdapterSpec("lora", RANK), places)
    else:
        load_adapter(found.model, found.family, read_adapter(job.adapter))
    freeze(found.model, ())
    set_recompute(found.model, job.recompute)
    rows = [ids for batch in job.batches for ids in batch]
    objective = Dialogue(Conversations(rows, [*map(learned, rows)], [0] * len(rows), []))
    size = len(job.batches[0])
    recipe = Recipe(
        epochs=1,
        batch_size=size,
        learning_rate=RATE,
        weight_decay=0.0,
        warmup_share=0.0,
        schedule="constant",
        tokens_per_pass=1024,
        precision="fp32" if bits == 32 else "bf16",
    )

    class InOrder(Cursor):
        """The batches as they lie."""

        def __init__(self) -> None:
            self.epoch, self.place = 0, 0

        def next(self) -> Any:
            self.place += 1
            return np.arange((self.place - 1) * size, self.place * size)

    with narrowed(found.model, bits):
        state = State.fresh(found.model.train(), objective, recipe, ())
        state.cursor = InOrder()
        while True:
            step = take_step(state, objective, lambda *refused: None)
            state.history.steps.append(step)
            yield step.loss


def peft_side(job: Job) -> Iterator[float]:
    """Peft's LoRA in a plain loop, padded to the longest text of each batch."""
    import peft
    from transformers import AutoModelForCausalLM

    half = job.side.endswith("bf16")
    dtype = torch.bfloat16 if half else torch.float32
    base = AutoModelForCausalLM.from_pretrained(job.folder, dtype=dtype)
    assert job.adapter is not None, "both sides begin with the same adapter"
    model = peft.PeftModel.from_pretrained(base, job.adapter, is_trainable=True).train()
    learning = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learning, RATE, weight_decay=0.0, fused=True)
    for batch in job.batches:
        rows = [torch.tensor(ids) for ids in batch]
        masks = [torch.tensor(learned(ids)).bool() for ids in batch]
        pad = torch.nn.utils.rnn.pad_sequence
        labels = [ids.masked_fill(~mask, -100) for ids, mask in zip(rows, masks, strict=True)]
        out = model(
            input_ids=pad(rows, True),
            attention_mask=pad([torch.ones_like(ids) for ids in rows], True),
            labels=pad(labels, True, -100),
        )
        out.loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        yield float(out.loss.detach())


def _serve(pipe: Connection, job: Job, threads: int) -> None:
    """In its own process: a step for each word that comes, and the most memory at the end."""
    from mason.runtime import peak_memory_bytes

    torch.set_num_threads(threads)
    steps = peft_side(job) if job.side.startswith("peft") else ours(job)
    while pipe.recv():
        start = time.perf_counter()
        loss = next(steps)
        pipe.send(Took(time.perf_counter() - start, loss))
    pipe.send(peak_memory_bytes())


def contest(jobs: Sequence[Job], threads: int) -> tuple[dict[str, list[Took]], dict[str, int]]:
    """Steps of all sides in turn, the order turned round each time; and each one's most memory."""
    context, sides = get_context("spawn"), {}
    for job in jobs:
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, job, threads), daemon=True)
        process.start()
        there.close()  # so that a side that dies is heard of
        sides[job.side + (" recomputing" if job.recompute else "")] = (here, process)
    took: dict[str, list[Took]] = {name: [] for name in sides}
    for number in range(len(jobs[0].batches)):
        order = list(sides) if number % 2 else list(sides)[::-1]
        for name in order:
            sides[name][0].send(True)
            took[name].append(sides[name][0].recv())
    memory = {}
    for name, (pipe, process) in sides.items():
        pipe.send(False)
        memory[name] = pipe.recv()
        process.join()
    return took, memory


def speed_rows(job: Job, threads: int) -> Iterator[Row]:
    """Ours beside peft in bf16 and in fp32; rows as they come, for the second takes the most."""
    counts = [sum(map(len, batch)) for batch in job.batches[1:]]
    for peer, goal in (("peft bf16", 5.0), ("peft fp32", 6.0)):
        # One peer at a time: both would not leave the machine the memory it needs.
        took, memory = contest([replace(job, side=name) for name in ("ours", peer)], threads)
        mine, theirs = took["ours"][1:], took[peer][1:]
        speeds = [sum(counts) / sum(t.seconds for t in side) for side in (mine, theirs)]
        pairs = sorted(b.seconds / a.seconds for a, b in zip(mine, theirs, strict=True))
        times = statistics.median(pairs)
        ends = pairs[0], pairs[-1]
        yield Row(f"tokens/s beside {peer}", speeds[0], speeds[1])
        named = f"times as fast as {peer}, median of pairs"
        yield Row(named, times, None, Goal("≥", goal), ends)
        held = memory["ours"] / 1e9, memory[peer] / 1e9
        yield Row(f"peak memory beside {peer}, GB", *held, Goal("≤", 0.3, "ratio"))
        yield Row(f"largest gap of losses to {peer}", _gap(took["ours"], took[peer]))


def _gap(mine: Sequence[Took], theirs: Sequence[Took]) -> float:
    return max(abs(a.loss - b.loss) for a, b in zip(mine, theirs, strict=True))


def equal_rows(job: Job, threads: int) -> list[Row]:
    """Both in fp32: the same losses, step by step."""
    few = replace(job, batches=[batch[:4] for batch in job.batches[:4]])
    took, _ = contest([replace(few, side=name) for name in ("ours fp32", "peft fp32")], threads)
    gap = _gap(took["ours fp32"], took["peft fp32"])
    return [Row("largest gap of losses in fp32", gap, None, Goal("≤", 1e-3))]


def bits_rows(job: Job, threads: int) -> list[Row]:
    """The base in bf16, in 8 and in 4 bits, each with the same adapter: memory, speed, losses."""
    names = ("ours", "ours 8 bits", "ours 4 bits", "ours 4 bits recomputing")
    few = replace(job, side="ours 4 bits")
    jobs = [replace(job, side=name) for name in names[:2]] + [few, replace(few, recompute=True)]
    took, memory = contest(jobs, threads)
    rows = []
    for name in names[1:]:
        pairs = sorted(
            a.seconds / b.seconds for a, b in zip(took["ours"][1:], took[name][1:], strict=True)
        )
        times, ends = statistics.median(pairs), (pairs[0], pairs[-1])
        last = [took[side][-1].loss for side in (name, "ours")]
        held = [memory[side] / 1e9 for side in (name, "ours")]
        goal = QLORA if name == names[-1] else None
        rows += [
            Row(f"{name}: peak memory beside bf16, GB", *held, goal),
            Row(f"{name}: times as fast as bf16, median of pairs", times, None, None, ends),
            Row(f"{name}: loss of the last batch, beside bf16", last[0], last[1]),
        ]
    return rows


def main(arguments: Sequence[str] | None = None) -> bool:
    """Run all parts and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--longest", type=int, default=512)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="equal,speed,bits")
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args(arguments)
    parts: dict[str, Callable[[Job, int], Iterable[Row]]] = {
        "speed": speed_rows,
        "equal": equal_rows,
        "bits": bits_rows,
    }
    with tempfile.TemporaryDirectory() as place:
        job = _begin(Path(place), given.steps, given.batch, given.longest)
        chosen = given.only.split(",")
        rows = collect({one: partial(parts[one], job, given.threads) for one in chosen})
    return publish("adapters", rows, save=given.save)


def _begin(place: Path, steps: int, batch: int, longest: int) -> Job:
    """The model in transformers' format, and the adapter both sides begin with."""
    from mason.layers import AdapterSpec
    from mason.models.adapters import attach, chosen_places, places_of
    from mason.models.checkpoints import load_model
    from mason.models.peft_writing import write_adapter
    from mason.models.saving import save_model
    from mason.sources import find_model

    found, (base, adapter) = load_model(find_model(MODEL)), (place / "base", place / "adapter")
    base.mkdir()
    adapter.mkdir()
    save_model(found.model, found.family, base)
    torch.manual_seed(1)
    places = chosen_places(places_of(found.model, found.family), TARGETS)
    attach(found.model, AdapterSpec("lora", RANK), places)
    write_adapter(
        found.model, found.family, adapter, name="default", base=str(base), revision=None, beside=()
    )
    vocabulary = found.model.spec.vocab_size
    return Job(base, adapter, texts(1 + steps, batch, longest, vocabulary))


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)
