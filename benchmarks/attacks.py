"""Attacks on fine-tuned classifiers: what each leaves of the right answers, and its price.

    python -m benchmarks.attacks [--rows N] [--steps N] [--save]

A classifier of questions (TREC) and one of sentiment (Amazon snippets) are fine-tuned from
all-MiniLM-L6-v2; every attack runs on rows that were not trained on. For words of like use
TextFooler's own vectors and encoder are replaced by all-MiniLM-L6-v2's table and sentence
vectors. textattack is not run beside it: it needs flair, which pins other versions of what
Mason stands on.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import mason
from benchmarks.defences import MODEL, divided, fitted
from benchmarks.report import Goal, Row, publish

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
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        for name in chosen.data:
            folder = divided(name, Path(place) / name)
            model = fitted(folder, Path(place) / f"{name}-model", chosen.steps)
            rows += _rows(name, model, folder, chosen)
    publish("attacks", rows, notes=f"Fine-tuned from {MODEL}.", save=chosen.save)


def _rows(name: str, model: Path, folder: Path, chosen: argparse.Namespace) -> Iterator[Row]:
    results = mason.attack(
        model, folder, attacks=chosen.attacks, rows=chosen.rows, text="text", label="label"
    )
    for one in results["security"]["attacks"]:
        told = f"{name}, {one['name']}"
        yield Row(f"{told}: right before", one["clean"]["value"])
        yield Row(f"{told}: right under attack", one["under_attack"]["value"])
        yield Row(f"{told}: turned", one["success"]["value"])
        yield Row(f"{told}: turned, lower end", one["success"]["low"])
        yield Row(f"{told}: turned, upper end", one["success"]["high"])
        yield Row(f"{told}: questions a text", one["queries"], None, Goal("≤", 2000))
        if one["changed"] is not None:
            yield Row(f"{told}: words changed", one["changed"])


if __name__ == "__main__":
    main()
