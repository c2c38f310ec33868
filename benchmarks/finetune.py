"""Fine-tuning beside the Trainer of transformers: speed, memory, equal results, a waterfall.

Mixed-length classification: log-normal lengths, 5 to 128 tokens, about 30 on average;
batches of 32, dropout 0.1 on both sides, identical batches. MiniLM (6 x 384) with its real
weights and a BERT-base (12 x 768) with random ones. The loops take steps in turn
(``benchmarks.contest``); a goal is met when the lower end of the ratio's interval meets it.
"""

import argparse
import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.contest import INGREDIENTS, Contestant, Job, Took, contest, ratios
from benchmarks.report import Goal, Row, Table, publish

MODEL = "all-MiniLM-L6-v2"
BATCH, VOCABULARY = 32, 30522


def texts(num_steps: int) -> tuple[list[list[int]], list[int]]:
    """Random tokens of log-normal length, and random classes."""
    rng = np.random.default_rng(0)
    count = num_steps * BATCH
    lengths = np.clip(np.round(rng.lognormal(math.log(25), 0.6, count)), 5, 128).astype(int)
    tokens = [[101, *rng.integers(1000, VOCABULARY, n - 2).tolist(), 102] for n in lengths]
    return tokens, rng.integers(0, 2, count).tolist()


def by_length(
    tokens: list[list[int]], targets: list[int], num_steps: int
) -> tuple[list[list[int]], list[int]]:
    """Batches of the Trainer's ``group_by_length``, evenly from one of its mega-batches.

    It shuffles, sorts runs of 50 batches by length, longest first; every few of these are
    taken, so that all lengths are there.
    """
    from transformers.trainer_pt_utils import get_length_grouped_indices

    generator = torch.Generator().manual_seed(0)
    lengths = [len(t) for t in tokens]
    order = get_length_grouped_indices(lengths, BATCH, generator=generator)
    batches = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
    taken = [batches[i] for i in np.linspace(0, len(batches) - 1, num_steps).round().astype(int)]
    rows = [i for batch in taken for i in batch]
    return [tokens[i] for i in rows], [targets[i] for i in rows]


def minilm(folder: Path) -> Path:
    """The real MiniLM with a new head of two labels, as both sides load it."""
    from transformers import AutoModelForSequenceClassification

    from mason.sources import find_model

    torch.manual_seed(0)
    source = find_model(MODEL)
    AutoModelForSequenceClassification.from_pretrained(source, num_labels=2).save_pretrained(folder)
    return folder


def bert_base(folder: Path) -> Path:
    """BERT-base with random weights."""
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    BertForSequenceClassification(BertConfig(num_labels=2)).save_pretrained(folder)
    return folder


MODELS = {"MiniLM": minilm, "BERT-base": bert_base}


