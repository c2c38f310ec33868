"""Our loop and the Trainer's, each in a process of its own, taking steps in turn.

A contestant is started once, warms up on the first batch, and then waits: it takes a step
when it is told to, and tells how long the step took, its batch fetched and its weights
updated. So two steps on the same batch stand side by side in time, each with its own
allocator, and whatever else the machine does meets both.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

INGREDIENTS = ("allocator", "groups", "slots", "dropout", "rows", "fused", "used")
"""What ours has over a plain loop of packed batches; see ``_without``."""


class Took(NamedTuple):
    """One step: seconds, loss, and the most memory its process has held so far, in bytes."""

    seconds: float
    loss: float
    peak_bytes: int
    busy: float
    """Seconds of processor time: what is left where other work runs beside."""


@dataclass(frozen=True)
class Job:
    """What a contestant trains: the same for all but its own options.

    Attributes:
        folder: A Hugging Face folder with a classification head.
        tokens: Texts in the order they are trained on, ``batch`` at a time.
        targets: Their classes.
        dropout: Everywhere.
        precision: Ours: a setting; the Trainer's: "bf16" or not.
        ingredients: Ours alone: which of ``INGREDIENTS`` are in.
        checkpointing: Activations are computed again in the backward pass.
    """

    folder: Path
    tokens: Sequence[Sequence[int]]
    targets: Sequence[int]
    batch: int = 32
    dropout: float = 0.1
    precision: str = "auto"
    ingredients: frozenset[str] = field(default=frozenset(INGREDIENTS))
    checkpointing: bool = False
    threads: int = 1

    @property
    def num_steps(self) -> int:
        """Batches in the texts."""
        return len(self.tokens) // self.batch

    def num_tokens(self, step: int) -> int:
        """Real tokens of a step, from 0."""
        return sum(len(t) for t in self.tokens[step * self.batch : (step + 1) * self.batch])


class Turn:
    """A contestant's side: tells what the last step took, and waits for its turn."""

    def __init__(self, wire: Connection) -> None:
        self.wire, self.start, self.worked = wire, time.perf_counter(), time.process_time()

    def done(self, loss: float) -> None:
        from mason.runtime import peak_memory_bytes

        seconds, busy = time.perf_counter() - self.start, time.process_time() - self.worked
        self.wire.send(Took(seconds, loss, peak_memory_bytes(), busy))
        self.wire.recv()
        self.start, self.worked = time.perf_counter(), time.process_time()


def ours(job: Job, turn: Turn) -> None:
    """Mason's loop."""
    import torch

    from mason.models.checkpoints import load_model
    from mason.models.transformer import set_dropout, set_recompute
    from mason.runtime import keep_freed_memory
    from mason.tasks.classification import ClassificationObjective, Examples
    from mason.training.batches import epoch_batches
    from mason.training.loop import fit
    from mason.training.recipe import Recipe
    from mason.training.used_rows import training_used_rows

    torch.set_num_threads(job.threads)
    if "allocator" in job.ingredients:
        keep_freed_memory()
    model = load_model(job.folder).model
    set_dropout(model, job.dropout)
    recipe = Recipe(
        epochs=1,
        batch_size=job.batch,
        learning_rate=5e-5,
        weight_decay=0.0,
        warmup_share=0.0,
        precision=job.precision,  # type: ignore[arg-type]
    )
    lengths = [len(t) for t in job.tokens]
    # The loop draws its own order: the texts stand so that it draws the job's.
    places = np.concatenate(epoch_batches(lengths, recipe, epoch=0))
    tokens: list[Any] = [None] * len(lengths)
    targets = [0] * len(lengths)
    for place, text, target in zip(places, job.tokens, job.targets, strict=True):
        tokens[place], targets[place] = text, target
    examples = Examples(tokens, None, targets)
    set_recompute(model, job.checkpointing)
    used = chain(*job.tokens) if "used" in job.ingredients else None
    with _without(set(INGREDIENTS) - job.ingredients), training_used_rows(model, used):
        fit(
            model,
            ClassificationObjective(examples),
            recipe,
            watch=lambda history: turn.done(history.steps[-1].loss),
        )


@contextmanager
def _without(missing: set[str]) -> Iterator[None]:
    """Take ingredients out of our loop, for as long as it runs."""
    import torch

    from mason.layers import attention, dropout, plan, slots
    from mason.models.heads import Head

    if "groups" in missing:  # attention over the whole batch, padded to its longest
        plan._similar = lambda queries, keys: iter([list(range(len(queries)))])
    if "slots" in missing:  # indexing, with the gradient it comes with
        slots.Slots.lay = _indexed  # type: ignore[method-assign]
        slots._PickUp = _Chosen  # type: ignore[misc,assignment]
    if "rows" in missing:  # the last layer whole, though the head reads a row a text
        Head.rows = lambda head, layout: None  # type: ignore[method-assign]
        Head.pool = lambda head, x, layout: x.index_select(0, layout.first)  # type: ignore[method-assign]
    if "dropout" in missing:  # PyTorch's own
        plain: Callable[..., Any] = torch.nn.functional.dropout
        dropout.drop = attention.drop = plain
    if "fused" in missing:
        adamw = torch.optim.AdamW.__init__

        def unfused(self: Any, *args: Any, **kwargs: Any) -> None:
            adamw(self, *args, **kwargs | {"fused": False})

        torch.optim.AdamW.__init__ = unfused  # type: ignore[method-assign]
    yield


