"""Starts Mason's command line many times a minute: imports it once, then forks.

Reads a line of JSON for each request, a list of starts; answers with the list of process ids,
and when all have ended with the list of their exit codes (128 + the signal that killed one).
Each start is a process of its own that really is killed; what it spares is the import.
"""

import ctypes
import importlib
import itertools
import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Imported when the first step is taken, or the first score computed.
LATE = "torch._dynamo torch._inductor.config sklearn.linear_model sklearn.feature_extraction.text"


def main() -> None:
    """Serve until standard input ends."""
    # As a person's own commands: whatever started the tests may have them ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for name in ("mason.cli.main", "mason.workflows.resuming", *LATE.split()):
        importlib.import_module(name)
    answer("ready")
    for line in sys.stdin:
        pids = [start(order) for order in json.loads(line)]
        answer(pids)
        answer([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids])


def answer(value: object) -> None:
    """One line of JSON to whoever asks."""
    print(json.dumps(value), flush=True)


def start(order: dict[str, Any]) -> int:
    """Fork a process that carries out an order; its id."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        code = carry_out(order)
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 70
    except BaseException:
        with open(order["out"], "a", encoding="utf-8") as out:
            traceback.print_exc(file=out)
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                pass
        os._exit(code)


def carry_out(order: dict[str, Any]) -> int:
    """Run a command line in this process."""
    out = os.open(order["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    null = os.open(os.devnull, os.O_RDONLY)
    for descriptor, stream in ((null, 0), (out, 1), (out, 2)):
        os.dup2(descriptor, stream)
    if order.get("unheard"):
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 1)
        os.dup2(writer, 2)
    # Anew, for what they wrote to before may have been of another kind.
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)
    if order.get("seen"):
        note_batches(order["seen"])
    if "kill_after" in order:
        kill_after(order["kill_after"])
    if "hold" in order:
        before_batch(lambda number: wait_for(Path(order["hold"])))
    if order.get("disk"):
        fill_disk(Path(order["disk"]), order)
    if order.get("faults"):
        arm(**order["faults"])
    from mason.cli.main import main as command

    command(order["words"])
    return 0


def note_batches(file: str) -> None:
    """Append epoch, place and examples of every batch to a file, before it is learned from."""
    from mason.training.batches import Cursor

    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    take = Cursor.next

    def noted(self: Any) -> Any:
        batch = take(self)
        found = {"epoch": self.epoch, "place": self.place, "ids": batch.tolist()}
        os.write(descriptor, json.dumps(found).encode() + b"\n")
        return batch

    Cursor.next = noted  # type: ignore[method-assign]


def before_batch(do: Callable[[int], None]) -> None:
    """Call ``do`` with the number of each batch that is asked for, from 1."""
    from mason.training.batches import Cursor

    take, numbers = Cursor.next, itertools.count(1)

    def watched(self: Any) -> Any:
        do(next(numbers))
        return take(self)

    Cursor.next = watched  # type: ignore[method-assign]


def kill_after(steps: int) -> None:
    """SIGKILL this process when so many batches were taken and the next is asked for."""
    before_batch(lambda number: number > steps and os.kill(os.getpid(), signal.SIGKILL))


def wait_for(file: Path) -> None:
    """Until a file is there."""
    while not file.exists():
        time.sleep(0.01)


def fill_disk(disk: Path, order: dict[str, Any]) -> None:
    """Fill a disk when a batch is asked for, and perhaps make room again at another."""
    ballast = disk / "ballast"

    def look(number: int) -> None:
        if number == order["fill_after"]:
            ballast.write_bytes(bytes(max(0, shutil.disk_usage(disk).free - order["leave"])))
        elif number == order.get("free_after"):
            ballast.unlink()

    before_batch(look)


def arm(folder: str, mode: int, number: int = 0, error: int = 0, log: str | None = None) -> None:
    """Tell the preloaded faults.c what to do."""
    descriptor = -1
    if log is not None:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    faults = ctypes.CDLL(None).chaos_arm
    faults.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_long, ctypes.c_int, ctypes.c_int]
    faults(os.fsencode(folder), mode, number, error, descriptor)


if __name__ == "__main__":
    main()
