"""Fine-tuning beside a plain transformers fine-tune and a linear model, fold by fold.

TREC's six classes by cross-validation over all rows, and Debian's sections on their fixed
split. The same model, the same rows; on each fold the methods run one after the other, each in
a fresh process with all cores. Seconds are of the training alone, processor seconds too.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from benchmarks.report import Goal, Row, publish
from mason.catalog import find
from mason.data.splits import Fold, folds
from mason.metrics import compare, fold_difference
from mason.sources import find_model

MODEL = "all-MiniLM-L6-v2"


class Fit(NamedTuple):
    """Predicted class numbers of the test rows, and how long training took."""

    predictions: list[int]
    seconds: float
    busy: float
    """Processor seconds: what is left where other work runs beside."""


class Clock:
    """Seconds since it was made: on the wall, and of the processor."""

    def __init__(self) -> None:
        self.start = time.monotonic(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Both."""
        return time.monotonic() - self.start[0], time.process_time() - self.start[1]


class Job(NamedTuple):
    """Texts and class numbers to train on, texts to label."""

    train: list[str]
    targets: list[int]
    test: list[str]
    labels: tuple[str, ...]
    seed: int = 1
    model: str = MODEL


def ours(job: Job) -> Fit:
    """Mason's default recipe."""
    return _ours(job)


def same(job: Job) -> Fit:
    """Mason's step with the Trainer's recipe: what remains is the engine."""
    from mason.training.recipe import Recipe

    recipe = Recipe(
        epochs=3,
        batch_size=8,
        learning_rate=5e-5,
        weight_decay=0.0,
        warmup_share=0.0,
        seed=job.seed,
    )
    return _ours(job, recipe)


def _ours(job: Job, recipe: Any = None) -> Fit:
    """Mason with a recipe; None: the default one."""
    from dataclasses import replace
    from itertools import chain

    from mason.models.transformer import num_parameters
    from mason.runtime import keep_freed_memory, seed_everything
    from mason.settings import TrainingSettings
    from mason.tasks.classification import ClassificationObjective, predict_logits, probe
    from mason.training.defaults import recipe_for
    from mason.training.loop import fit
    from mason.training.used_rows import training_used_rows
    from mason.workflows import load

    keep_freed_memory()
    seed_everything(job.seed)
    model = load(job.model, labels=job.labels)
    examples = replace(model.encode(job.train), targets=job.targets)
    recipe = recipe or recipe_for(
        TrainingSettings(seed=job.seed),
        num_parameters=num_parameters(model.network),
        num_examples=len(examples),
    )
    clock = Clock()
    if recipe.probe_rows:
        probe(model.network, examples, rows=recipe.probe_rows, seed=recipe.seed)
    objective = ClassificationObjective(examples, label_smoothing=recipe.label_smoothing)
    with training_used_rows(model.network, chain(*examples.tokens)):
        fit(model.network, objective, recipe, fresh=model.fresh)
    seconds = clock.read()
    return Fit(predict_logits(model.network, model.encode(job.test)).argmax(1).tolist(), *seconds)


def trainer(job: Job) -> Fit:
    """The Trainer of transformers at its defaults: 3 epochs, batches of 8, 5e-5, AdamW."""
    import tempfile

    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    folder = find_model(job.model)
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def rows(texts: Sequence[str], targets: Sequence[int]) -> list[dict[str, Any]]:
        ids = tokenizer(list(texts), truncation=True, max_length=256)["input_ids"]
        return [{"input_ids": i, "labels": y} for i, y in zip(ids, targets, strict=True)]

    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        seed=job.seed,
    )
    set_seed(job.seed)  # the new head is drawn before the Trainer sets it
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(job.labels))
    peer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows(job.train, job.targets),  # type: ignore[arg-type]
        data_collator=DataCollatorWithPadding(tokenizer),
    )
    clock = Clock()
    peer.train()
    seconds = clock.read()
    told = peer.predict(rows(job.test, [0] * len(job.test)))  # type: ignore[arg-type]
    return Fit(np.asarray(told.predictions).argmax(1).tolist(), *seconds)