def _indexed(slots: Any, rows: Any) -> list[Any]:
    sizes = [b * n for b, n in slots.shapes]
    parts = zip(slots.rows.split(sizes), slots.shapes, strict=True)
    return [rows[part.view(shape)] for part, shape in parts]


class _Chosen:
    @staticmethod
    def apply(laid: Any, own: Any, *others: Any) -> Any:
        return laid.index_select(0, own)


def defaults(folder: Path, batch: int, precision: str, checkpointing: bool = False) -> Any:
    """The Trainer's arguments: its defaults, on the processor, with nothing told or kept."""
    from transformers import TrainingArguments

    return TrainingArguments(
        output_dir=str(folder / "trainer"),
        per_device_train_batch_size=batch,
        num_train_epochs=1,
        use_cpu=True,
        bf16=precision == "bf16",
        gradient_checkpointing=checkpointing,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )


def trainer(job: Job, turn: Turn) -> None:
    """The Trainer of transformers, at its defaults but for what the job names."""
    import torch
    from torch.utils.data import Sampler, SequentialSampler
    from transformers import (
        AutoModelForSequenceClassification,
        Trainer,
        TrainerCallback,
    )

    torch.set_num_threads(job.threads)
    rates = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout")
    model = AutoModelForSequenceClassification.from_pretrained(
        job.folder, **dict.fromkeys(rates, job.dropout)
    )
    losses: list[float] = []

    class InTurn(TrainerCallback):
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            turn.done(losses[-1])

    class InOrder(Trainer):
        def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Sampler[int]:
            return SequentialSampler(self.train_dataset)  # type: ignore[arg-type]

        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            loss = super().compute_loss(*args, **kwargs)
            losses.append(float(loss))
            return loss

    def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
        longest = max(len(row["input_ids"]) for row in rows)
        ids = [row["input_ids"] + [0] * (longest - len(row["input_ids"])) for row in rows]
        seen = [[int(i < len(row["input_ids"])) for i in range(longest)] for row in rows]
        made = {"input_ids": ids, "attention_mask": seen, "labels": [r["labels"] for r in rows]}
        return {name: torch.tensor(values) for name, values in made.items()}

    arguments = defaults(job.folder.parent, job.batch, job.precision, job.checkpointing)
    rows = [
        {"input_ids": list(text), "labels": target}
        for text, target in zip(job.tokens, job.targets, strict=True)
    ]
    InOrder(
        model=model,
        args=arguments,
        train_dataset=rows,  # type: ignore[arg-type]
        data_collator=collate,
        callbacks=[InTurn()],
    ).train()


Loop = Callable[[Any, Turn], None]
"""Takes the steps of its job, and says so after each."""
LOOPS: dict[str, Loop] = {"ours": ours, "trainer": trainer}


def _run(loop: Loop, job: Any, wire: Connection) -> None:
    loop(job, Turn(wire))


class Contestant:
    """A process with a loop in it, between two steps."""

    def __init__(self, loop: str | Loop, job: Any) -> None:
        loop = LOOPS[loop] if isinstance(loop, str) else loop
        context = get_context("spawn")
        self.wire, theirs = context.Pipe()
        self.process = context.Process(target=_run, args=(loop, job, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.steps: list[Took] = []

    def step(self) -> Took:
        """Let it take its next step; the first one runs by itself."""
        if self.steps:
            self.wire.send("go")
        self.steps.append(self.wire.recv())
        return self.steps[-1]

    def stop(self) -> None:
        """End it: it is waiting for its turn. Our loop would outlast a gentler signal."""
        self.process.kill()
        self.process.join()


def contest(jobs: Mapping[str, tuple[str | Loop, Any]], rounds: int) -> dict[str, list[Took]]:
    """Each contestant's steps 1 to ``rounds`` after a first one to warm up, taken in turn.

    Who begins a round changes from round to round.
    """
    with ExitStack() as stack:
        there = {}
        for name, (loop, job) in jobs.items():
            there[name] = Contestant(loop, job)
            stack.callback(there[name].stop)
            there[name].step()  # one after another: start and first step use all the machine
        names = list(there)
        for number in range(rounds):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                there[name].step()
            last = {name: there[name].steps[-1] for name in names}
            told = "  ".join(f"{n} {t.seconds:.2f}s (busy {t.busy:.2f}s)" for n, t in last.items())
            print(f"round {number + 1}: {told}", flush=True)
        return {name: one.steps for name, one in there.items()}


class Middle(NamedTuple):
    """The median of paired ratios and an interval that holds it in 95 % of cases or more."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def middle(values: Sequence[float]) -> Middle:
    """Median and its interval by order statistics: no assumption on the spread.

    The interval from the k-th smallest to the k-th largest misses the median with the
    probability that fewer than k of n fair coins fall on one side, twice.
    """
    ordered, n = sorted(values), len(values)
    k = 1
    while 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n <= 0.05:
        k += 1
    return Middle(float(np.median(ordered)), ordered[k - 1], ordered[-k])


def ratios(slow: Sequence[Took], fast: Sequence[Took], *, busy: bool = False) -> Middle:
    """How many times longer the first took, step by step, without the step to warm up.

    Args:
        slow: One contestant's steps.
        fast: The other's.
        busy: Compare processor time instead of the clock's.
    """
    pairs = zip(slow[1:], fast[1:], strict=True)
    return middle([s.busy / f.busy if busy else s.seconds / f.seconds for s, f in pairs])
