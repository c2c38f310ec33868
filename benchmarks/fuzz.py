"""Damaged files and texts into every parser of our own: each is read or refused, none surprises.

Good files of each format, most of them written by the libraries that the formats belong to, are
damaged at one to six places: bytes changed, cut out, doubled, put in, or taken from another file,
numbers set to where counts overflow, words of the format strewn about. What comes of it is fine if
the parser gives something or raises ``MasonError`` with one sentence. Anything else is uncaught: a
traceback, a process that ends, more than two seconds, or more memory than a few good files need.

Each parser runs in a process of its own. Input ``i`` is the same in every run:
``--parser NAME --only i`` reads that one alone, and shows the traceback.
"""

import argparse
import json
import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.report import Goal, Row, collect, publish

SLOW = 2.0
"""Seconds of the processor that one input may take."""
_ROOM = 6 << 30
"""Bytes of address space beside what a process has after its good files."""
_NUMBERS = (0, 1, -1, 127, 128, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1)
_WORDS = (
    *(b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\n", b"\r", b"\t", b" ", b'"', b'""', b"'"),
    *(b"{", b"}", b"[", b"]", b":", b",", b"\\", b"\\u0000", b"\\ud800", b"../", b"%", b"{{"),
    *(b"}}", b"{%", b"%}", b"#", b"&a", b"*a", b"!!", b"---", b"null", b"true", b"NaN", b"1e999"),
    *(
        b"-1",
        b"0.5",
        b"99999999999999999999",
        b"[" * 70,
        b'{"a":' * 70,
        "你好".encode(),
        b"\xe2\x80",
    ),
)


def damaged(draw: random.Random, seeds: list[bytes]) -> bytes:
    """One of the seeds, with damage at one to six places."""
    found = bytearray(draw.choice(seeds))
    for _ in range(draw.choice((1, 1, 1, 2, 3, 6))):
        at = draw.randint(0, len(found))
        if draw.random() < 0.5:  # what says how long the rest is stands at the beginning
            at = draw.randint(0, min(len(found), 300))
        end = min(len(found), at + draw.choice((1, 1, 2, 4, 8, 30, 300)))
        match draw.randint(0, 8):
            case 0 if at < len(found):
                found[at] = draw.randint(0, 255)
            case 1 if at < len(found):
                found[at] ^= 1 << draw.randint(0, 7)
            case 2:
                del found[at:end]
            case 3:
                found[at:at] = found[at:end]
            case 4:
                found[at:at] = draw.choice(_WORDS)
            case 5:
                found[at:end] = draw.choice(_WORDS)
            case 6:
                layout, bits = draw.choice((("<i", 32), ("<q", 64), (">i", 32), (">q", 64)))
                number = (draw.choice(_NUMBERS) + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)
                whole = struct.pack(layout, number)
                found[at : at + len(whole)] = whole
            case 7:
                other = draw.choice(seeds)
                start = draw.randint(0, len(other))
                found[at:end] = other[start : start + draw.randint(1, 60)]
            case 8 if draw.random() < 0.3:
                del found[at:]
    return bytes(found)


def run(name: str, count: int, only: int | None = None, *, bounded: bool = True) -> dict[str, Any]:
    """So many damaged inputs into one parser, in this process, whose memory they then bound."""
    from benchmarks.fuzz_parsers import PARSERS
    from mason.errors import MasonError
    from mason.serving.refusals import Refusal

    told: Counter[str] = Counter()
    uncaught: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        file, seeds, read = PARSERS[name](Path(folder))
        for seed in seeds:
            file.write_bytes(seed)
            read(file)  # what was not damaged is read
        if bounded:
            _bound_memory()
        for number in [only] if only is not None else range(count):
            draw = random.Random(f"{name} {number}")
            file.write_bytes(damaged(draw, seeds))
            start = time.process_time()
            try:
                read(file)
                told["read"] += 1
            except (MasonError, Refusal) as error:
                told["refused"] += 1
                if "\n" in str(error):
                    uncaught.append(f"{number}: more than one line: {error}")
            except BaseException as error:
                uncaught.append(f"{number}: {type(error).__name__}: {error}"[:200])
                if only is not None:
                    traceback.print_exc()
            if (seconds := time.process_time() - start) > SLOW:
                uncaught.append(f"{number}: took {seconds:.1f} s")
            if bounded and number % 100 == 0:
                print(number, file=sys.stderr, flush=True)  # where it was, should it end
    return {**told, "uncaught": uncaught}


def _bound_memory() -> None:
    held = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (held + _ROOM, held + _ROOM))


def rows_of(name: str, count: int) -> Iterator[Row]:
    """One parser in a process of its own, which may end before it is done."""
    command = [sys.executable, "-m", "benchmarks.fuzz", "--parser", name, "--inputs", str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.splitlines()[-1:]
        print(f"{name}: ended with {done.returncode} after {last}", file=sys.stderr)
        yield Row(f"{name}: ended", 1, None, Goal("≤", 0))
        return
    found = json.loads(done.stdout.splitlines()[-1])
    for line in found["uncaught"][:10]:
        print(f"{name} {line}", file=sys.stderr)
    yield Row(f"{name}: inputs", count)
    yield Row(f"{name}: refused", found.get("refused", 0))
    yield Row(f"{name}: uncaught", len(found["uncaught"]), None, Goal("≤", 0))


def main() -> int:
    """All parsers, and the sum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="for each parser")
    parser.add_argument("--parser", help="this one alone, in this process")
    parser.add_argument("--only", type=int, help="this input alone")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    if options.parser:
        print(json.dumps(run(options.parser, options.inputs, options.only)))
        return 0
    from benchmarks.fuzz_parsers import PARSERS

    rows = collect({name: partial(rows_of, name, options.inputs) for name in PARSERS})
    total = sum(row.ours for row in rows if row.measure.endswith(": inputs"))
    missed = sum(row.ours for row in rows if row.measure.endswith((": uncaught", ": ended")))
    rows += [
        Row("all: inputs", total, None, Goal("≥", 200_000)),
        Row("all: uncaught", missed, None, Goal("≤", 0)),
    ]
    return 0 if publish("fuzz", rows, save=options.save) else 1


if __name__ == "__main__":
    sys.exit(main())
