"""Servers to ask: one in a thread with a small random model, and real processes."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from typing import Any

import pytest
import torch

from benchmarks.server_process import Process
from benchmarks.server_process import start as start_process
from mason.models.transformer import Transformer
from mason.serving import Gate, Limits, Served, Writing
from mason.serving.app import App
from mason.serving.server import Server
from mason.sources import find_model
from mason.text.loading import load_tokenizer
from tests.models.small import SPECS

NAME = "small"
Answer = tuple[int, dict[str, Any], dict[str, str]]


@dataclass(frozen=True)
class Asking:
    """A server, and a way to ask it."""

    port: int
    app: App | None = None

    def ask(
        self, path: str, body: Any = None, *, method: str | None = None, **headers: str
    ) -> Answer:
        """Status, content and headers; ``body`` bytes are sent as they are."""
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if raw is not None:
            told.setdefault("Content-Type", "application/json")
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method or ("GET" if raw is None else "POST"), path, raw, told)
        reply = connection.getresponse()
        text = reply.read()
        connection.close()
        kind = reply.getheader("Content-Type", "")
        content = json.loads(text) if text and "json" in kind else {"text": text.decode()}
        return reply.status, content, {name.lower(): value for name, value in reply.getheaders()}


@contextmanager
def serving(
    served: Served, limits: Limits | None = None, key: str | None = None
) -> Iterator[Asking]:
    """A server in a thread of this process."""
    loop, started = asyncio.new_event_loop(), threading.Event()
    found: list[Any] = []

    async def main() -> None:
        made: list[Server] = []

        async def connect(reader: Any, writer: Any) -> None:
            await made[0].connect(reader, writer)

        listening = await asyncio.start_server(connect, "127.0.0.1", 0, limit=2**16)
        port = listening.sockets[0].getsockname()[1]
        app = App(served, Gate.of("127.0.0.1", port, key=key), limits or Limits())
        made.append(Server(app, quiet=True))
        app.worker.start()
        stop = asyncio.Event()
        found.extend((Asking(port, app), stop))
        started.set()
        await stop.wait()
        listening.close()
        await made[0].drain()
        app.worker.give_up()
        app.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    assert started.wait(30)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(found[1].set)
        thread.join(30)
        loop.close()


@pytest.fixture(scope="session")
def small() -> Served:
    """A random model with SmolLM2's vocabulary and template."""
    tokenizer = load_tokenizer(find_model("SmolLM2-135M-Instruct"))
    spec = SPECS["decoder"]
    assert spec.decoder is not None
    embedding = replace(spec.decoder.embedding, vocab_size=tokenizer.num_tokens)
    torch.manual_seed(0)
    model = Transformer(replace(spec, decoder=replace(spec.decoder, embedding=embedding))).eval()
    end = tokenizer.special.eos
    assert end is not None

    def encode(text: str, suffix: str | None) -> list[int]:
        return tokenizer.encode_ids([text])[0]

    return Served(NAME, Writing(model, tokenizer, (end,), encode))


@pytest.fixture(scope="session")
def server(small: Served) -> Iterator[Asking]:
    with serving(small) as found:
        yield found


@pytest.fixture(scope="session")
def process() -> Iterator[Callable[..., Process]]:
    made: list[Process] = []

    def start(*arguments: str, **environment: str) -> Process:
        made.append(start_process(*arguments, **environment))
        return made[-1]

    yield start
    for one in made:
        one.stop()
