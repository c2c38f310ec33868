"""The last layer of a language model and its loss, beside plain logits.

The head of SmolLM2-135M (49,152 × 576, no bias) and its cross-entropy, forward and backward,
over 2048 targets. The peer is `F.linear` and `F.cross_entropy`, as transformers has them.
Memory is measured in a fresh process for each: the most it held above what it held before the
step, with the inputs there; the weight's gradient, which both must make, is in it. Seconds are
the processor's, on one thread, so that other work on the machine does not count: medians of
interleaved pairs on the same inputs, the order within a pair turned each time. The ratio is the
median over pairs and its interval is that of the median (order statistics, 95 %).
"""

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.report import Goal, Row, publish
from mason.layers.cross_entropy import linear_cross_entropy

SIZE, WIDTH = 49_152, 576


class Inputs(NamedTuple):
    """Hidden states, the head's weight, and the right tokens."""

    hidden: Tensor
    weight: Tensor
    targets: Tensor


def inputs(rows: int) -> Inputs:
    torch.manual_seed(1)
    return Inputs(
        torch.randn(rows, WIDTH, requires_grad=True),
        (torch.randn(SIZE, WIDTH) * WIDTH**-0.5).requires_grad_(),
        torch.randint(SIZE, (rows,)),
    )


def plain(given: Inputs) -> Tensor:
    logits = F.linear(given.hidden, given.weight)
    return F.cross_entropy(logits, given.targets, reduction="sum")


def ours(given: Inputs) -> Tensor:
    return linear_cross_entropy(given.hidden, given.weight, None, given.targets)


LOSSES: dict[str, Callable[[Inputs], Tensor]] = {"ours": ours, "plain": plain}


def step(name: str, given: Inputs) -> float:
    """Forward and backward of the mean loss; the loss."""
    given.hidden.grad = given.weight.grad = None
    loss = LOSSES[name](given) / len(given.targets)
    loss.backward()
    return float(loss.detach())


def peak(name: str, rows: int) -> float:
    """MB held above what was held before, in this process, which must be a fresh one."""
    small = inputs(4)  # loads what every first step loads
    step(name, small)
    del small
    given = inputs(rows)
    before = _now()
    step(name, given)
    # In KiB; a peak before the step would hide it, and making the inputs is far below.
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def _now() -> int:
    with open("/proc/self/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def peaks(rows: int) -> dict[str, float]:
    found = {}
    for name in LOSSES:
        with ProcessPoolExecutor(1, get_context("spawn"), torch.set_num_threads, (1,)) as process:
            found[name] = process.submit(peak, name, rows).result()
    return found


def distances(given: Inputs) -> dict[str, float]:
    """Largest difference of loss and gradients, relative to the largest value."""
    found = {}
    for name in LOSSES:
        loss = step(name, given)
        found[name] = (torch.tensor(loss), given.hidden.grad, given.weight.grad)
    return {
        kind: float((mine - other).abs().max() / other.abs().max())
        for kind, mine, other in zip(
            ("loss", "gradient of hidden", "gradient of weight"), *found.values(), strict=True
        )
        if mine is not None and other is not None
    }


def timed(given: Inputs, pairs: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in LOSSES}
    for pair in range(pairs):
        for name in list(LOSSES)[:: 1 if pair % 2 else -1]:
            start = time.process_time()
            step(name, given)
            seconds[name].append(time.process_time() - start)
    return seconds


def interval(values: list[float]) -> tuple[float, float]:
    """95 % of the median, by order statistics: no shape of the noise is assumed."""
    ordered, count = sorted(values), len(values)
    rank = max(0, int((count - 1.96 * count**0.5) / 2))
    return ordered[rank], ordered[-1 - rank]


def main() -> int:
    """Run, print, perhaps save; exit with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--save", action="store_true", help="write docs/results/lm_head-DATE.md")
    parser.add_argument("--rows", type=int, default=2048, help="targets")
    parser.add_argument("--pairs", type=int, default=11, help="interleaved pairs to time")
    options = parser.parse_args()
    torch.set_num_threads(1)
    memory = peaks(options.rows)
    given = inputs(options.rows)
    apart = distances(given)
    seconds = timed(given, options.pairs)
    ratios = [b / a for a, b in zip(seconds["ours"], seconds["plain"], strict=True)]
    low, high = interval(ratios)
    rows = [
        Row("peak memory, MB", memory["ours"], memory["plain"], Goal("≤", 0.15, "ratio")),
        Row("processor seconds a step", *(statistics.median(seconds[name]) for name in LOSSES)),
        Row("times as fast, median of pairs", statistics.median(ratios)),
        Row("times as fast, lower end", low, goal=Goal("≥", 1.0)),
        Row("times as fast, upper end", high),
        *(Row(f"distance of {k}", v, goal=Goal("≤", 1e-6)) for k, v in apart.items()),
    ]
    notes = (__doc__ or "").partition("\n\n")[2]
    return 0 if publish("lm_head", rows, notes=notes, save=options.save) else 1


if __name__ == "__main__":
    sys.exit(main())
