"""The thread that writes: a batch that runs on, which answers join and leave.

Where requests ask for different adapters each adapter has a batch, and these take turns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mason.errors import MasonError, RunError
from mason.generation.batching import Answer, Batch, Likely
from mason.generation.lines import Finish
from mason.models.adapters import activate
from mason.models.transformer import Transformer
from mason.serving.limits import Limits
from mason.serving.metrics import Metrics
from mason.serving.refusals import Refusal, bad_request, failed, stopping
from mason.serving.tasks import Worker, log_failure


@dataclass(frozen=True)
class Progress:
    """What has come of an answer since it was last told.

    Attributes:
        number: Which answer of its request.
        text: New text.
        tokens: New tokens.
        log_probabilities: Of these tokens.
        likeliest: Alternatives to each, where they are wanted.
        finish: Why it ended; None: it goes on.
        refusal: Why it cannot go on.
    """

    number: int
    text: str = ""
    tokens: tuple[int, ...] = ()
    log_probabilities: tuple[float, ...] = ()
    likeliest: tuple[Likely, ...] = ()
    finish: Finish | Literal["content_filter"] | None = None
    refusal: Refusal | None = None

    @property
    def last(self) -> bool:
        """Whether nothing more comes."""
        return self.finish is not None or self.refusal is not None


Post = Callable[[list[tuple["Ask", Progress]]], None]
"""Hands progress to the requests; called in the thread that writes."""


@dataclass(eq=False)
class Ask:
    """An answer that a request waits for.

    Attributes:
        answer: What is written.
        number: Which of the request's answers.
        tell: Takes progress, in the event loop.
        piecewise: Whether every token is told, not the end alone.
        adapter: What is in force while it is written.
        unwanted: Set once nobody waits for it any more.
    """

    answer: Answer
    number: int
    tell: Callable[[Progress], None]
    piecewise: bool
    adapter: str | None = None
    unwanted: bool = False
    told: int = 0
    """Tokens that were told."""


class Writer(Worker[Ask]):
    """Owns the model; see ``Batch``.

    Args:
        network: A lone decoder.
        post: Where progress goes.
        limits: How many answers at once, and how many tokens.
        metrics: What is counted.
    """

    def __init__(self, network: Transformer, post: Post, limits: Limits, metrics: Metrics) -> None:
        super().__init__(limits.waiting)
        self._network, self._post, self._limits, self._metrics = network, post, limits, metrics
        self._batches, self._asks = dict[str | None, Batch](), dict[Answer, Ask]()

    @property
    def num_running(self) -> int:
        """Answers that are being written."""
        return len(self._asks)

    def _work(self) -> None:
        self._drop_unwanted()
        self._take()
        for adapter, batch in list(self._batches.items()):
            if batch.answers:
                activate(self._network, adapter)
                self._step(adapter, batch)

    def _step(self, adapter: str | None, batch: Batch) -> None:
        size = len(batch.answers)
        try:
            grown = batch.step()
        except Exception as error:  # the server lives on, whatever one batch ran into
            self._start_over(adapter, error)
            return
        self._metrics.steps.observe(size)
        done = [answer for answer in grown if answer.done]
        told = [self._asks[answer] for answer in grown]
        self._tell([ask for ask in told if ask.piecewise or ask.answer.done])
        for answer in done:
            del self._asks[answer]

    def _drop_unwanted(self) -> None:
        gone = {answer for answer, ask in self._asks.items() if ask.unwanted}
        if gone:
            for batch in self._batches.values():
                batch.drop(gone)
            for answer in gone:
                del self._asks[answer]

    def _take(self) -> None:
        """Take up those that come first, as long as there is a place and room in the cache."""
        room = self._limits.running_tokens - sum(answer.room for answer in self._asks)
        with self._changed:
            self._forget_unwanted()
            while self._waiting and len(self._asks) < self._limits.running:
                ask = self._waiting[0]
                room -= ask.answer.room
                if room < 0 and self._asks:
                    return
                self._batch_of(ask.adapter).add(ask.answer)
                self._asks[ask.answer] = ask
                self._waiting.popleft()

    def _batch_of(self, adapter: str | None) -> Batch:
        if adapter not in self._batches:
            activate(self._network, adapter)  # it may put rows before every text
            self._batches[adapter] = Batch(self._network)
        return self._batches[adapter]

    def _tell(self, asks: list[Ask]) -> None:
        self._post([(ask, _progress(ask)) for ask in asks])

    def _start_over(self, adapter: str | None, error: Exception) -> None:
        """Refuse all that was being written with an adapter; begin with an empty batch."""
        known = isinstance(error, MasonError)
        if not known:
            log_failure()
        refusal = Refusal(503, RunError("{reason}", reason=error)) if known else failed()
        asks = [ask for ask in self._asks.values() if ask.adapter == adapter]
        for ask in asks:
            del self._asks[ask.answer]
        del self._batches[adapter]
        self._post([(ask, Progress(ask.number, refusal=refusal)) for ask in asks])

    def give_up(self) -> None:
        """Refuse all that waits or is being written; nobody waits any longer."""
        with self._changed:
            asks = [*self._waiting, *self._asks.values()]
            self._waiting.clear()
            for ask in asks:
                ask.unwanted = True
        self._post([(ask, Progress(ask.number, refusal=stopping())) for ask in asks])


def _progress(ask: Ask) -> Progress:
    answer, line = ask.answer, ask.answer.line
    start, ask.told = ask.told, len(line.log_probabilities)
    if answer.error is not None:
        return Progress(ask.number, refusal=bad_request(answer.error))
    return Progress(
        ask.number,
        line.show(),
        tuple(line.new[start:]),
        tuple(line.log_probabilities[start:]),
        tuple(answer.likeliest[start:]),
        line.finish,
    )
