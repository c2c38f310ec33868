"""The route of a model that reads: vectors, labels, tags, answers, or another text."""

import asyncio
import base64
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from mason.errors import DataError, MasonError
from mason.serving.bodies import read_body
from mason.serving.desk import Desk
from mason.serving.limits import Limits
from mason.serving.messages import Reply, as_json
from mason.serving.reading import Findings, Read, Reader
from mason.serving.refusals import Refusal, bad_request, out_of_room
from mason.serving.requests import (
    AnswerRequest,
    ClassifyRequest,
    EmbeddingsRequest,
    InputRequest,
)
from mason.serving.routes import Route, adapter_of
from mason.serving.served import Does, Item, Reading, Served

Asked = InputRequest | AnswerRequest
_TAKES: dict[Does, tuple[type[Asked], str]] = {
    "embeddings": (EmbeddingsRequest, "Turn texts into vectors."),
    "classify": (ClassifyRequest, "Label or rate texts, or pairs of texts."),
    "tag": (InputRequest, "Tag the words of texts."),
    "answer": (AnswerRequest, "Find the answer to a question in a text."),
    "translate": (InputRequest, "Write a text for each text."),
}


class ReadingRoutes:
    """Answers the one route of a model that reads.

    Args:
        served: The model.
        desk: Where tokens are counted, beside the event loop.
        limits: All bounds.
    """

    def __init__(self, served: Served, desk: Desk, limits: Limits) -> None:
        assert isinstance(served.model, Reading)
        self._served, self._model = served, served.model
        self._desk, self._limits = desk, limits
        self.worker = Reader(self._model, limits)
        self._takes, self._says = _TAKES[self._model.does]

    def routes(self) -> list[Route]:
        """What it answers."""
        path = f"/v1/{self._model.does}"
        return [Route("POST", path, self._answer, self._takes, self._says)]

    async def _answer(self, body: bytes) -> Reply:
        asked = read_body(body, self._takes, self._limits)
        adapter = adapter_of(asked.model, self._served)
        loop = asyncio.get_running_loop()
        tokens = await self._desk.do(partial(self._counted, asked.items))
        found: asyncio.Future[Findings | Refusal] = loop.create_future()
        read = Read(asked.items, partial(_tell, loop, found), adapter)
        self.worker.submit([read])
        try:
            told = await found
        finally:
            read.unwanted = True
        if isinstance(told, Refusal):
            raise told
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        data = [_part(asked, number, one) for number, one in enumerate(told)]
        content = {
            "object": "list",
            "model": asked.model or self._served.name,
            "data": data,
            "usage": usage,
        }
        return as_json(content, usage=usage)

    def _counted(self, items: Sequence[Item]) -> int:
        """Tokens of all items; none of them may be too long."""
        try:
            lengths = self._model.lengths(items)
        except MasonError as error:
            raise bad_request(error) from None
        limit = self._model.max_tokens
        if limit is not None and max(lengths) > limit:
            raise out_of_room(max(lengths), limit)
        if not all(text.strip() for text, _ in items):
            raise bad_request(DataError("A text is empty; write something."), "input")
        return sum(lengths)


def _tell(
    loop: asyncio.AbstractEventLoop,
    future: "asyncio.Future[Findings | Refusal]",
    found: Findings | Refusal,
) -> None:
    def settle() -> None:
        if not future.done():
            future.set_result(found)

    if not loop.is_closed():
        loop.call_soon_threadsafe(settle)


def _part(asked: Asked, number: int, found: dict[str, Any]) -> dict[str, Any]:
    """What was found for one item, as its route tells it."""
    if isinstance(asked, EmbeddingsRequest):
        vector: np.ndarray = found["embedding"]
        told: Any = vector.tolist()
        if asked.encoding_format == "base64":
            told = base64.b64encode(vector.astype("<f4").tobytes()).decode()
        return {"object": "embedding", "index": number, "embedding": told}
    if isinstance(asked, AnswerRequest):
        return {"index": number, "answers": found["answers"][: asked.num_answers]}
    return {"index": number, **found}
