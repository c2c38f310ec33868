"""MiniLM goes on learning from a domain's text: what it wins there, and what it loses.

all-MiniLM-L6-v2 comes without a language head, so the head starts from random weights. The text
is Debian's descriptions without those of packages in the test split of ``debian-sections``.
Masked loss is asked on held-out documents before and after, in ten parts, paired; the accuracy
of sections after fine-tuning is asked of the model before and after, over the same rows, paired.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

import mason
from benchmarks.classification import MODEL, Job, fresh, ours, sections
from benchmarks.report import Goal, Row, publish
from mason.catalog import find
from mason.catalog.datasets.debian_sections import held_out
from mason.evaluation.language import held_scores
from mason.metrics import compare
from mason.models.checkpoints import load_model
from mason.sources import find_model
from mason.tasks.pretraining import MaskedLanguage, Texts
from mason.workflows.objectives import marks_of

TOKENS, PARTS = 128, 10


def corpus(work: Path) -> Path:
    """The descriptions that fine-tuning will not be tested on."""
    path = work / "descriptions.csv"
    frame = pl.read_csv(find("debian-descriptions").build())
    kept = [not held_out(source) for source in frame["source"]]
    frame.filter(pl.Series(kept)).write_csv(path)
    return path


def losses(folder: Path, run: Any) -> np.ndarray:
    """Masked loss in each of ``PARTS`` parts of the held-out documents."""
    marks = marks_of(run.tokenizer)
    held = run.store.passages(TOKENS - marks.num_around, held=True)
    model = load_model(folder, heads=("language",)).model.eval()
    parts = np.array_split(np.arange(len(held)), PARTS)
    found = [
        held_scores(model, MaskedLanguage(Texts([held[int(i)] for i in part], marks), marks))
        for part in parts
    ]
    return np.array([scores["valid_loss"] for scores in found])


def section_rows(model: Path, num_train: int) -> list[Row]:
    """Accuracy on the test rows, fine-tuned from the model before and after."""
    data = sections()
    fold = data.folds[0]
    some = np.random.default_rng(0).permutation(fold.train)[:num_train]
    right = []
    for source in (MODEL, str(model)):
        job = Job(
            [data.texts[i] for i in some],
            data.targets[some].tolist(),
            [data.texts[i] for i in fold.test],
            data.labels,
            model=source,
        )
        fit = fresh(ours, job)
        right.append(np.array(fit.predictions) == data.targets[fold.test])
        print(f"sections from {Path(source).name}: {right[-1].mean():.4f}", flush=True)
    told = compare(*right)
    before, after = (float(r.mean()) for r in right)
    return [
        Row("sections: accuracy after, beside before", after, before, Goal("≥", 1.0, "ratio")),
        Row("sections: difference, lower end", told.difference.low),
        Row("sections: difference, upper end", told.difference.high),
    ]


def main() -> None:
    """Go on, then ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", default="10m")
    parser.add_argument("--rows", type=int, default=2000, help="of sections, to train on")
    parser.add_argument("--work", type=Path, default=Path("runs/continued"))
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    output = chosen.work / "model"
    run = mason.pretrain(
        str(corpus(chosen.work)),
        output=output,
        objective="masked",
        notice=print,
        **{"model.source": MODEL, "training.budget": chosen.budget, "data.text": "text"},
    )
    before, after = (losses(folder, run) for folder in (find_model(MODEL), output))
    change = after - before
    half = float(stats.t.ppf(0.975, PARTS - 1) * stats.sem(change))
    told = run.results["pretraining"]
    rows = [
        Row("masked loss held out, after, beside before", float(after.mean()), before.mean()),
        Row("masked loss: change, lower end", float(change.mean()) - half),
        Row("masked loss: change, upper end", float(change.mean()) + half, None, Goal("≤", 0.0)),
        Row("masked loss beside token frequencies", told["held_loss"], told["unigram_loss"]),
        *section_rows(output, chosen.rows),
    ]
    publish("continued", rows, notes=f"{__doc__}\n", save=chosen.save)


if __name__ == "__main__":
    main()
