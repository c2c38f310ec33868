"""What a saved model needs here, measured in a process of its own: memory, latency, speed."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from mason.errors import RunError
from mason.models.files import num_weight_bytes
from mason.runtime import peak_memory_bytes
from mason.workflows.loading import load
from mason.workflows.tasks import task_of

_ALONE, _WARM, _SECONDS = 200, 10, 5.0
"""Texts read alone at most, some before the clock starts, and for how long."""


@dataclass(frozen=True)
class Footprint:
    """A model on this machine.

    Attributes:
        num_bytes: Of its folder.
        peak_memory_bytes: Of a process that loads it and reads the texts.
        p50: Milliseconds for a text alone, tokens and all: the middle one.
        p99: The slow one in a hundred.
        texts_per_second: Many texts at once.
    """

    num_bytes: int
    peak_memory_bytes: int
    p50: float
    p99: float
    texts_per_second: float


def footprint(folder: Path, given: Sequence[tuple[str, ...]]) -> Footprint:
    """Measure the model of a folder.

    Args:
        folder: Nothing but the model lies in it.
        given: What it is asked, see ``Task.given``.

    Raises:
        RunError: The process could not be run.
    """
    command = [sys.executable, "-m", "mason.workflows.measuring", str(folder)]
    command.append(str(torch.get_num_threads()))
    done = subprocess.run(
        command, input=json.dumps(list(given)), capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        raise RunError("The model could not be measured in a process of its own: {why}", why=last)
    num_bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return Footprint(num_bytes=num_bytes, **json.loads(done.stdout.splitlines()[-1]))


def as_read(needs: Footprint, folder: Path, source: Path) -> Footprint:
    """What a model needs, as large as the files it was read from where these are smaller.

    They may hold bf16 or 4 bits, and were written again in fp32 to be measured.

    Args:
        needs: Of the folder.
        folder: What was written.
        source: The folder or GGUF file that the model was read from.
    """
    # A file without a folder has the tokenizer in it.
    beside = 0 if source.is_file() else needs.num_bytes - num_weight_bytes(folder)
    return replace(needs, num_bytes=min(needs.num_bytes, beside + num_weight_bytes(source)))


def _measure(folder: str, given: list[list[str]]) -> dict[str, float]:
    model = load(folder)
    task = task_of(model)
    times: list[float] = []
    end = time.monotonic() + _SECONDS
    for i in range(_WARM + _ALONE):
        start = time.perf_counter()
        task.ask(model, *given[i % len(given)])
        times.append((time.perf_counter() - start) * 1000)
        if time.monotonic() > end and len(times) > _WARM:
            break
    alone = times[_WARM:]
    start = time.perf_counter()
    task.ask(model, *map(list, zip(*given, strict=True)))
    speed = len(given) / (time.perf_counter() - start)
    p99 = float(np.percentile(alone, 99))
    return {"p50": statistics.median(alone), "p99": p99, "texts_per_second": speed}


def _main() -> None:
    torch.set_num_threads(int(sys.argv[2]))
    found = _measure(sys.argv[1], json.load(sys.stdin))
    print(json.dumps(found | {"peak_memory_bytes": peak_memory_bytes()}))


if __name__ == "__main__":
    _main()