class Bench:
    """What was asked for, and what was found."""

    def __init__(self, rounds: int, threads: int, place: Path) -> None:
        self.rounds, self.threads, self.place = rounds, threads, place
        self.rows: list[Row] = []
        self.falls: list[list[str]] = []
        """The waterfall's lines."""

    def folder(self, model: str) -> Path:
        """The model on the disk, made once."""
        folder = self.place / model
        return folder if folder.exists() else MODELS[model](folder)

    def job(self, model: str, rounds: int | None = None, *, grouped: bool = False) -> Job:
        """A job of one step to warm up and ``rounds`` more."""
        steps = 1 + (self.rounds if rounds is None else rounds)
        tokens, targets = texts(50 if grouped else steps)
        if grouped:
            tokens, targets = by_length(tokens, targets, steps)
        return Job(self.folder(model), tokens, targets, BATCH, threads=self.threads)

    def speed(self, model: str, peer: str, goal: float, *, precision: str = "auto") -> None:
        """One model against one way to run the Trainer."""
        job = self.job(model, grouped=peer == "length-grouped")
        found = contest(
            {"ours": ("ours", job), peer: ("trainer", replace(job, precision=precision))},
            self.rounds,
        )
        ratio = ratios(found[peer], found["ours"])
        busy = ratios(found[peer], found["ours"], busy=True)
        tokens = sum(job.num_tokens(i) for i in range(1, job.num_steps))
        mine, theirs = (tokens / sum(s.seconds for s in found[n][1:]) for n in ("ours", peer))
        name = f"{model} over Trainer ({peer})"
        self.rows += [
            Row(f"{name}: tokens/s", mine, theirs),
            Row(f"{name}: ratio by pair, median", ratio.value),
            Row(f"{name}: ratio by pair, lower end", ratio.low, None, Goal("≥", goal)),
            Row(f"{name}: ratio by pair, upper end", ratio.high),
            Row(f"{name}: ratio of processor time, median", busy.value),
            Row(f"{name}: ratio of processor time, lower end", busy.low),
        ]

    def equal(self) -> None:
        """The same gradients at step 1 and the same losses after it, in fp32 without dropout."""
        job = replace(self.job("MiniLM", 12), dropout=0.0, precision="fp32")
        self.rows.append(
            Row("MiniLM gradients at step 1, distance", gradients(job), None, Goal("≤", 1e-5))
        )
        found = contest({"ours": ("ours", job), "trainer": ("trainer", job)}, 12)
        gaps = [abs(a.loss - b.loss) for a, b in zip(found["ours"], found["trainer"], strict=True)]
        self.rows.append(
            Row(f"MiniLM losses of {len(gaps)} steps, distance", max(gaps), None, Goal("≤", 1e-5))
        )

    def memory(self) -> None:
        """BERT-base: most memory of a fresh process over three steps, and the recipe's speed."""
        job = self.job("BERT-base", 2)
        spare = replace(job, checkpointing=True)
        alone = {
            "Trainer": alone_in("trainer", job),
            "ours": alone_in("ours", job),
            "ours, memory recipe": alone_in("ours", spare),
        }
        peer = alone["Trainer"]
        for name, goal in (("ours", None), ("ours, memory recipe", Goal("≤", 0.5, "ratio"))):
            self.rows.append(
                Row(f"BERT-base peak memory, {name}: GB", alone[name] / 1e9, peer / 1e9, goal)
            )

    def recipe_speed(self) -> None:
        """BERT-base with the memory recipe against the Trainer's defaults."""
        job = self.job("BERT-base")
        jobs = {"ours": ("ours", replace(job, checkpointing=True)), "trainer": ("trainer", job)}
        found = contest(jobs, self.rounds)
        ratio = ratios(found["trainer"], found["ours"])
        self.rows += [
            Row("BERT-base, memory recipe, over Trainer: median", ratio.value),
            Row(
                "BERT-base, memory recipe, over Trainer: lower end", ratio.low, None, Goal("≥", 4.5)
            ),
        ]

    def packing(self) -> None:
        """A plain loop of packed batches, and ours, over the Trainer."""
        job = self.job("MiniLM")
        plain = replace(job, ingredients=frozenset[str]())
        jobs = {"trainer": ("trainer", job), "plain": ("ours", plain), "ours": ("ours", job)}
        found = contest(jobs, self.rounds)
        for name, told in (("plain", "packed linear layers, nothing else"), ("ours", "all of it")):
            ratio = ratios(found["trainer"], found[name])
            self.rows.append(Row(f"waterfall: {told}, over Trainer", ratio.value))
            self.falls.append([told, str(ratio), ""])

    def ingredient(self, name: str) -> None:
        """One ingredient alone on a plain packed loop, and taken alone from ours."""
        job, everything = self.job("MiniLM"), frozenset(INGREDIENTS)
        kinds = {
            "plain": frozenset[str](),
            "added": frozenset({name}),
            "ours": everything,
            "removed": everything - {name},
        }
        jobs = {kind: ("ours", replace(job, ingredients=these)) for kind, these in kinds.items()}
        found = contest(jobs, self.rounds)
        added = ratios(found["plain"], found["added"])
        removed = ratios(found["removed"], found["ours"])
        self.falls.append([name, str(added), str(removed)])
        self.rows.append(Row(f"waterfall: {name} added alone, times as fast", added.value))
        self.rows.append(Row(f"waterfall: {name} alone removed, times as slow", removed.value))

    def peak(self) -> None:
        """Share of the matrix product's own speed that a whole step reaches."""
        for model, goal in (("BERT-base", 0.80), ("MiniLM", 0.65)):
            share, best = peak_share(self.job(model, 4))
            self.rows += [
                Row(f"{model}: share of the product's peak", share, None, Goal("≥", goal)),
                Row(f"{model}: that peak, GF/s", best),
            ]


def gradients(job: Job) -> float:
    """Largest distance of a tensor's gradient to the reference's, by the reference's largest."""
    from transformers import AutoModelForSequenceClassification

    from mason.models.checkpoints import load_model
    from mason.models.saving import export_tensors
    from mason.tasks.classification import ClassificationObjective, Examples

    tokens, targets = job.tokens[: job.batch], job.targets[: job.batch]
    loaded = load_model(job.folder)
    objective = ClassificationObjective(Examples(tokens, None, targets))
    (objective.loss(loaded.model, range(job.batch)) / job.batch).backward()
    for parameter in loaded.model.parameters():
        assert parameter.grad is not None
        parameter.data = parameter.grad
    mine = export_tensors(loaded.model, loaded.family)
    peer = AutoModelForSequenceClassification.from_pretrained(job.folder).eval()
    width = max(len(t) for t in tokens)
    ids = torch.tensor([list(t) + [0] * (width - len(t)) for t in tokens])
    seen = torch.tensor([[int(i < len(t)) for i in range(width)] for t in tokens])
    peer(input_ids=ids, attention_mask=seen, labels=torch.tensor(targets)).loss.backward()
    found = {name: p.grad for name, p in peer.named_parameters() if p.grad is not None}
    assert set(found) == set(mine), set(found) ^ set(mine)
    largest = max(float(g.abs().max()) for g in found.values())
    return max(float((mine[n] - g).abs().max()) for n, g in found.items()) / largest


