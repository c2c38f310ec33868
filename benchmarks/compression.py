"""Smaller and faster: the ladder of MiniLM on TREC, its drop by cross-validation, peers in int8.

Three parts, each left out by its flag set to 0: ``--search`` (minutes of ``mason compress``, and
``--draws`` random searches of as many learned shapes), ``--folds`` (the combination that was
found, made anew on each fold; rows of all test parts pooled), ``--texts`` (the uncompressed model
in 8 bits beside ONNX Runtime and OpenVINO, texts alone and in batches sorted by length, runs
interleaved; OpenVINO comes with the extra ``peers``).
"""

import argparse
import csv
import random
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch

import mason
from benchmarks.compression_peers import MODELS, contest
from benchmarks.compression_random import beside_random
from benchmarks.report import Goal, Row, Table, collect, publish
from mason.compression import Budget, Rungs, Tried, judge_drop, search
from mason.compression.search import smallest_hopeful
from mason.compression.verdict import CONFIDENCE, Verdict
from mason.settings import load_settings
from mason.workflows.classifier import Classifier
from mason.workflows.preparing import Prepared, data_settings, prepare, read_tables
from mason.workflows.shrinking import Shrinker, front_of
from mason.workflows.tasks import find_task

BASE, DATA, SEED = "all-MiniLM-L6-v2", "catalog:trec", 1


def main() -> int:
    """Run the parts and publish; 1 where a goal is missed."""
    options = _options()
    torch.set_num_threads(options.threads)
    tables: list[Table] = []
    layers, neurons, heads, tokens, bits = options.rungs
    found = [Rungs(int(layers), int(neurons), tokens, int(bits), heads=int(heads))]
    parts: dict[str, Callable[[], Iterable[Row]]] = {}
    with tempfile.TemporaryDirectory() as work:
        if options.search:
            parts["ladder"] = partial(_ladder, Path(work), options, tables, found)
        if options.folds:
            parts["folds"] = partial(_cross_validated, Path(work), found, options)
        if options.texts:
            for name in options.models.split(","):
                parts[name] = partial(contest, name, options.texts, options.threads)
        rows = collect(parts)
    tables.append(Table.of("goals", rows))
    return 0 if publish("compression", rows, tables=tables, save=options.save) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--search", type=float, default=20, help="minutes of the search; 0: none")
    parser.add_argument("--draws", type=int, default=1000, help="random searches beside it")
    parser.add_argument("--pool", type=int, default=24, help="shapes that those draw from")
    parser.add_argument("--epochs", type=float, default=3, help="of each recovery")
    parser.add_argument("--folds", type=int, default=10, help="of the cross-validation; 0: none")
    parser.add_argument("--only-folds", type=int, default=None, help="how many of them to run")
    parser.add_argument(
        "--rungs",
        type=lambda text: [float(part) for part in text.split(",")],
        default=[6, 1536, 12, 0.5, 4],
        help="layers,neurons,heads,tokens,bits where no search is made",
    )
    parser.add_argument("--texts", type=int, default=500, help="read beside the peers; 0: none")
    parser.add_argument("--models", default=",".join(MODELS), help="that the peers read too")
    parser.add_argument("--max-steps", type=int, default=None, help="of training, for a trial")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", action="store_true")
    return parser.parse_args()


def _trained(data: str, place: Path, max_steps: int | None) -> Classifier:
    more = {} if max_steps is None else {"training.max_steps": max_steps}
    run = mason.train(BASE, data, output=place, **{"training.seed": SEED, **more})
    assert isinstance(run.model, Classifier), "trained to classify"
    return run.model


def _shrinker(model: Classifier, data: str, place: Path, options: argparse.Namespace) -> Shrinker:
    task = find_task(model.task)
    prepared: Prepared = task.restrict(model, prepare(data_settings(data, {}), task, seed=SEED))
    known = {} if options.max_steps is None else {"training.max_steps": options.max_steps}
    settings = load_settings(overrides={"training.seed": SEED, **known}).settings
    budget = Budget(0.01, proven=False)
    place.mkdir(parents=True)
    return Shrinker(model, prepared, budget, options.epochs, settings, place, print)


