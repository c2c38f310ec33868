"""The routes of a model that writes: chats and texts."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from mason.serving.bodies import read_body
from mason.serving.composing import Composed, compose_chat, compose_texts
from mason.serving.desk import Desk
from mason.serving.limits import Limits
from mason.serving.messages import Reply
from mason.serving.metrics import Metrics
from mason.serving.replies import ChatForm, Form, TextForm
from mason.serving.requests import ChatRequest, TextRequest
from mason.serving.requests import Writing as Asked
from mason.serving.routes import Route, adapter_of
from mason.serving.served import Served, Writing
from mason.serving.watched import Watched
from mason.serving.writing import Ask, Progress, Writer


class WritingRoutes:
    """Answers ``/v1/chat/completions`` and ``/v1/completions``.

    Args:
        served: A model that writes.
        desk: Where tokens and grammars are made, beside the event loop.
        limits: All bounds.
        metrics: What is counted.
    """

    def __init__(self, served: Served, desk: Desk, limits: Limits, metrics: Metrics) -> None:
        assert isinstance(served.model, Writing)
        self._served, self._model = served, served.model
        self._desk, self._limits, self._metrics = desk, limits, metrics
        self._loop: asyncio.AbstractEventLoop | None = None
        self.worker = Writer(self._model.network, self._post, limits, metrics)

    def routes(self) -> list[Route]:
        """What it answers; chats where there is a chat template."""
        texts = Route(
            "POST", "/v1/completions", self._texts, TextRequest, "Go on from one text or more."
        )
        if not self._model.talks:
            return [texts]
        chats = Route(
            "POST", "/v1/chat/completions", self._chat, ChatRequest, "Answer in a conversation."
        )
        return [chats, texts]

    async def _chat(self, body: bytes) -> Reply:
        asked = read_body(body, ChatRequest, self._limits)
        compose = lambda: compose_chat(self._model, asked, self._limits)  # noqa: E731
        return await self._answer(asked, compose, ChatForm, asked.logprobs)

    async def _texts(self, body: bytes) -> Reply:
        asked = read_body(body, TextRequest, self._limits)
        compose = lambda: compose_texts(self._model, asked, self._limits)  # noqa: E731
        return await self._answer(asked, compose, TextForm, asked.logprobs is not None)

    async def _answer(
        self, asked: Asked, compose: Callable[[], Composed], kind: type[Form], probable: bool
    ) -> Reply:
        adapter = adapter_of(asked.model, self._served)
        self._loop = asyncio.get_running_loop()
        composed = await self._desk.do(compose)
        form = kind(self._model.tokenizer, asked.model, composed.prompt_tokens, probable)
        pieces = self._pieces(composed, asked.stream, adapter)
        await anext(pieces)  # taken on, or refused
        if not asked.stream:
            async with aclosing(pieces):
                return await form.reply(pieces, len(composed.answers))
        options = asked.stream_options
        return form.stream(pieces, with_usage=options is not None and options.include_usage)

    async def _pieces(
        self, composed: Composed, piecewise: bool, adapter: str | None
    ) -> AsyncGenerator[Progress]:
        """Nothing once the answers are taken on, then progress until all are done."""
        arrived: asyncio.Queue[Progress] = asyncio.Queue()
        asks = [
            Ask(answer, number, arrived.put_nowait, piecewise, adapter)
            for number, answer in enumerate(composed.answers)
        ]
        guard = self._model.guard
        watched = None if guard is None else Watched(guard, composed.read)
        start, left = time.monotonic(), len(asks)
        self.worker.submit(asks)
        try:
            yield Progress(0)
            while left:
                progress = await arrived.get()
                if piecewise and start:
                    self._metrics.first.observe(time.monotonic() - start)
                    start = 0.0
                if watched is not None:
                    progress = watched(progress)
                    asks[progress.number].unwanted |= progress.finish == "content_filter"
                left -= progress.last
                yield progress
        finally:
            for ask in asks:
                ask.unwanted = True

    def _post(self, told: list[tuple[Ask, Progress]]) -> None:
        if told and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_hand_on, told)


def _hand_on(told: list[tuple[Ask, Progress]]) -> None:
    for ask, progress in told:
        ask.tell(progress)
