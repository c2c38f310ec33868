"""One GGUF file of SmolLM2-135M, run by us and by llama.cpp: speed, answers, perplexity.

``python -m benchmarks.llamacpp`` needs ``llama-cpp-python``, whose build takes over seven minutes
and which nothing else here asks for. Mason writes the file; both read it and write greedily: 128
new tokens after a prompt of 64, on one thread each. Seconds are the processor's, so that other
work on the machine does not count: medians of interleaved rounds, the order turned each time. We
hold f16 files in bf16, q8_0 in int8, q4_1 and q4_0 in int4, whose grid is that of the file.
Perplexity is that of Brown's held-out prose by logits of each reader, at the same tokens.
"""

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

import mason
from benchmarks.generation import TEXT, prose
from benchmarks.report import Goal, Row, collect, publish
from mason.generation import Sampling, generate
from mason.models.packed import Packed
from mason.workflows import Writer

MODEL = "SmolLM2-135M-Instruct"
HELD = {"f16": "bf16", "q8_0": "int8", "q4_1": "int4", "q4_0": "int4"}
NEW, CONTEXT = 128, 512


class Peer:
    """llama.cpp on a file, in a process of its own.

    Built for a processor with tiles (AMX), version 0.3.36 dies of an illegal instruction in files
    of 8 and 4 bits here, alone too; what it was asked for is lost then, and said.

    Args:
        file: GGUF.
        threads: Of it.
    """

    def __init__(self, file: Path, threads: int) -> None:
        context = get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(there, str(file), threads), daemon=True
        )
        self._process.start()
        there.close()

    def logits(self, ids: list[int]) -> np.ndarray:
        """Of every token."""
        found: np.ndarray = self._asked("logits", ids)
        return found

    def write(self, prompt: list[int]) -> tuple[list[int], float]:
        """``NEW`` tokens, the likeliest every time, and the processor's seconds."""
        found: tuple[list[int], float] = self._asked("write", prompt)
        return found

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join()

    def _asked(self, what: str, ids: list[int]) -> Any:
        self._pipe.send((what, ids))
        return self._pipe.recv()


def _serve(pipe: Connection, file: str, threads: int) -> None:
    from llama_cpp import Llama

    options = {"n_ctx": CONTEXT, "n_batch": CONTEXT, "n_threads": threads, "verbose": False}
    reader = Llama(file, n_threads_batch=threads, logits_all=True, **options)
    writer = Llama(file, n_threads_batch=threads, **options)
    with suppress(EOFError):
        while True:
            what, ids = pipe.recv()
            if what == "logits":
                reader.reset()
                reader.eval(ids)
                pipe.send(np.array(reader.scores[: len(ids)]))
                continue
            start, found = time.process_time(), list[int]()
            for token in writer.generate(ids, temp=0.0, top_k=1, repeat_penalty=1.0, reset=True):
                found.append(int(token))
                if len(found) == NEW:
                    break
            pipe.send((found, time.process_time() - start))


def ours(model: Writer, prompt: list[int]) -> list[int]:
    """What we write."""
    return generate(model.network, [prompt], Sampling(NEW, stop_tokens=()))[0].tokens


@torch.no_grad()
def perplexity(texts: list[list[int]], logits_of: Callable[[list[int]], np.ndarray]) -> float:
    """Of the tokens after the first of each text."""
    nats, count = 0.0, 0
    for ids in texts:
        logits = torch.from_numpy(logits_of(ids))[:-1].double().log_softmax(-1)
        nats -= float(logits[range(len(ids) - 1), ids[1:]].sum())
        count += len(ids) - 1
    return math.exp(nats / count)


def rows_of(model: Writer, place: Path, precision: str, rounds: int, texts: int) -> Iterator[Row]:
    """A file in one precision."""
    file = model.export(place / f"{precision}.gguf", precision=precision).path
    read = mason.load(file, task="generation")
    assert isinstance(read, Writer)
    prompt = read.tokenizer.encode_ids([TEXT])[0][:64]
    some = [ids[:CONTEXT] for ids in read.tokenizer.encode_ids(prose()[:texts])]

    def mine(ids: list[int]) -> np.ndarray:
        logits: torch.Tensor = read.network.logits("language", Packed.of([ids]))
        return logits.float().numpy()

    read.hold(HELD[precision])  # type: ignore[arg-type]
    costs = [perplexity(some, mine)]
    peer = Peer(file, torch.get_num_threads())
    costs.append(perplexity(some, peer.logits))
    written = ours(read, prompt), peer.write(prompt)[0]
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for number in range(rounds):
        for side in ("ours", "theirs") if number % 2 else ("theirs", "ours"):
            start = time.process_time()
            took = ours(read, prompt) if side == "ours" else peer.write(prompt)[1]
            own = time.process_time() - start
            seconds[side].append(own if side == "ours" else float(took))  # type: ignore[arg-type]
    peer.close()
    pairs = sorted(b / a for a, b in zip(seconds["ours"], seconds["theirs"], strict=True))
    speeds = [NEW / statistics.median(seconds[side]) for side in ("ours", "theirs")]
    same = next((i for i, (a, b) in enumerate(zip(*written, strict=True)) if a != b), NEW)
    name = f"{precision}, held in {HELD[precision]}"
    yield Row(f"{name}: tokens/s", speeds[0], speeds[1], Goal("≥", 0.8, "ratio"))
    times = statistics.median(pairs)
    yield Row(f"{name}: times as fast, median of pairs", times, None, None, (pairs[0], pairs[-1]))
    yield Row(f"{name}: tokens until the answers differ, of {NEW}", same)
    yield Row(f"{name}: perplexity", costs[0], costs[1], Goal("≤", 1.005, "ratio"))


def main() -> None:
    """Every precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--precisions", default=",".join(HELD))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--texts", type=int, default=12, help="of the perplexity")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    model = mason.load(MODEL, task="generation")
    assert isinstance(model, Writer)
    with tempfile.TemporaryDirectory() as place:
        named = given.precisions.split(",")
        parts = {
            one: partial(rows_of, model, Path(place), one, given.rounds, given.texts)
            for one in named
        }
        rows = collect(parts)
    publish("llamacpp", rows, save=given.save)


if __name__ == "__main__":
    main()