def linear(job: Job) -> Fit:
    """Words and pairs of words, TF-IDF, logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    clock = Clock()
    pipeline = make_pipeline(words, LogisticRegression(C=10.0, max_iter=1000))
    pipeline.fit(job.train, job.targets)
    seconds = clock.read()
    return Fit(pipeline.predict(job.test).tolist(), *seconds)


METHODS: dict[str, Callable[[Job], Fit]] = {
    "ours": ours,
    "trainer": trainer,
    "linear": linear,
    "same": same,
}
COMPARED = ("ours", "trainer", "linear")


class Data(NamedTuple):
    """A data set and the folds it is tested on."""

    texts: list[str]
    targets: np.ndarray
    labels: tuple[str, ...]
    folds: list[Fold]


def trec(num_folds: int) -> Data:
    """All of TREC, in folds with each label's share."""
    frame = pl.read_csv(find("trec").build())
    labels = tuple(sorted(set(frame["label"])))
    targets = np.array([labels.index(label) for label in frame["label"]])
    made = folds(frame["label"].to_list(), num_folds=num_folds, seed=0)
    return Data(frame["text"].to_list(), targets, labels, made)


def sections() -> Data:
    """Debian sections on the split by source package."""
    frame = pl.read_csv(find("debian-sections").build())
    labels = tuple(sorted(set(frame["label"])))
    targets = np.array([labels.index(label) for label in frame["label"]])
    held = (frame["split"] == "test").to_numpy()
    fold = Fold(np.flatnonzero(~held), np.flatnonzero(held))
    return Data(frame["text"].to_list(), targets, labels, [fold])


