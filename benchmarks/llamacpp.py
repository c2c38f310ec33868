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
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import mason
from benchmarks.generation import TEXT, prose, timed
from benchmarks.report import Goal, Row, collect, publish
from mason.generation import Sampling, generate
from mason.models.packed import Packed
from mason.workflows import Writer

MODEL = "SmolLM2-135M-Instruct"
HELD = {"f16": "bf16", "q8_0": "int8", "q4_1": "int4", "q4_0": "int4"}
NEW, CONTEXT = 128, 512


def peer_of(file: Path, *, every: bool = False) -> Any:
    """llama.cpp on a file; ``every``: logits of all tokens are kept."""
    from llama_cpp import Llama

    threads = torch.get_num_threads()
    options = {"n_ctx": CONTEXT, "n_batch": CONTEXT, "n_threads": threads}
    return Llama(str(file), n_threads_batch=threads, logits_all=every, verbose=False, **options)


def theirs(peer: Any, prompt: list[int]) -> list[int]:
    """What llama.cpp writes, the likeliest token every time."""
    found: list[int] = []
    for token in peer.generate(prompt, temp=0.0, top_k=1, repeat_penalty=1.0, reset=True):
        found.append(int(token))
        if len(found) == NEW:
            break
    return found


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
    whole = peer_of(file, every=True)

    def others(ids: list[int]) -> np.ndarray:
        whole.reset()
        whole.eval(ids)
        return np.array(whole.scores[: len(ids)])

    costs.append(perplexity(some, others))
    del whole
    peer = peer_of(file)
    written = ours(read, prompt), theirs(peer, prompt)
    seconds = timed(
        {"ours": lambda: [ours(read, prompt)], "theirs": lambda: [theirs(peer, prompt)]}, rounds
    )
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
