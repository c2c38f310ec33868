"""``log.jsonl``: one line a step and an evaluation, as they happen."""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from mason.language import say
from mason.models.files import sync
from mason.training.history import OPTIONAL, History, Step
from mason.training.sinks import Sinks


class Log:
    """Appends to a file what a history gained; lines a full disk refuses wait in memory.

    Args:
        file: Where to.
        sinks: Told the same.
    """

    def __init__(self, file: Path, sinks: Sinks | None = None) -> None:
        self.file, self.sinks = file, sinks
        self._num_steps = self._num_evaluations = 0
        self._waiting = ""
        self._digest = hashlib.sha256()

    def __call__(self, history: History) -> None:
        """Write down what is new."""
        steps = history.steps[self._num_steps :]
        new = history.evaluations[self._num_evaluations :]
        lines = [{"kind": "step", **s.plain()} for s in steps]
        lines += [{"kind": "evaluation", **asdict(e)} for e in new]
        self._num_steps, self._num_evaluations = len(history.steps), len(history.evaluations)
        self._waiting += "".join(json.dumps(line) + "\n" for line in lines)
        self._write()
        if self.sinks:
            self.sinks.tell(steps, new)

    def settle(self, last: Step) -> dict[str, Any]:
        """Put the file on the disk; what ``rewind`` needs to come back to after step ``last``."""
        self._write()
        if self.sinks:
            self.sinks.flush()
        size = 0
        # Where the disk fails, the checksum will tell; a report is no reason to end a run.
        with suppress(OSError), self.file.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            os.fsync(stream.fileno())
            sync(self.file.parent)
        written = {"bytes": size, "sha256": self._digest.hexdigest(), "waiting": self._waiting}
        return {**written, "last": last.plain()}

    def rewind(self, history: History, mark: Mapping[str, Any] | None) -> None:
        """Forget what came after ``mark``, None for all; ``history`` gets the steps before it.

        A file that was damaged or deleted costs lines of the report, never the place in the
        run: the last step is in the mark.
        """
        mark = mark or {"bytes": 0, "sha256": hashlib.sha256().hexdigest(), "waiting": ""}
        text = self.file.read_bytes()[: mark["bytes"]] if self.file.exists() else b""
        if self.file.exists():
            os.truncate(self.file, len(text))
        self._digest, self._waiting = hashlib.sha256(text), mark["waiting"]
        if self._digest.hexdigest() != mark["sha256"]:
            history.notices.append(
                say(
                    "{file} is not what was written: steps are missing from the report; the model "
                    "does not suffer.",
                    file=self.file,
                )
            )
        lines = [*text.splitlines(), *mark["waiting"].encode().splitlines()]
        steps = {step.step: step for line in lines if (step := _step(line))}
        last = [Step.read(mark["last"])] if "last" in mark else []
        before = [steps[n] for n in sorted(steps) if last and n < last[0].step]
        history.steps[:] = before + last
        self._num_steps, self._num_evaluations = len(history.steps), len(history.evaluations)

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
            self._digest.update(text)
        elif written:
            with suppress(OSError):
                os.truncate(self.file, before)  # half a line would be no line


class Silent(Log):
    """The log in a process that is not the first: it knows where it is, and writes nothing."""

    def __call__(self, history: History) -> None:
        """The first process writes it down."""

    def settle(self, last: Step) -> dict[str, Any]:
        """The first process puts it on the disk."""
        return {}

    def rewind(self, history: History, mark: Mapping[str, Any] | None) -> None:
        """Of the steps before, the last is enough to go on from."""
        history.steps[:] = [Step.read(mark["last"])] if mark else []


def _step(line: bytes) -> Step | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    known = {field.name for field in fields(Step)}
    needed = known - OPTIONAL
    if not isinstance(found, dict) or found.pop("kind", None) != "step":
        return None
    return Step.read(found) if needed <= found.keys() <= known else None