def _ladder(
    place: Path, options: argparse.Namespace, tables: list[Table], found: list[Rungs]
) -> Iterator[Row]:
    """The search, and random ones of as many learned shapes; its choice is appended."""
    model = _trained(DATA, place / "whole", options.max_steps)
    ours = _shrinker(model, DATA, place / "ladder", options)
    tried = search(ours.whole, ours.attempt, seconds=60 * options.search)
    learned = len(ours.trained) - 1
    best = front_of(tried)
    found.append(best[0].rungs if best else smallest_hopeful(tried).rungs)
    table = Table(
        f"ladder of {BASE} on TREC, {learned} shapes learned",
        ("steps", "MB", "memory MB", "p50 ms", "p99 ms", "texts/s", "right", "difference", "p"),
        [_cells(one, ours.whole) for one in tried],
    )
    tables.append(table)
    before = ours.original.footprint
    yield Row("shapes within the budget", len(best), None, Goal("≥", 1))
    if not best:
        return
    size = best[0].num_bytes / 1e6
    yield Row("MB on disk, chosen on the validation rows", size, before.num_bytes / 1e6)
    times = before.p50 / best[0].latency
    yield Row("times faster on a text alone", times, None, Goal("≥", 4))
    theirs = _shrinker(model, DATA, place / "random", options)
    yield from beside_random(tried, theirs, learned, options.draws, options.pool)


def _cells(tried: Tried, whole: Rungs) -> list[str]:
    needs, drop = tried.made.footprint, tried.verdict.difference
    return [
        tried.rungs.words(whole),
        f"{needs.num_bytes / 1e6:.1f}",
        f"{needs.peak_memory_bytes / 1e6:.0f}",
        f"{needs.p50:.2f}",
        f"{needs.p99:.2f}",
        f"{needs.texts_per_second:.0f}",
        f"{tried.score:.1%}",
        f"{100 * drop.value:+.1f} ({100 * drop.low:+.1f} to {100 * drop.high:+.1f})",
        f"{tried.verdict.p_value:.2g}",
    ]


def _cross_validated(place: Path, found: Sequence[Rungs], options: argparse.Namespace) -> list[Row]:
    """Original and smaller model made anew on each fold; the rows of all test parts together."""
    rungs = found[-1]
    before, after, sizes, times = [], [], [], []
    folds = list(_folds(place / "folds", options.folds))[: options.only_folds]
    for number, folder in enumerate(folds):
        model = _trained(str(folder), place / f"fold-{number}", options.max_steps)
        shrinker = _shrinker(model, str(folder), place / f"small-{number}", options)
        tried = shrinker.attempt(rungs)
        made = shrinker.finished(shrinker.trained[rungs.learned], rungs)
        before.append(shrinker.scores(model, "test"))
        after.append(shrinker.scores(made, "test"))
        sizes.append((shrinker.original.footprint.num_bytes, tried.num_bytes))
        times.append((shrinker.original.footprint.p50, tried.latency))
        verdict = judge_drop(*(np.concatenate(part) for part in (before, after)), Budget(0.01))
        print(f"{number + 1} folds: {_told(verdict)}", flush=True)
    (large, small), (slow, fast) = (np.median(part, axis=0) for part in (sizes, times))
    drop = verdict.difference
    name = f"points lost at most ({CONFIDENCE:.0%} interval), {len(folds)} folds: {rungs}"
    ends = -100 * drop.high, -100 * drop.low
    return [
        Row(name, -100 * drop.low, None, Goal("≤", 1)),
        Row("points lost", -100 * drop.value, None, None, ends),
        Row("MB on disk", small / 1e6, large / 1e6, Goal("≤", 10)),
        Row("times smaller", large / small, None, Goal("≥", 8)),
        Row("times faster on a text alone", slow / fast, None, Goal("≥", 4)),
        Row("p of McNemar's test", verdict.p_value),
    ]


def _told(verdict: Verdict) -> str:
    points = {name: round(100 * value, 2) for name, value in asdict(verdict.difference).items()}
    return f"{points}, p = {verdict.p_value:.3g}"


def _folds(place: Path, count: int) -> Sequence[Path]:
    """A folder with ``train.csv`` and ``test.csv`` for each fold of all rows of TREC."""
    tables, settings = read_tables(data_settings(DATA, {}))
    columns = [settings.text or "text", settings.label or "label"]
    rows = [row for t in tables.values() for row in zip(*map(t.texts, columns), strict=True)]
    random.Random(SEED).shuffle(rows)
    made = []
    for fold in range(count):
        folder = place / str(fold)
        folder.mkdir(parents=True)
        parts = {"test": rows[fold::count]}
        parts["train"] = [row for i, row in enumerate(rows) if i % count != fold]
        for name, part in parts.items():
            with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([("text", "label"), *part])
        made.append(folder)
    return made


if __name__ == "__main__":
    sys.exit(main())
