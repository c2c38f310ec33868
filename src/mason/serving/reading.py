"""The thread that reads: requests that come together go through the model in one pass."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mason.errors import MasonError
from mason.serving.limits import Limits
from mason.serving.refusals import Refusal, bad_request, failed
from mason.serving.served import Item, Reading
from mason.serving.tasks import Worker, log_failure

Findings = list[dict[str, Any]]


@dataclass(eq=False)
class Read:
    """Texts of one request.

    Attributes:
        items: The texts.
        tell: Takes what was found, or why not; called in the thread that reads.
        adapter: What shall be in force.
        unwanted: Set once nobody waits for it any more.
    """

    items: Sequence[Item]
    tell: Callable[[Findings | Refusal], None]
    adapter: str | None = None
    unwanted: bool = False


class Reader(Worker[Read]):
    """Owns a model that reads.

    Args:
        model: What it does.
        limits: How long requests gather, and how many texts a pass takes.
    """

    def __init__(self, model: Reading, limits: Limits) -> None:
        super().__init__(limits.waiting)
        self._model, self._limits = model, limits
        self._running = 0

    @property
    def num_running(self) -> int:
        """Requests that are being read."""
        return self._running

    def _work(self) -> None:
        time.sleep(self._limits.gather_seconds)
        taken, size = list[Read](), 0
        with self._changed:
            self._forget_unwanted()
            while self._waiting:
                size += len(self._waiting[0].items)
                if taken and size > self._limits.pass_inputs:
                    break
                taken.append(self._waiting.popleft())
            self._running = len(taken)
        for adapter in dict.fromkeys(read.adapter for read in taken):
            self._model.activate(adapter)
            self._read([read for read in taken if read.adapter == adapter])
        self._running = 0

    def _read(self, taken: Sequence[Read]) -> None:
        try:
            found = self._model.answers([item for read in taken for item in read.items])
        except MasonError as error:
            if len(taken) > 1:  # one of them is at fault, and the others are not
                for read in taken:
                    self._read([read])
            else:
                taken[0].tell(bad_request(error))
            return
        except Exception:  # the server lives on
            log_failure()
            for read in taken:
                read.tell(failed())
            return
        start = 0
        for read in taken:
            read.tell(found[start : start + len(read.items)])
            start += len(read.items)

    def give_up(self) -> None:
        """Begin nothing more."""
        with self._changed:
            for read in self._waiting:
                read.unwanted = True
