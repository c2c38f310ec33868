"""Attacks on fine-tuned classifiers: what each leaves of the right answers, and its price.

    python -m benchmarks.attacks [--rows N] [--steps N] [--save]

A classifier of questions (TREC) and one of sentiment (Amazon snippets) are fine-tuned from
all-MiniLM-L6-v2; every attack runs on rows that were not trained on. For words of like use
TextFooler's own vectors and encoder are replaced by all-MiniLM-L6-v2's table and sentence
vectors. ``benchmarks.textfooler`` runs textattack's own search beside ours.
"""

import argparse
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import mason
from benchmarks.defences import MODEL, divided, fitted
from benchmarks.report import Goal, Row, collect, publish

DATA = ("trec", "amazon-sentiment")
ATTACKS = "typos,homoglyphs,invisible,disguise,words,hotflip,trigger"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--data", nargs="+", default=DATA)
    parser.add_argument("--attacks", default=ATTACKS)
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        rows = collect({name: partial(_rows, name, Path(place), chosen) for name in chosen.data})
    publish("attacks", rows, notes=f"Fine-tuned from {MODEL}.", save=chosen.save)


def _rows(name: str, place: Path, chosen: argparse.Namespace) -> Iterator[Row]:
    folder = divided(name, place / name)
    model = fitted(folder, place / f"{name}-model", chosen.steps)
    for attack in chosen.attacks.split(","):
        results = mason.attack(
            model, folder, attacks=attack, rows=chosen.rows, text="text", label="label"
        )
        (one,) = results["security"]["attacks"]
        told = f"{name}, {one['name']}"
        yield Row.of(f"{told}: right before", one["clean"])
        yield Row.of(f"{told}: right under attack", one["under_attack"])
        yield Row.of(f"{told}: turned", one["success"])
        yield Row(f"{told}: questions a text", one["queries"], None, Goal("≤", 2000))
        if one["changed"] is not None:
            yield Row(f"{told}: words changed", one["changed"])


if __name__ == "__main__":
    main()
