"""The dial of ``mason pretrain`` beside a grid of nine: three sizes and three learning rates.

On corpora it was not tuned on, each run with the same budget of time and the same tokenizer:
the dial's own choice of size and rate, the next smaller and larger shape, and a third and three
times the rate. Its loss shall be within 5 % of the best.
"""

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.report import Goal, Row, Table, publish
from mason.workflows.objectives import OBJECTIVES

CORPORA = ("catalog:english-bible", "catalog:peoples-daily")
FACTORS = (1 / 3, 1.0, 3.0)


def run(given: dict[str, Any]) -> dict[str, Any]:
    """One run in this process: its loss, shape and rate."""
    import mason

    made = mason.pretrain(
        given["corpus"],
        output=Path(given["work"]) / given["name"],
        objective="masked",
        **given["options"],
    )
    told = made.results
    return {
        "loss": told["pretraining"]["held_loss"],
        "shape": told["pretraining"]["shape"],
        "rate": told["recipe"]["resolved"]["learning_rate"],
        "seconds": told["cost"]["seconds"]["train"],
    }


def fresh(corpus: str, work: Path, name: str, **options: Any) -> dict[str, Any]:
    """The same in a process of its own, unless an earlier call of this program did it.

    A run that broke down has no loss: its rate is not one to train at.
    """
    kept = work / f"{name}.json"
    if kept.exists():
        return dict(json.loads(kept.read_text(encoding="utf-8")))
    job = {"corpus": corpus, "work": str(work), "name": name, "options": options}
    command = [sys.executable, "-m", "benchmarks.dial", "--job", json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "Training has broken down" in done.stderr:
        told = {"shape": options["model.shape"], "rate": options["training.learning_rate"]}
        found: dict[str, Any] = {"loss": math.inf, "seconds": math.nan, **told}
    elif done.returncode:
        raise RuntimeError(done.stderr)
    else:
        found = json.loads(done.stdout.splitlines()[-1])
    kept.write_text(json.dumps(found), encoding="utf-8")
    print(f"{corpus} {name}: {found}", flush=True)
    return found


def grid(corpus: str, work: Path, budget: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The dial's run, and all nine."""
    fixed = {"training.budget": budget, "output.checkpoints": 0, "output.report": False}
    first = fresh(corpus, work, "dial", **fixed)
    fixed["model.tokenizer"] = str(work / "dial")
    shapes = OBJECTIVES["masked"].modern
    place = shapes.index(first["shape"])
    start = min(max(0, place - 1), len(shapes) - 3)
    around = shapes[start : start + 3]
    found = []
    for shape in around:
        for factor in FACTORS:
            if shape == first["shape"] and factor == 1.0:
                found.append(first)
                continue
            options = fixed | {
                "model.shape": shape,
                "training.learning_rate": min(1.0, first["rate"] * factor),
            }
            found.append(fresh(corpus, work, f"{shape}-{factor:.2g}", **options))
    return first, found


def main() -> None:
    """Every corpus, or the one job given as JSON; for this program's own use."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", nargs="+", default=list(CORPORA))
    parser.add_argument("--budget", default="4m")
    parser.add_argument("--work", type=Path, default=Path("runs/dial"))
    parser.add_argument("--job")
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    if chosen.job:
        print(json.dumps(run(json.loads(chosen.job))))
        return
    rows, cells = [], []
    for corpus in chosen.corpora:
        name = corpus.rpartition(":")[2]
        first, found = grid(corpus, chosen.work / Path(name).stem, chosen.budget)
        best = min(one["loss"] for one in found)
        rows.append(Row(f"{name}: the dial's loss", first["loss"], best, Goal("≤", 1.05, "ratio")))
        cells += [
            [
                name,
                one["shape"],
                f"{one['rate']:.2g}",
                f"{one['loss']:.4f}",
                f"{one['seconds']:.0f}",
            ]
            for one in found
        ]
    columns = ("corpus", "shape", "rate", "loss", "s")
    tables = [Table.of("Summary", rows), Table("Grid", columns, cells, labels=2)]
    publish("dial", rows, tables=tables, notes=f"{__doc__}\n", save=chosen.save)


if __name__ == "__main__":
    main()
