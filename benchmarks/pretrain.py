"""Pretraining beside the Trainer of transformers: speed and memory of a step.

Masked: a BERT of 6 x 384 with 30,522 pieces, log-normal lengths from 5 to 128, batches of 32,
dropout 0.1, the Trainer with its own collator. Causal: the shape of SmolLM2-135M, 30 x 576
with 49,152 pieces, four texts of 512 tokens. Random weights and tokens: speed does not depend on
them. The loops take steps in turn (``benchmarks.contest``); a goal is met when the lower end of
the ratio's interval meets it.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.contest import Contestant, Turn, contest, defaults, ratios
from benchmarks.finetune import texts
from benchmarks.report import Goal, Row, publish

CLS, SEP, MASK, PAD = 101, 102, 103, 0


@dataclass(frozen=True)
class Job:
    """What both pretrain.

    Attributes:
        folder: A Hugging Face folder with a language head.
        tokens: Texts, ``batch`` at a time.
        masked: Hidden tokens are guessed; False: the next token is.
        precision: Ours: a setting; the Trainer's: "bf16" or not.
        recompute: Ours: activations are computed again.
    """

    folder: Path
    tokens: Sequence[Sequence[int]]
    batch: int
    masked: bool
    precision: str = "auto"
    recompute: bool = False
    threads: int = 2

    @property
    def num_steps(self) -> int:
        """Batches in the texts."""
        return len(self.tokens) // self.batch


def ours(job: Job, turn: Turn) -> None:
    """Mason's loop."""
    from mason.models.checkpoints import load_model
    from mason.models.transformer import set_recompute
    from mason.runtime import keep_freed_memory
    from mason.training.loop import fit
    from mason.training.recipe import Recipe

    torch.set_num_threads(job.threads)
    keep_freed_memory()
    model = load_model(job.folder, heads=("language",)).model
    set_recompute(model, job.recompute)
    recipe = Recipe(
        epochs=1,
        batch_size=job.batch,
        learning_rate=5e-5,
        precision=job.precision,  # type: ignore[arg-type]
    )
    fit(model, objective(job), recipe, watch=lambda told: turn.done(told.steps[-1].loss))


def objective(job: Job) -> Any:
    """What our loop learns."""
    from mason.tasks.pretraining import CausalLanguage, Marks, MaskedLanguage, Texts

    if not job.masked:
        marks = Marks(49_152)
        return CausalLanguage(Texts(job.tokens, marks), marks)
    marks = Marks(30_522, CLS, SEP, MASK)
    return MaskedLanguage(Texts([t[1:-1] for t in job.tokens], marks), marks)


def trainer(job: Job, turn: Turn) -> None:
    """The Trainer at its defaults, with the collator its documentation gives for the task."""
    from tokenizers import Tokenizer, models
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForMaskedLM,
        DataCollatorForLanguageModeling,
        PreTrainedTokenizerFast,
        Trainer,
        TrainerCallback,
    )

    torch.set_num_threads(job.threads)
    special = {PAD: "[PAD]", 100: "[UNK]", CLS: "[CLS]", SEP: "[SEP]", MASK: "[MASK]"}
    words = {special.get(i, f"w{i}"): i for i in range(30_522 if job.masked else 49_152)}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="[UNK]")),
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
    kind = AutoModelForMaskedLM if job.masked else AutoModelForCausalLM
    model = kind.from_pretrained(job.folder)
    losses: list[float] = []

    class InTurn(TrainerCallback):
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            turn.done(losses[-1])

    class Told(Trainer):
        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            loss = super().compute_loss(*args, **kwargs)
            losses.append(float(loss))
            return loss

    arguments = defaults(job.folder.parent, job.batch, job.precision)
    Told(
        model=model,
        args=arguments,
        train_dataset=[{"input_ids": list(text)} for text in job.tokens],  # type: ignore[arg-type]
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=job.masked),
        callbacks=[InTurn()],
    ).train()


def masked_job(place: Path, steps: int, threads: int) -> Job:
    """A BERT of MiniLM's size."""
    from transformers import BertConfig, BertForMaskedLM

    folder = place / "masked"
    if not folder.exists():
        sizes = {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536}
        BertForMaskedLM(BertConfig(**sizes)).save_pretrained(folder)
    return Job(folder, texts(steps)[0], 32, True, threads=threads)


