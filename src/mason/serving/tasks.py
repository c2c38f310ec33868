"""A thread that owns the model, and the tasks that wait for it."""

import threading
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from mason.serving.refusals import busy, stopping


class Task(Protocol):
    """What somebody waits for."""

    unwanted: bool
    """Whether nobody does any more."""


T = TypeVar("T", bound=Task)


class Worker(ABC, Generic[T]):
    """Takes tasks from any thread and does them in its own.

    Args:
        most: Tasks that may wait.
    """

    def __init__(self, most: int) -> None:
        self._most, self._waiting, self._stopped = most, deque[T](), False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="mason-model", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what was taken on, and end."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    @property
    def num_waiting(self) -> int:
        """Tasks that nobody has begun."""
        return len(self._waiting)

    @property
    @abstractmethod
    def num_running(self) -> int:
        """Tasks that are being done."""

    def submit(self, tasks: Sequence[T]) -> None:
        """Take on tasks, all or none.

        Raises:
            Refusal: Too many wait, or the server is stopping.
        """
        with self._changed:
            if self._stopped:
                raise stopping()
            self._forget_unwanted()
            if len(self._waiting) + len(tasks) > self._most:
                raise busy()
            self._waiting.extend(tasks)
            self._changed.notify()

    def _forget_unwanted(self) -> None:
        """Free the places of tasks that nobody waits for; ``_changed`` is held."""
        self._waiting = deque(task for task in self._waiting if not task.unwanted)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self.num_running:
                    if self._stopped:
                        return
                    self._changed.wait()
            self._work()

    @abstractmethod
    def _work(self) -> None:
        """Do some of what waits, or of what runs; it raises nothing."""


def log_failure() -> None:
    """Leave the traceback of a bug in the server's log."""
    traceback.print_exc()
