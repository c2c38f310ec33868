"""SmolLM2-135M behind HTTP: many requests at once, one by one, and beside other servers.

Chats of 30 to 100 tokens ask for 16 to 56 new ones, at temperature 0, from processes of their own.
A number of tokens a second is what the servers' ``usage`` says, over the seconds of the wall until
the last answer: leave the machine alone meanwhile. One by one is the same server with one client;
every so many requests of the whole are asked so. The peer (extra ``peers``) reads the folder that
we write, in the same precision; both servers are up and take rounds of the same requests in turn.
In fp32 answers together are the answers alone, and the peer's, but for near ties.
``--llama PROGRAM``: llama.cpp's own server is the peer, on a GGUF file that we write and that ours
reads too.

``--hostile``: requests that schemathesis makes of our ``/openapi.json``, right ones and wrong ones,
fields of our own choice and plain noise, while so many sockets send a byte a second and are cut
and come again. No answer may be 5xx, the server may not die, its health must be told, and memory
must not grow.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mason
from benchmarks.report import Goal, Row, collect, publish
from benchmarks.server_process import Process, free_port, start

MODEL = "SmolLM2-135M-Instruct"
SUBJECTS = (
    "the sea",
    "a lighthouse",
    "bread",
    "an old clock",
    "trains",
    "winter",
    "a small garden",
)
ASKED = (
    "Write a sentence about",
    "Explain to a child",
    "What would a poet say of",
    "List facts on",
)
ROUNDS = 3
LLAMA = {"bf16": "f16", "int8": "q8_0"}
LONGEST = 512
"""Tokens that a chat may have in llama.cpp's server."""
FILLER = " Keep in mind that whoever reads this has little time and knows nothing of the matter."


@dataclass(frozen=True)
class Said:
    """An answer, or that there was none."""

    text: str
    tokens: int
    seconds: float
    status: int


def requests(count: int) -> list[dict[str, Any]]:
    """Chats of many lengths."""
    pairs = islice(cycle((a, s) for s in SUBJECTS for a in ASKED), count)
    return [
        {
            "messages": [{"role": "user", "content": f"{a} {s}, {i}." + FILLER * (i * 5 % 4)}],
            "max_tokens": 16 + 8 * (i * 5 % 6),
            "temperature": 0,
        }
        for i, (a, s) in enumerate(pairs)
    ]


def ask(port: int, model: str, body: dict[str, Any]) -> Said:
    """One chat; an answer that cannot be read has status 0."""
    begun, text = time.monotonic(), json.dumps({"model": model, **body})
    connection = HTTPConnection("127.0.0.1", port, timeout=900)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", text, headers)
        reply = connection.getresponse()
        told = json.loads(reply.read())
        if reply.status != 200:
            print(f"{reply.status}: {told}", file=sys.stderr)
            return Said("", 0, time.monotonic() - begun, reply.status)
        content = told["choices"][0]["message"]["content"]
        tokens = told["usage"]["completion_tokens"]
        return Said(content, tokens, time.monotonic() - begun, 200)
    except (OSError, HTTPException, ValueError, KeyError) as error:
        print(f"no answer: {error!r}", file=sys.stderr)
        return Said("", 0, time.monotonic() - begun, 0)
    finally:
        connection.close()


def load(
    port: int, model: str, bodies: Sequence[dict[str, Any]], clients: int
) -> tuple[list[Said], float]:
    """Answers to all, from so many clients, and tokens a second."""
    begun = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        said = list(pool.map(lambda body: ask(port, model, body), bodies))
    return said, sum(one.tokens for one in said) / (time.monotonic() - begun)