def causal_job(place: Path, steps: int, threads: int) -> Job:
    """SmolLM2-135M's shape."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = place / "causal"
    if not folder.exists():
        config = LlamaConfig(
            vocab_size=49_152,
            hidden_size=576,
            intermediate_size=1536,
            num_hidden_layers=30,
            num_attention_heads=9,
            num_key_value_heads=3,
            tie_word_embeddings=True,
        )
        LlamaForCausalLM(config).save_pretrained(folder)
    tokens = np.random.default_rng(0).integers(200, 49_152, (4 * steps, 512)).tolist()
    return Job(folder, tokens, 4, False, threads=threads)


def equal(job: Job) -> float:
    """Distance of the losses of both on the same holes, in fp32 without dropout."""
    from transformers import AutoModelForMaskedLM

    from mason.models.checkpoints import load_model

    learned, batch = objective(job), list(range(job.batch))
    count = learned.count(batch)
    packed, at, wanted, _ = learned.read(batch)
    mine = float(learned.loss(load_model(job.folder, heads=("language",)).model, batch)) / count
    peer = AutoModelForMaskedLM.from_pretrained(job.folder).eval()
    width = max(packed.lengths)
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    labels, flat = torch.full_like(ids, -100), torch.full_like(packed.tokens, -100)
    flat[at] = wanted
    seen = torch.zeros_like(ids)
    start = 0
    for row, length in enumerate(packed.lengths):
        ids[row, :length] = packed.tokens[start : start + length]
        labels[row, :length] = flat[start : start + length]
        seen[row, :length] = 1
        start += length
    with torch.no_grad():
        theirs = float(peer(input_ids=ids, attention_mask=seen, labels=labels).loss)
    return abs(mine - theirs) / theirs


class Bench:
    """What was asked for, and what was found."""

    def __init__(self, rounds: int, threads: int, place: Path) -> None:
        self.rounds, self.threads, self.place = rounds, threads, place
        self.rows: list[Row] = []

    def speed(self, name: str, make: Callable[..., Job], precision: str, goal: float) -> None:
        """Ours against one way to run the Trainer."""
        job = make(self.place, self.rounds + 1, self.threads)
        peer = replace(job, precision=precision)
        found = contest({"ours": (ours, job), "trainer": (trainer, peer)}, self.rounds)
        ratio = ratios(found["trainer"], found["ours"])
        self.rows += [
            Row(f"{name}: times as fast, median", ratio.value),
            Row(f"{name}: times as fast, lower end", ratio.low, None, Goal("≥", goal)),
            Row(f"{name}: times as fast, upper end", ratio.high),
        ]

    def memory(self) -> None:
        """Most memory of a fresh process over three causal steps."""
        job = causal_job(self.place, 3, self.threads)
        peer = _alone(trainer, job)
        for name, loop_job in (("ours", job), ("ours, recomputing", replace(job, recompute=True))):
            goal = Goal("≤", 0.45, "ratio") if loop_job.recompute else None
            mine = _alone(ours, loop_job)
            self.rows.append(Row(f"causal peak memory, {name}: GB", mine / 1e9, peer / 1e9, goal))

    def equal(self) -> None:
        """The same loss."""
        gap = equal(masked_job(self.place, 1, self.threads))
        self.rows.append(Row("masked loss on the same holes, distance", gap, None, Goal("≤", 1e-5)))


def _alone(loop: Callable[[Job, Turn], None], job: Job) -> float:
    one = Contestant(loop, job)
    told = [one.step() for _ in range(job.num_steps)]
    one.stop()
    return told[-1].peak_bytes


PARTS: dict[str, Callable[[Bench], None]] = {
    "equal": Bench.equal,
    "masked": lambda b: b.speed("masked over Trainer", masked_job, "fp32", 6.0),
    "causal": lambda b: b.speed("causal over Trainer", causal_job, "fp32", 4.0),
    "causal-bf16": lambda b: b.speed("causal over Trainer, bf16", causal_job, "bf16", 2.5),
    "memory": Bench.memory,
}


def main() -> None:
    """Run what was asked for; each part by itself takes minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=11, help="pairs; at least 9 to publish")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(chosen.rounds, chosen.threads, Path(place))
        for name in chosen.only:
            PARTS[name](bench)
            print(bench.rows[-1].as_json(), flush=True)
    publish("pretrain", bench.rows, notes=f"{__doc__}\n", save=chosen.save)


if __name__ == "__main__":
    main()
