"""``log.jsonl``: one line a step and an evaluation, as they happen."""

import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from mason.training.history import History, Step


class Log:
    """Appends to a file what a history gained; lines a full disk refuses wait in memory."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._num_steps = self._num_evaluations = 0
        self._waiting = ""

    def __call__(self, history: History) -> None:
        """Write down what is new."""
        lines = [{"kind": "step", **s.plain()} for s in history.steps[self._num_steps :]]
        new = history.evaluations[self._num_evaluations :]
        lines += [{"kind": "evaluation", **asdict(e)} for e in new]
        self._num_steps, self._num_evaluations = len(history.steps), len(history.evaluations)
        self._waiting += "".join(json.dumps(line) + "\n" for line in lines)
        self._write()

    def settle(self) -> int:
        """Put the file on the disk; how many bytes it has."""
        self._write()
        if not self.file.exists():
            return 0
        with self.file.open("rb") as stream:
            os.fsync(stream.fileno())
            return os.fstat(stream.fileno()).st_size

    def rewind(self, history: History, num_bytes: int) -> list[Step]:
        """Forget what came after ``num_bytes``; the steps before, as far as they are there.

        ``history`` gets those steps, so that the next line is the next step.
        """
        steps: list[Step] = []
        if self.file.exists():
            with self.file.open("r+b") as stream:
                stream.truncate(min(num_bytes, os.fstat(stream.fileno()).st_size))
                steps = [step for line in stream if (step := _step(line))]
        self._waiting = ""
        history.steps[:] = steps
        self._num_steps, self._num_evaluations = len(steps), len(history.evaluations)
        return steps

    def _write(self) -> None:
        if not self._waiting:
            return
        text = self._waiting.encode()
        before = self.file.stat().st_size if self.file.exists() else 0
        try:
            with self.file.open("ab", buffering=0) as stream:
                written = stream.write(text) or 0
        except OSError:
            written = 0
        if written == len(text):
            self._waiting = ""
        elif written:
            os.truncate(self.file, before)  # half a line would be no line


def _step(line: bytes) -> Step | None:
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    known = {field.name for field in fields(Step)}
    if found.pop("kind", None) != "step" or not found.keys() <= known:
        return None
    return Step.read(found)
