"""OpenAI's objects for what was written, whole or in pieces."""

import json
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from mason.serving.messages import Reply, as_json
from mason.serving.writing import Progress
from mason.text import Tokenizer
from mason.text.streaming import TextStream

SSE = "text/event-stream; charset=utf-8"
Json = dict[str, Any]


@dataclass
class Written:
    """An answer as far as it was told."""

    text: str = ""
    tokens: list[int] = field(default_factory=list)
    likely: list[float] = field(default_factory=list)
    likeliest: list[Sequence[tuple[int, float]]] = field(default_factory=list)
    finish: str | None = None

    def add(self, piece: Progress) -> None:
        """Take what is new."""
        self.text += piece.text
        self.tokens += piece.tokens
        self.likely += piece.log_probabilities
        self.likeliest += piece.likeliest
        self.finish = piece.finish


class Form(ABC):
    """How answers to one request are told.

    Args:
        tokenizer: What spells tokens.
        model: The name that the request called.
        prompt_tokens: Tokens of all prompts.
        probable: Whether log-probabilities are wanted.
    """

    prefix, whole, piece = "", "", ""
    """Of ids, and OpenAI's names of the objects."""

    def __init__(
        self, tokenizer: Tokenizer, model: str, prompt_tokens: int, probable: bool
    ) -> None:
        self.tokenizer, self.prompt_tokens, self.probable = tokenizer, prompt_tokens, probable
        # A token that stands before others, looked up: encoding would wait for the desk's texts.
        known = (tokenizer.token_id(piece) for piece in ("a", "▁a"))
        self._before = [token for token in known if token is not None][:1]
        self._start = len(tokenizer.decode(self._before, skip_special=False))
        self._head = {
            "id": f"{self.prefix}-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": model,
        }

    @abstractmethod
    def choice(self, number: int, written: Written) -> Json:
        """An answer that is done."""

    @abstractmethod
    def part(self, number: int, piece: Written, *, first: bool) -> Json:
        """A piece of an answer."""

    def usage(self, written: int) -> dict[str, int]:
        """Tokens read and written."""
        read = self.prompt_tokens
        return {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
        }

    async def reply(self, pieces: AsyncGenerator[Progress], count: int) -> Reply:
        """All answers, once they are done.

        Raises:
            Refusal: One of them cannot be written.
        """
        answers = [Written() for _ in range(count)]
        async for piece in pieces:
            if piece.refusal is not None:
                raise piece.refusal
            answers[piece.number].add(piece)
        usage = self.usage(sum(len(one.tokens) for one in answers))
        choices = [self.choice(number, one) for number, one in enumerate(answers)]
        content = {**self._head, "object": self.whole, "choices": choices, "usage": usage}
        return as_json(content, usage=usage)

    def stream(self, pieces: AsyncGenerator[Progress], *, with_usage: bool) -> Reply:
        """Answers as they come, as server-sent events."""
        reply = Reply(200, b"", SSE)
        reply.body = self._events(pieces, reply, with_usage)
        return reply

    async def _events(
        self, pieces: AsyncGenerator[Progress], reply: Reply, with_usage: bool
    ) -> AsyncGenerator[bytes]:
        begun, written = set[int](), 0
        open_usage = {"usage": None} if with_usage else {}
        async with aclosing(pieces):
            async for progress in pieces:
                if progress.refusal is not None:
                    yield _event(progress.refusal.content)
                    return
                piece = Written()
                piece.add(progress)
                written += len(piece.tokens)
                reply.usage = self.usage(written)
                first = progress.number not in begun
                begun.add(progress.number)
                if first or piece.text or piece.finish or self.probable:
                    choice = self.part(progress.number, piece, first=first)
                    told: Json = {"object": self.piece, "choices": [choice], **open_usage}
                    yield _event({**self._head, **told})
        if with_usage:
            told = {"object": self.piece, "choices": [], "usage": reply.usage}
            yield _event({**self._head, **told})
        yield b"data: [DONE]\n\n"

    def spelled(self, token: int) -> str:
        """A token as within a text, with the space it may begin with; special ones by name."""
        return self.tokenizer.decode([*self._before, token], skip_special=False)[self._start :]


class ChatForm(Form):
    """``chat.completion``."""

    prefix, whole, piece = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def choice(self, number: int, written: Written) -> Json:
        """An answer that is done."""
        message = {"role": "assistant", "content": written.text, "refusal": None}
        return self._told(number, written, {"message": message})

    def part(self, number: int, piece: Written, *, first: bool) -> Json:
        """A piece of an answer; the first says who speaks."""
        delta: Json = {"role": "assistant"} if first else {}
        if piece.text or first:
            delta["content"] = piece.text
        return self._told(number, piece, {"delta": delta})

    def _told(self, number: int, written: Written, content: Json) -> Json:
        probable = {"content": self._probable(written), "refusal": None} if self.probable else None
        return {
            "index": number,
            **content,
            "finish_reason": written.finish,
            "logprobs": probable,
        }

    def _probable(self, written: Written) -> list[Json]:
        others = written.likeliest or [()] * len(written.tokens)
        return [
            {**self._token(token, likely), "top_logprobs": [self._token(*one) for one in best]}
            for token, likely, best in zip(written.tokens, written.likely, others, strict=True)
        ]

    def _token(self, token: int, likely: float) -> Json:
        text = self.spelled(token)
        # A piece of a character spells none; its bytes are not known here.
        known = None if "\ufffd" in text else list(text.encode())
        return {"token": text, "logprob": likely, "bytes": known}


class TextForm(Form):
    """``text_completion``."""

    prefix, whole, piece = "cmpl", "text_completion", "text_completion"

    def __init__(
        self, tokenizer: Tokenizer, model: str, prompt_tokens: int, probable: bool
    ) -> None:
        super().__init__(tokenizer, model, prompt_tokens, probable)
        self._streams: dict[int, TextStream] = {}
        self._offsets: dict[int, int] = {}

    def choice(self, number: int, written: Written) -> Json:
        """An answer that is done."""
        return {
            "index": number,
            "text": written.text,
            "finish_reason": written.finish,
            "logprobs": self._probable(number, written) if self.probable else None,
        }

    def part(self, number: int, piece: Written, *, first: bool) -> Json:
        """A piece of an answer."""
        return self.choice(number, piece)

    def _probable(self, number: int, written: Written) -> Json:
        return {
            "tokens": [self.spelled(token) for token in written.tokens],
            "token_logprobs": written.likely,
            "top_logprobs": [self._by_text(best) for best in written.likeliest] or None,
            "text_offset": self._places(number, written.tokens),
        }

    def _by_text(self, best: Sequence[tuple[int, float]]) -> dict[str, float]:
        """The likeliest of the tokens that are spelled alike."""
        found: dict[str, float] = {}
        for token, likely in best:
            found.setdefault(self.spelled(token), likely)
        return found

    def _places(self, number: int, tokens: Sequence[int]) -> list[int]:
        """Where each token begins in the answer's text, as far as that is told before it."""
        stream = self._streams.setdefault(number, TextStream(self.tokenizer, self._before))
        start, places = self._offsets.get(number, 0), []
        for token in tokens:
            places.append(start)
            start += len(stream.add(token))
        self._offsets[number] = start
        return places


def _event(content: Json) -> bytes:
    return f"data: {json.dumps(content, separators=(',', ':'))}\n\n".encode()
