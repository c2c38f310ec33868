"""Do the tests err as often as they say, and are probabilities honest after one correction?

Two thousand pairs of equal models for each paired test, and as many families of four equal models
for Holm's correction; then the calibration error of a classifier of TREC's questions on test rows,
before and after the temperature that its validation rows gave it.
"""

import argparse
from collections.abc import Callable

import numpy as np

import mason
from benchmarks.report import Goal, Row, publish
from mason.metrics import holm, mcnemar, paired_bootstrap, permutation_test, slices

Pair = tuple[np.ndarray, np.ndarray]
_LEVEL, _EITHER_WAY = 0.05, 0.01


def equal_models(chance: np.random.Generator, rows: int) -> Pair:
    """Two models right on 9 rows in 10, which disagree on a tenth of them, either way."""
    apart = chance.random(rows) < 0.1
    a, either = chance.random(rows) < 0.9, chance.random(rows) < 0.5
    return np.where(apart, either, a), np.where(apart, ~either, a)


def bootstrap_finds(pair: Pair, seed: int) -> bool:
    """Whether the interval of the difference leaves 0 out."""
    told = paired_bootstrap(*pair, seed=seed, num_resamples=1000)
    return not told.low <= 0 <= told.high


TESTS: dict[str, Callable[[Pair, int], bool]] = {
    "McNemar's mid-p": lambda pair, seed: mcnemar(*pair, mid_p=True) < _LEVEL,
    "paired bootstrap": bootstrap_finds,
    "permutations": lambda pair, seed: permutation_test(*pair, seed=seed, num_draws=999) < _LEVEL,
}


def errors(simulations: int, rows: int) -> list[Row]:
    """Share of equal pairs that each test calls different."""
    chance = np.random.default_rng(11)
    found = dict.fromkeys([*TESTS, "exact McNemar", "Holm over three", "slices after Holm"], 0)
    for seed in range(simulations):
        pair = equal_models(chance, rows)
        for name, finds in TESTS.items():
            # Permutations are for scores that are no rights and wrongs.
            given = tuple(chance.normal(size=(2, 50))) if name == "permutations" else pair
            found[name] += finds(given, seed)
        found["exact McNemar"] += mcnemar(*pair) < _LEVEL
        others = [equal_models(chance, rows) for _ in range(3)]
        found["Holm over three"] += min(holm([mcnemar(*p, mid_p=True) for p in others])) < _LEVEL
        kinds = {"label": [str(i % 6) for i in range(rows)]}
        found["slices after Holm"] += any(one.worse for one in slices(pair[0], kinds))
    shares = {name: count / simulations for name, count in found.items()}
    made = []
    for name, share in shares.items():
        made.append(
            Row(f"{name}: finds nothing there", share, goal=Goal("≤", _LEVEL + _EITHER_WAY))
        )
        if name in TESTS:
            low = Goal("≥", _LEVEL - _EITHER_WAY)
            made.append(Row(f"{name}: false alarms, no fewer than it says", share, goal=low))
    return made


def honesty(model: str, steps: int | None) -> list[Row]:
    """Calibration error on TREC's held-out rows."""
    options = {} if steps is None else {"training.max_steps": steps}
    told = mason.train(model, "catalog:trec", **options).results["evaluation"]["calibration"]
    return [
        Row("TREC: calibration error, raw", told["ece"]),
        Row("TREC: calibration error after temperature", told["ece_after"], goal=Goal("≤", 0.03)),
        Row("TREC: error that chance alone gives on these rows", told["chance_ece"]),
        Row("TREC: temperature", told["temperature"]),
    ]


def main() -> None:
    """Both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--steps", type=int, help="of training; else the default recipe")
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    rows = errors(chosen.simulations, chosen.rows) + honesty(chosen.model, chosen.steps)
    publish("comparisons", rows, notes=f"{__doc__}\n", save=chosen.save)


if __name__ == "__main__":
    main()
