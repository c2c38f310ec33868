"""Equal wall-clock, equal corpus, equal tokenizer: whose language model is better?

Mason's modern recipe, the published one, and the Trainer of transformers with its own collator
at its defaults (BERT's shape, chunks of 128 tokens, batches of 8, rate 5e-5), each with all
cores for the same minutes; and the modern recipe in a quarter of them. All are asked the same:
the loss at the same 15 % masked positions of held-out documents (masked), or bits a byte of
them (causal). Time is that of the steps; looking at held-out text is not counted.
"""

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.report import RESULTS, Goal, Row, Table, publish

CORPORA = ("catalog:debian-descriptions", "catalog:english-bible")
SHAPES = {
    "masked": {"modern": "modernbert-mini", "published": "bert-mini"},
    "causal": {"modern": "llama-mini", "published": "gpt2-mini"},
}
TOKENS, VOCABULARY, LOOKS = 128, 8_000, 12
Curve = list[tuple[float, float]]
"""Seconds of training, and the held-out loss then."""


@dataclass(frozen=True)
class Contest:
    """What all runs share.

    Attributes:
        objective: masked or causal.
        corpora: What is read.
        work: A folder; ``tokenizer`` in it is everyone's.
    """

    objective: str
    corpora: tuple[str, ...]
    work: Path


def prepare(shared: Contest) -> None:
    """Learn everyone's tokenizer and cut the corpus, once."""
    if not (shared.work / "tokenizer" / "tokenizer.json").exists():
        options = {
            "training.max_steps": 1,
            "model.shape": SHAPES[shared.objective]["modern"],
            "model.vocab_size": VOCABULARY,
        }
        import mason

        made = mason.pretrain(
            shared.corpora,
            output=shared.work / "first",
            objective=shared.objective,
            **options,
        )
        (shared.work / "tokenizer").mkdir(parents=True, exist_ok=True)
        made.tokenizer.save(shared.work / "tokenizer")


def ours(shared: Contest, recipe: str, minutes: float) -> Curve:
    """Mason's, with a budget of time."""
    import mason

    options: dict[str, Any] = {
        "training.budget": f"{60 * minutes:.0f}s",
        "training.recipe": recipe,
        "model.shape": SHAPES[shared.objective][recipe],
        "model.tokenizer": str(shared.work / "tokenizer"),
        "output.checkpoints": 0,
        "output.report": False,
    }
    output = shared.work / f"{recipe}-{minutes:g}"
    run = mason.pretrain(
        shared.corpora, output=output, objective=shared.objective, notice=print, **options
    )
    training, spent, at = run.results["training"], 0.0, {}
    for step in training["steps"]:
        spent += step["seconds"]
        at[step["step"]] = spent
    curve = [(at[e["step"]], e["valid_loss"]) for e in training["evaluations"]]
    return [*curve, (spent, run.results["pretraining"]["held_loss"])]