def alone_in(loop: str, job: Job) -> float:
    """Peak memory in bytes of a fresh process that takes the job's steps."""
    one = Contestant(loop, job)
    for _ in range(job.num_steps):
        told: Took = one.step()
    one.stop()
    print(f"{loop}: {told.peak_bytes / 1e9:.2f} GB", flush=True)
    return told.peak_bytes


def peak_share(job: Job) -> tuple[float, float]:
    """The products of a step, counted, by its time and by the best product's speed.

    The best: the fastest of 30 products of the model's own feed-forward shape, taken
    between the steps. Products of attention and of pooled rows are counted as they are run.
    """
    from torch.utils.flop_counter import FlopCounterMode

    from mason.models.checkpoints import load_model
    from mason.tasks.classification import ClassificationObjective, Examples

    model = load_model(job.folder).model
    examples = Examples(job.tokens, None, job.targets)
    objective = ClassificationObjective(examples)
    flops = []
    for i in range(1, job.num_steps):
        with FlopCounterMode(display=False) as counter:
            run = range(i * job.batch, (i + 1) * job.batch)
            objective.loss(model, sorted(run, key=lambda j: len(job.tokens[j]))).backward()
        flops.append(counter.get_total_flops())
    one, speeds, shares = Contestant("ours", job), [], []
    one.step()
    for done in flops:
        speeds.append(max(product_speed(model.spec.width, job.threads) for _ in range(30)))
        shares.append(done / one.step().seconds)
    one.stop()
    return float(np.median(shares)) / max(speeds), max(speeds) / 1e9


def product_speed(width: int, threads: int) -> float:
    """Flops a second of one product of 1,000 rows with a feed-forward weight."""
    import time

    from mason.runtime import pick_precision

    torch.set_num_threads(threads)
    dtype = pick_precision("auto", torch.device("cpu"))
    a, b = (torch.ones(size, dtype=dtype) for size in ((1000, width), (width, 4 * width)))
    start = time.perf_counter()
    a @ b
    return 2 * a.numel() * b.shape[1] / (time.perf_counter() - start)


PARTS: dict[str, Callable[[Bench], None]] = {
    "equal": Bench.equal,
    "minilm": lambda b: b.speed("MiniLM", "defaults", 5.0),
    "minilm-bf16": lambda b: b.speed("MiniLM", "bf16=True", 4.0, precision="bf16"),
    "minilm-grouped": lambda b: b.speed("MiniLM", "length-grouped", 3.0),
    "bert": lambda b: b.speed("BERT-base", "defaults", 5.5),
    "bert-bf16": lambda b: b.speed("BERT-base", "bf16=True", 3.6, precision="bf16"),
    "memory": Bench.memory,
    "recipe": Bench.recipe_speed,
    "packing": Bench.packing,
    **{name: partial(Bench.ingredient, name=name) for name in INGREDIENTS},
    "peak": Bench.peak,
}

NOTES = """\
Steps are taken in turn, on the same batches, each loop in a process of its own; an interval
is of the median by order statistics, 95 % or more. Where the processor has no bf16 the
Trainer's `bf16=True` is emulated and slow, and Mason chooses fp32 (`precision: auto`); the
goals were set on a machine that has bf16.
"""


def main() -> None:
    """Run what was asked for; each part by itself takes minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=11, help="pairs; at least 9 to publish")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--note", default="", help="what a reader must know, for the page")
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(chosen.rounds, chosen.threads, Path(place))
        for name in chosen.only:
            done = len(bench.rows)
            PARTS[name](bench)
            for row in bench.rows[done:]:  # a run that is cut off has said this much
                print(json.dumps(row.as_json()), flush=True)
    tables = [Table.of("finetune", bench.rows)]
    if bench.falls:
        columns = ("ingredient", "times as fast, added alone", "times as slow, removed alone")
        tables.append(Table("Waterfall, MiniLM", columns, bench.falls))
    notes = NOTES + (f"\n{chosen.note}\n" if chosen.note else "")
    publish("finetune", bench.rows, tables=tables, notes=notes, save=chosen.save)


if __name__ == "__main__":
    main()
