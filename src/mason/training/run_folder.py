"""The folder of a run that is not finished: one owner at a time, its settings, its checkpoints.

    FOLDER/run/run.json       what the run was started with
               lock           held while a process works on it
               log.jsonl      a line a step
               checkpoints/   what it goes on from
               refused/       steps that were not taken, to be seen again
               tensorboard/   event files, where they are asked for

When the run is finished the model takes the place of all of it in one step.
"""

import fcntl
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from mason.errors import RunError
from mason.models.files import (
    claim_folder,
    make_folder,
    read_json,
    release_folder,
    write_json_durably,
)

_INNER = "run"
_FACTS = "run.json"
_FORMAT = "mason-run-1"


class RunFolder:
    """Holds a folder for one process; the kernel lets go of it when the process dies.

    Args:
        folder: Where the model will be. Made if it is not there.

    Raises:
        RunError: Another process is at work in it, or nothing can be written there.
        CheckpointError: It holds files that Mason did not write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(os.path.abspath(folder))
        self.inner = self.folder / _INNER
        self._lock = -1

    def __enter__(self) -> "RunFolder":
        try:
            claim_folder(self.folder, kind="run")
            self._lock = self._acquire()
            _probe(self.inner)
        except OSError as error:
            self._release()
            raise self._cannot_be_written(error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lock >= 0 and error is not None and not (self.inner / _FACTS).exists():
            # It ended before it began: leave nothing behind.
            shutil.rmtree(self.inner, ignore_errors=True)
            release_folder(self.folder)
        self._release()

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints go."""
        return self.inner / "checkpoints"

    @property
    def log(self) -> Path:
        """The log."""
        return self.inner / "log.jsonl"

    @property
    def board(self) -> Path:
        """Where TensorBoard's files go."""
        return self.inner / "tensorboard"

    @property
    def refused(self) -> Path:
        """Where refused steps go."""
        return self.inner / "refused"

    def begun(self) -> "Begun | None":
        """What an unfinished run here was started with; None: there is none."""
        return begun(self.folder)

    def begin(self, facts: "Begun") -> None:
        """Write down what the run is started with.

        Raises:
            RunError: It cannot be written.
        """
        try:
            write_json_durably(self.inner / _FACTS, {"format": _FORMAT, **vars(facts)})
        except OSError as error:
            raise self._cannot_be_written(error) from error

    def start_over(self) -> None:
        """Forget what a run that never kept a step left behind.

        Raises:
            RunError: It cannot be removed.
        """
        for place in (self.checkpoints, self.refused, self.board):
            shutil.rmtree(place, ignore_errors=True)
        try:
            self.log.unlink(missing_ok=True)
            (self.inner / "mlflow-run").unlink(missing_ok=True)
        except OSError as error:
            raise self._cannot_be_written(error) from error

    def hand_over(self, draft: Path) -> None:
        """Copy what outlives the run into the finished folder."""
        if self.log.exists():
            shutil.copyfile(self.log, draft / self.log.name)
        for place in (self.refused, self.board):
            if place.is_dir():
                shutil.copytree(place, draft / place.name)

    def _cannot_be_written(self, error: OSError) -> RunError:
        return RunError(
            "{folder} cannot be written ({reason}); choose another place with --output.",
            folder=self.folder,
            reason=error.strerror or error,
        )

    def _acquire(self) -> int:
        """The lock's descriptor; taken again where the file was replaced meanwhile."""
        make_folder(self.inner)
        path = self.inner / "lock"
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                there = os.stat(path)
            except BlockingIOError:
                owner = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
                os.close(descriptor)
                raise RunError(
                    "Another run (process {process}) is at work in {folder}; wait for it, stop "
                    "it, or choose another --output.",
                    process=owner or "?",
                    folder=self.folder,
                ) from None
            except FileNotFoundError:
                os.close(descriptor)
                make_folder(self.inner)
                continue
            if there.st_ino == os.fstat(descriptor).st_ino:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
                return descriptor
            os.close(descriptor)

    def _release(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


@dataclass(frozen=True)
class Begun:
    """What a run was started with.

    Attributes:
        settings: As ``Settings`` dumps them, without what was left out.
        command: How it was started.
        data: Fingerprint of every example in order.
        model: Fingerprint of what the network is made of.
        chosen: What was worked out from measurements, which come out otherwise each time.
    """

    settings: Mapping[str, Any]
    command: str
    data: str
    model: str
    chosen: Mapping[str, Any] = field(default_factory=dict)


def begun(folder: Path) -> Begun | None:
    """What the unfinished run in ``folder`` was started with; None: there is none.

    Raises:
        CheckpointError: Its ``run.json`` is damaged.
    """
    path = folder / _INNER / _FACTS
    if not path.is_file():
        return None
    facts = read_json(path)
    if facts.pop("format", None) != _FORMAT or facts.keys() != Begun.__annotations__.keys():
        raise RunError(
            "{file} was written by another version of Mason, or damaged; delete the folder it is "
            "in to start again.",
            file=path,
        )
    return Begun(**facts)


def checkpoints_of(folder: Path) -> Path:
    """Where the checkpoints of the unfinished run in ``folder`` lie."""
    return folder / _INNER / "checkpoints"


def _probe(folder: Path) -> None:
    """Fail now if a file cannot be written, renamed and flushed here, not after an hour."""
    probe, renamed = folder / ".probe", folder / ".probed"
    try:
        with probe.open("wb") as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
        probe.rename(renamed)
    finally:
        probe.unlink(missing_ok=True)
        renamed.unlink(missing_ok=True)