def ours(options: argparse.Namespace) -> list[Row]:
    """The rows of our server."""
    bodies = requests(options.requests)
    every = max(1, options.requests // options.alone)
    with start(MODEL, "--weights", options.weights, "--quiet") as server:
        load(server.port, MODEL, bodies[:2], 2)  # what happens once is not counted
        memory = server.memory()
        said, together = load(server.port, MODEL, bodies, options.concurrent)
        grown = (server.memory() - memory) / 2**20
        alone, one_by_one = load(server.port, MODEL, bodies[::every], 1)
    errors = sum(one.status != 200 for one in (*said, *alone))
    same = [a.text == b.text for a, b in zip(said[::every], alone, strict=True)]
    seconds = sorted(one.seconds for one in said)
    name = f"{options.concurrent} at once, {options.weights}"
    return [
        Row("requests", len(said)),
        Row("errors", errors, goal=Goal("≤", 0)),
        Row(f"{name}, beside one by one: tokens/s", together, one_by_one, Goal("≥", 3, "ratio")),
        Row(f"{name}: seconds of an answer, median", statistics.median(seconds)),
        Row(f"{name}: seconds of an answer, p99", seconds[int(0.99 * (len(seconds) - 1))]),
        Row("share of answers equal to those alone", statistics.mean(same)),
        Row("memory grown under load, MiB", grown),
    ]


@dataclass(frozen=True)
class Sides:
    """Two servers on the same weights, and what each calls the model."""

    own: Process
    own_model: str
    peer: Process
    peer_model: str


Opened = Callable[[argparse.Namespace], AbstractContextManager[Sides]]


@contextmanager
def beside_transformers(options: argparse.Namespace) -> Iterator[Sides]:
    """Ours, and ``transformers serve``."""
    from mason.models.checkpoints import load_model
    from mason.models.saving import save_model
    from mason.sources import find_model
    from mason.text.loading import load_tokenizer

    path, port = find_model(MODEL), free_port()
    with TemporaryDirectory() as folder:
        checkpoint = load_model(path)
        save_model(checkpoint.model, checkpoint.family, Path(folder))
        load_tokenizer(path).save(Path(folder))
        dtype = "float32" if options.weights == "fp32" else "bfloat16"
        command = [Path(sys.executable).with_name("transformers"), "serve", folder]
        command += ["--device", "cpu", "--dtype", dtype, "--port", str(port)]
        # Unless it is told, its cache takes more than half of the memory, which both share.
        command += ["--continuous-batching", "--cb-max-memory-percent", "0.2"]
        with (
            start(MODEL, "--weights", options.weights, "--quiet") as own,
            Process(command, port, HF_HUB_OFFLINE="1") as server,
        ):
            yield Sides(own, MODEL, server, folder)


@contextmanager
def beside_llama(options: argparse.Namespace) -> Iterator[Sides]:
    """Ours, and llama.cpp's on one GGUF file."""
    with TemporaryDirectory() as folder:
        made = mason.load(MODEL, task="generation").export(
            Path(folder) / "model.gguf", precision=LLAMA[options.weights]
        )
        file, port = made.path, free_port()
        threads = os.environ.get("OMP_NUM_THREADS", "1")
        command: list[str | Path] = [
            options.llama,
            "-m",
            file,
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        command += ["--alias", "model", "-np", str(options.concurrent)]
        command += ["-c", str(LONGEST * options.concurrent)]
        command += ["-t", threads, "-tb", threads]
        with (
            start(str(file), "--weights", options.weights, "--quiet") as own,
            Process(command, port) as server,
        ):
            yield Sides(own, file.stem, server, "model")


def beside(options: argparse.Namespace, name: str, sides_of: Opened) -> list[Row]:
    """Our rate beside the peer's: rounds of the same requests, each side first in turn."""
    bodies, size = requests(options.peer), max(1, -(-options.peer // ROUNDS))
    rates: dict[str, list[float]] = {"ours": [], "theirs": []}
    said: dict[str, list[Said]] = {"ours": [], "theirs": []}
    with sides_of(options) as both_up:
        own, other = both_up.own, both_up.peer
        if not other.wait("/health", 180):
            raise RuntimeError("".join(other.log[-20:]))
        sides = {
            "ours": (own.port, both_up.own_model),
            "theirs": (other.port, both_up.peer_model),
        }
        for side in sides.values():
            load(*side, bodies[:1], 1)
        for number, first in enumerate(range(0, len(bodies), size)):
            for key in list(sides)[:: -1 if number % 2 else 1]:
                run = bodies[first : first + size]
                answers, rate = load(*sides[key], run, options.concurrent)
                said[key] += answers
                rates[key].append(rate)
    # Answers that fail take time and give nothing: such a rate is none.
    assert all(one.status == 200 for one in said["theirs"]), "the peer failed to answer"
    times = sorted(a / b for a, b in zip(rates["ours"], rates["theirs"], strict=True) if b)
    failed = [sum(one.status != 200 for one in some) for some in said.values()]
    both = [(a.text, b.text) for a, b in zip(*said.values(), strict=True) if b.status == 200]
    measure = f"{options.concurrent} at once, {options.weights}, beside {name}"
    middle = [statistics.median(some) for some in rates.values()]
    rows = [
        Row(f"{measure}: tokens/s, median round", middle[0], middle[1]),
        Row(f"{measure}: errors", failed[0], failed[1], Goal("≤", 0)),
    ]
    if times:
        ends = times[0], times[-1]
        goal = Goal("≥", 0.8) if options.llama else None
        rows.append(Row(f"{measure}: times as fast", statistics.median(times), None, goal, ends))
    if both:
        same = statistics.mean(a == b for a, b in both)
        rows.append(Row(f"{measure}: share of equal answers", same))
    return rows


def main() -> int:
    """Run, print, perhaps save; exit with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--save", action="store_true", help="write docs/results/serving-DATE.md")
    parser.add_argument("--requests", type=int, default=1000, help="chats of the load")
    parser.add_argument("--concurrent", type=int, default=32, help="clients at once")
    parser.add_argument("--alone", type=int, default=40, help="of them also asked one by one")
    parser.add_argument("--peer", type=int, default=100, help="asked of the peer; 0: leave it out")
    parser.add_argument("--llama", type=Path, help="llama-server: is the peer, and alone")
    parser.add_argument("--weights", default="fp32", choices=["fp32", "bf16", "int8"])
    parser.add_argument("--hostile", type=int, default=0, help="hostile requests instead")
    parser.add_argument("--sockets", type=int, default=200, help="slow ones beside them")
    options = parser.parse_args()
    if options.llama and options.weights not in LLAMA:
        parser.error(f"--llama goes with --weights {' or '.join(LLAMA)}")
    notes = (__doc__ or "").partition("\n\n")[2]
    if options.hostile:
        from benchmarks.serving_hostile import measured

        rows = measured(options.hostile, options.sockets)
        name = "serving_hostile"
    else:
        parts = {"ours": partial(ours, options)}
        if options.peer and options.llama:
            parts = {"llama.cpp": partial(beside, options, "llama.cpp", beside_llama)}
        elif options.peer:
            peer = "transformers serve"
            parts[peer] = partial(beside, options, peer, beside_transformers)
        rows, name = collect(parts), "serving"
    return 0 if publish(name, rows, notes=notes, save=options.save) else 1


if __name__ == "__main__":
    sys.exit(main())
