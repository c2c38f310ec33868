"""Runs of the command line as processes that can be killed, and what they leave behind."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contracts.tiny import write_model, write_tables

ROOT = Path(__file__).resolve().parents[2]
EXIT, FAIL, RECORD = 1, 2, 3
"""What the preloaded faults.c does: see there."""


def environment() -> dict[str, str]:
    """Of every process: this source, one thread, no network, English."""
    one = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return {**os.environ, **one, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "MASON_LANG": "en"}


def compile_faults(folder: Path) -> Path | None:
    """The library of faults; None where nothing compiles it or the system is no Linux."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        return None
    library = folder / "faults.so"
    source = Path(__file__).with_name("faults.c")
    words = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    return library if subprocess.run(words, check=False).returncode == 0 else None


class Server:
    """Forks commands from a process that has imported Mason."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults = compile_faults(folder)
        preload = {"LD_PRELOAD": str(self.faults)} if self.faults else {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environment(), **preload},
            cwd=ROOT,
            text=True,
        )
        assert self._read() == "ready"

    def begin(self, *orders: Mapping[str, Any]) -> list[int]:
        """Start commands; their process ids. ``end`` must follow."""
        assert self.process.stdin is not None
        outs = [{"out": str(self.folder / f"out-{i}.txt"), **o} for i, o in enumerate(orders)]
        self.outs = [Path(o["out"]) for o in outs]
        for out in self.outs:
            out.write_bytes(b"")
        self.process.stdin.write(json.dumps(outs) + "\n")
        self.process.stdin.flush()
        pids: list[int] = self._read()
        return pids

    def end(self) -> list["Ended"]:
        """Wait for what was started."""
        codes = self._read()
        texts = [out.read_text(encoding="utf-8", errors="replace") for out in self.outs]
        return [Ended(code, text) for code, text in zip(codes, texts, strict=True)]

    def carry_out(self, *orders: Mapping[str, Any]) -> list["Ended"]:
        """Start commands and wait for them."""
        self.begin(*orders)
        return self.end()

    def close(self) -> None:
        """Let the server end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)

    def _read(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the server of commands has died"
        return json.loads(line)


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (minus the signal that killed it) and its words."""

    code: int
    text: str

    @property
    def is_sentence(self) -> bool:
        """Exit code 2, and the last line is a sentence and nothing a traceback."""
        last = self.text.strip().splitlines()[-1:] or [""]
        return self.code == 2 and last[0].startswith("Error: ") and "Traceback" not in self.text


class Workshop:
    """A tiny model, a table, and runs on them that take a second."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder, self.server = folder, server
        write_model(folder / "model")
        write_tables(folder)
        self.whole = folder / "whole"
        start = time.monotonic()
        (ended,) = server.carry_out(self.order(self.whole))
        self.seconds = time.monotonic() - start
        assert ended.code == 0, ended.text

    def words(self, output: Path, *more: object) -> list[str]:
        """The command that trains into a folder."""
        options = {
            "model": self.folder / "model",
            "data": self.folder / "reviews.csv",
            "output": output,
            "output.checkpoint-steps": 2,
            "output.report": "false",
            "training.epochs": 2,
            "training.batch-size": 8,
            "training.dropout": 0.1,
        }
        pairs = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        return ["train", *pairs, *map(str, more)]

    def order(self, output: Path, *more: object) -> dict[str, Any]:
        """The order to train into a folder, its batches noted."""
        return {"words": self.words(output, *more), "seen": f"{output}.seen"}

    def problems(self, output: Path, whole: Path | None = None) -> list[str]:
        """How a finished run differs from one that nobody disturbed."""
        whole, found = whole or self.whole, []
        if learned(output) != learned(whole):
            found.append("another log")
        if digest(output / "model.safetensors") != digest(whole / "model.safetensors"):
            found.append("other weights")
        return found + sample_problems(Path(f"{output}.seen"), Path(f"{whole}.seen"))

    def clear(self, output: Path) -> None:
        """Remove a run and what was noted of it."""
        shutil.rmtree(output, ignore_errors=True)
        Path(f"{output}.seen").unlink(missing_ok=True)


def learned(output: Path) -> list[dict[str, Any]]:
    """The lines of a finished run's log, its seconds left out."""
    lines = (output / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def digest(file: Path) -> str:
    """A checksum of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def taken(seen: Path) -> list[dict[str, Any]]:
    """Every batch that was taken, in order, over all starts; a torn last line is left out."""
    found = []
    for line in seen.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def sample_problems(seen: Path, whole: Path) -> list[str]:
    """Whether each epoch held every example exactly once, however often it was begun anew."""
    batches: dict[tuple[int, int], list[int]] = {}
    found = []
    everything = {i for batch in taken(whole) for i in batch["ids"]}
    for batch in taken(seen):
        key = (batch["epoch"], batch["place"])
        if batches.setdefault(key, batch["ids"]) != batch["ids"]:
            found.append(f"batch {key} held other examples the second time")
    for epoch in {batch["epoch"] for batch in taken(whole)}:
        ids = Counter(i for (e, _), batch in batches.items() if e == epoch for i in batch)
        if ids != Counter(everything):
            found.append(f"epoch {epoch} did not hold each example once")
    return found


def end_early(pid: int, number: int, seconds: float) -> None:
    """Send a signal after a while; the process may have ended by itself."""
    time.sleep(seconds)
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def command(words: Sequence[object], shell: str = '"$@"') -> subprocess.Popen[bytes]:
    """A start of the command line as users start it, imports and all.

    Args:
        words: The command's.
        shell: What a shell makes of it: ``"$@"`` is the command.
    """
    full = [sys.executable, "-m", "mason", *map(str, words)]
    return subprocess.Popen(
        ["sh", "-c", f"exec {shell}", "sh", *full], env=environment(), cwd=tempfile.gettempdir()
    )