def fresh(method: Callable[[Job], Fit], job: Job) -> Fit:
    """A fit in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        return alone.submit(method, job).result()


def run(data: Data, methods: Sequence[str], seeds: Sequence[int] = ()) -> dict[str, list[Fit]]:
    """Every method on every fold, each fit in a fresh process.

    Args:
        data: Texts and folds.
        methods: Their names.
        seeds: Of each fold; none: 1 for all.
    """
    found: dict[str, list[Fit]] = {name: [] for name in methods}
    for number, fold in enumerate(data.folds, start=1):
        job = Job(
            [data.texts[i] for i in fold.train],
            data.targets[fold.train].tolist(),
            [data.texts[i] for i in fold.test],
            data.labels,
            seeds[number - 1] if seeds else 1,
        )
        for name in methods:
            found[name].append(fresh(METHODS[name], job))
        for name in methods:
            accuracy, fit = _accuracies(data, found[name])[-1], found[name][-1]
            told = f"{accuracy:.4f} in {fit.seconds:.0f} s, {fit.busy:.0f} of the processor"
            print(f"fold {number} {name}: {told}", flush=True)
    return found


def _accuracies(data: Data, fits: Sequence[Fit]) -> list[float]:
    return [
        float((np.array(fit.predictions) == data.targets[fold.test]).mean())
        for fit, fold in zip(fits, data.folds, strict=False)
    ]


def trec_rows(num_folds: int) -> tuple[list[Row], str]:
    """Accuracy, paired difference and time on TREC."""
    data = trec(num_folds)
    found = run(data, COMPARED)
    accuracy = {name: _accuracies(data, fits) for name, fits in found.items()}
    difference = fold_difference(accuracy["trainer"], accuracy["ours"], test_share=1 / num_folds)
    right = {
        name: np.concatenate(
            [
                np.array(fit.predictions) == data.targets[fold.test]
                for fit, fold in zip(fits, data.folds, strict=True)
            ]
        )
        for name, fits in found.items()
    }
    paired = compare(right["trainer"], right["ours"])
    seconds, busy = (
        {name: float(np.mean([getattr(fit, kind) for fit in fits])) for name, fits in found.items()}
        for kind in ("seconds", "busy")
    )
    mean = {name: float(np.mean(values)) for name, values in accuracy.items()}
    rows = [
        Row("TREC accuracy over Trainer", mean["ours"], mean["trainer"], Goal("≥", 0.95)),
        Row("TREC accuracy over TF-IDF + LR", mean["ours"], mean["linear"]),
        Row("difference to Trainer, lower end", difference.low, None, Goal("≥", 0.0)),
        Row("difference to Trainer, rows paired, lower end", paired.difference.low),
        Row(
            "training seconds a fold",
            seconds["ours"],
            seconds["trainer"],
            Goal("≤", 1 / 3, of="ratio"),
        ),
        Row("processor seconds a fold", busy["ours"], busy["trainer"]),
    ]
    notes = (
        f"{num_folds} folds over all {len(data.texts)} rows. Difference to the Trainer by fold: "
        f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f}). "
        f"{paired.sentence}\n"
    )
    return rows, notes


def seed_rows(num_seeds: int = 3, num_train: int = 1500) -> tuple[list[Row], str]:
    """The Trainer's recipe on both sides: the same validation score, seed by seed.

    TREC's first ``num_train`` rows of an even split train; the other 3,882 tell the score, so
    that a point of difference would be seen.
    """
    data = trec(2)
    rows = np.concatenate([data.folds[0].train, data.folds[0].test])
    split = Fold(rows[:num_train], rows[num_train:])
    data = data._replace(folds=[split] * num_seeds)
    found = run(data, ("same", "trainer"), seeds=range(1, num_seeds + 1))
    right = {
        name: np.array([np.array(f.predictions) == data.targets[split.test] for f in fits])
        for name, fits in found.items()
    }
    # Rows are what the interval is over: each row's mean over the seeds, paired.
    gaps = (right["same"].mean(0) - right["trainer"].mean(0)) * 100
    half = 1.96 * gaps.std(ddof=1) / np.sqrt(len(gaps))
    mine, theirs = (_accuracies(data, found[name]) for name in ("same", "trainer"))
    seconds = {n: float(np.mean([f.seconds for f in fits])) for n, fits in found.items()}
    result = [
        Row("same recipe: mean validation accuracy", float(np.mean(mine)), float(np.mean(theirs))),
        Row("same recipe: points of difference, lower end", float(gaps.mean() - half)),
        Row("same recipe: points of difference, upper end", float(gaps.mean() + half)),
        Row("same recipe: training seconds", seconds["same"], seconds["trainer"]),
    ]
    told = ", ".join(f"{a:.4f} / {b:.4f}" for a, b in zip(mine, theirs, strict=True))
    return result, (
        f"The Trainer's recipe (3 epochs, batches of 8, 5e-5) on both sides, {num_train} rows "
        f"of TREC, {len(split.test)} to tell the score, {num_seeds} seeds (ours / Trainer): "
        f"{told}; difference {gaps.mean():+.2f} points ({gaps.mean() - half:+.2f} to "
        f"{gaps.mean() + half:+.2f}, paired by row).\n"
    )


def section_rows() -> list[Row]:
    """Accuracy on Debian sections beside the linear model on the same split."""
    data = sections()
    found = run(data, ("ours", "linear"))
    mine, theirs = (_accuracies(data, found[name])[0] for name in ("ours", "linear"))
    gain = (mine - theirs) * 100
    return [
        Row("Debian sections accuracy over TF-IDF + LR", mine, theirs),
        Row("Debian sections, points gained", gain, None, Goal("≥", 2.0)),
    ]


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only", choices=("trec", "sections", "seeds"))
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    rows: list[Row] = []
    notes = ""
    if chosen.only in (None, "trec"):
        rows, notes = trec_rows(chosen.folds)
    if chosen.only in (None, "seeds"):
        found, told = seed_rows()
        rows, notes = rows + found, notes + told
    if chosen.only in (None, "sections"):
        rows += section_rows()
    name = f"classification-{chosen.only}" if chosen.only else "classification"
    publish(name, rows, notes=notes, save=chosen.save)


if __name__ == "__main__":
    main()