def trainer(shared: Contest, minutes: float) -> Curve:
    """The Trainer, its schedule laid out over the same minutes after a probe of its speed."""
    from transformers import (
        AutoConfig,
        AutoModelForCausalLM,
        AutoModelForMaskedLM,
        DataCollatorForLanguageModeling,
        PreTrainedTokenizerFast,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    from mason.evaluation.language import held_scores
    from mason.models.checkpoints import load_model
    from mason.workflows.objectives import OBJECTIVES, marks_of

    masked = shared.objective == "masked"
    tokenizer = PreTrainedTokenizerFast.from_pretrained(shared.work / "tokenizer")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    made = _as_published(shared)
    config = AutoConfig.from_pretrained(made.folder)
    kind = AutoModelForMaskedLM if masked else AutoModelForCausalLM
    marks = marks_of(made.tokenizer)
    held = OBJECTIVES[shared.objective].make(made.store, True, TOKENS, marks, None)
    rows = _chunks(made.store, marks)

    def train(steps: int, *callbacks: TrainerCallback) -> float:
        torch.manual_seed(1)
        arguments = TrainingArguments(
            output_dir=str(shared.work / "trainer"),
            max_steps=steps,
            use_cpu=True,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        )
        learner = Trainer(
            model=kind.from_config(config),
            args=arguments,
            train_dataset=rows,
            data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=masked),
            callbacks=list(callbacks),
        )
        start = time.monotonic()
        learner.train()
        return time.monotonic() - start

    steps = max(LOOKS, round(60 * minutes / (train(30) / 30)))
    curve: Curve = []

    class Look(TrainerCallback):
        """Asks the model as ours is asked, with the clock stopped."""

        def __init__(self) -> None:
            self.spent, self.since = 0.0, time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step % max(1, steps // LOOKS) and state.global_step != steps:
                return
            self.spent += time.monotonic() - self.since
            kwargs["model"].save_pretrained(shared.work / "look")
            asked = load_model(shared.work / "look", heads=("language",)).model.eval()
            curve.append((self.spent, held_scores(asked, held)["valid_loss"]))
            self.since = time.monotonic()

    train(steps, Look())
    return curve


def _as_published(shared: Contest) -> Any:
    """One step of ours, for a folder of the published shape and the corpus as tokens."""
    import mason

    options = {
        "training.max_steps": 1,
        "training.recipe": "published",
        "model.shape": SHAPES[shared.objective]["published"],
        "model.tokenizer": str(shared.work / "tokenizer"),
    }
    folder = shared.work / "shape"
    return mason.pretrain(shared.corpora, output=folder, objective=shared.objective, **options)


def _chunks(store: Any, marks: Any) -> list[dict[str, list[int]]]:
    """The training text on end, in pieces of ``TOKENS``, as the Trainer's examples do it."""
    passages = store.passages(1 << 20, held=False)
    flat = [i for text in (passages[n] for n in range(len(passages))) for i in text.tolist()]
    body = TOKENS - marks.num_around
    pieces = [flat[i : i + body] for i in range(0, len(flat) - body, body)]
    return [{"input_ids": marks.around(piece).tolist()} for piece in pieces]


RUNS: dict[str, Callable[[Contest, float], Curve]] = {
    "modern": lambda shared, minutes: ours(shared, "modern", minutes),
    "published": lambda shared, minutes: ours(shared, "published", minutes),
    "quarter": lambda shared, minutes: ours(shared, "modern", minutes / 4),
    "trainer": trainer,
}


def _fresh(name: str, shared: Contest, minutes: float) -> Curve:
    """One run in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.pretrain_quality", "--run", name]
    command += ["--objective", shared.objective, "--minutes", str(minutes)]
    command += ["--work", str(shared.work), "--corpora", *shared.corpora]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    print(f"{name}: {done.stdout.splitlines()[-1]}", flush=True)
    return [(t, loss) for t, loss in json.loads(done.stdout.splitlines()[-1])]


def picture(curves: dict[str, Curve], path: Path) -> None:
    """All curves in one SVG."""
    width, height, left, low = 720, 400, 60, 350
    times = [t for curve in curves.values() for t, _ in curve]
    losses = [loss for curve in curves.values() for _, loss in curve]
    floor, top, end = min(losses) - 0.1, max(losses) + 0.1, max(times)
    colours = ("#0b6e4f", "#c1666b", "#4281a4", "#7d4f9e")

    def at(t: float, loss: float) -> str:
        x = left + (width - left - 120) * t / end
        y = low - (low - 20) * (loss - floor) / (top - floor)
        return f"{x:.1f},{y:.1f}"

    parts = [f'<rect width="{width}" height="{height}" fill="white"/>']
    for i in range(5):
        loss, t = floor + (top - floor) * i / 4, end * i / 4
        x, y = at(t, floor).split(",")[0], at(0, loss).split(",")[1]
        parts.append(f'<text x="{left - 8}" y="{y}" text-anchor="end">{loss:.2f}</text>')
        parts.append(f'<text x="{x}" y="{low + 20}" text-anchor="middle">{t / 60:.0f} min</text>')
    for (name, curve), colour in zip(curves.items(), colours, strict=False):
        points = " ".join(at(*point) for point in curve)
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        x, y = at(*curve[-1]).split(",")
        parts.append(f'<text x="{float(x) + 6}" y="{y}" fill="{colour}">{name}</text>')
    style = "<style>text{font:12px sans-serif}</style>"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
    path.write_text(head + style + "".join(parts) + "</svg>\n", encoding="utf-8")


def rows_of(objective: str, curves: dict[str, Curve]) -> list[Row]:
    """What is asked for."""
    last = {name: curve[-1][1] for name, curve in curves.items()}
    rows = [Row(f"{objective}: held-out loss, {name}", loss) for name, loss in last.items()]
    better = [
        ("modern below published", last["published"] - last["modern"]),
        ("published below Trainer", last["trainer"] - last["published"]),
        ("modern in a quarter of the time below Trainer", last["trainer"] - last["quarter"]),
    ]
    return rows + [Row(f"{objective}: {name}", gap, None, Goal("≥", 0.0)) for name, gap in better]


def main() -> None:
    """Run all, or the one named; for this program's own use."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objective", choices=tuple(SHAPES), default="masked")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--corpora", nargs="+", default=list(CORPORA))
    parser.add_argument("--work", type=Path, default=Path("runs/pretrain-quality"))
    parser.add_argument("--run", choices=tuple(RUNS))
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    work = chosen.work if chosen.run else chosen.work / chosen.objective
    shared = Contest(chosen.objective, tuple(chosen.corpora), work)
    if chosen.run:
        print(json.dumps(RUNS[chosen.run](shared, chosen.minutes)))
        return
    prepare(shared)
    curves = {name: _fresh(name, shared, chosen.minutes) for name in RUNS}
    rows = rows_of(chosen.objective, curves)
    table = [
        [name, f"{t / 60:.1f}", f"{loss:.4f}", f"{math.exp(loss):.1f}"]
        for name, curve in curves.items()
        for t, loss in curve
    ]
    tables = [
        Table.of("Summary", rows),
        Table("Curves", ("run", "minutes", "loss", "perplexity"), table),
    ]
    name = f"pretrain_quality_{chosen.objective}"
    if chosen.save:
        picture(curves, RESULTS / f"{name}.svg")
    notes = f"{__doc__}\nMinutes: {chosen.minutes:g}.\n"
    publish(name, rows, tables=tables, notes=notes, save=chosen.save)


if __name__ == "__main__":
    main()
