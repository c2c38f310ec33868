"""``mason serve`` as a process, asked by OpenAI's own client."""

import json
import signal
import time
from collections.abc import Callable

import numpy as np
import openai
import pytest
from pydantic import BaseModel

import mason
from benchmarks.server_process import Process
from mason.errors import MasonError
from mason.workflows import Embedder, Writer
from mason.workflows.serving import open_served

MODEL = "SmolLM2-135M-Instruct"
KEY = "of-sixteen-letters-or-more"
HELLO = [{"role": "user", "content": "Name a colour."}]


@pytest.fixture(scope="module")
def writing(process: Callable[..., Process]) -> Process:
    return process(MODEL, MASON_API_KEY=KEY)


def client(of: Process, key: str = KEY) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"http://127.0.0.1:{of.port}/v1", api_key=key, max_retries=0)


class Colour(BaseModel):
    red: bool
    name: str


def test_chats(writing: Process) -> None:
    asked = client(writing).chat.completions
    options = {"model": MODEL, "messages": HELLO, "max_tokens": 12, "temperature": 0}
    whole = asked.create(**options, logprobs=True, top_logprobs=2)  # type: ignore[call-overload]
    writer = mason.load(MODEL, task="generation")
    assert isinstance(writer, Writer)
    alone = writer.reply(HELLO, mason.Sampling(12))
    (choice,) = whole.choices
    assert choice.message.content == alone.text and choice.finish_reason == alone.finish
    assert whole.usage.completion_tokens == len(alone.tokens)
    assert [one.logprob for one in choice.logprobs.content] == pytest.approx(
        alone.log_probabilities, abs=1e-3
    )
    pieces = [
        chunk.choices[0].delta.content or ""
        for chunk in asked.create(**options, stream=True)  # type: ignore[call-overload]
    ]
    assert "".join(pieces) == alone.text and len(pieces) > 3


def test_json(writing: Process) -> None:
    schema = Colour.model_json_schema()
    schema["properties"]["name"]["maxLength"] = 12
    form = {"type": "json_schema", "json_schema": {"name": "colour", "schema": schema}}
    found = client(writing).chat.completions.create(
        model=MODEL,
        messages=HELLO,
        max_tokens=60,
        seed=3,
        response_format=form,  # type: ignore[arg-type]
    )
    Colour.model_validate(json.loads(found.choices[0].message.content or ""))


def test_texts_models_and_mistakes(writing: Process) -> None:
    ready = client(writing)
    found = ready.completions.create(model=MODEL, prompt="The sea is", max_tokens=3, seed=1)
    assert found.choices[0].text
    assert [model.id for model in ready.models.list()] == [MODEL]
    with pytest.raises(openai.AuthenticationError, match="key is missing or wrong"):
        client(writing, "another-key-of-some-length").models.list()
    with pytest.raises(openai.NotFoundError, match="no model 'gpt'"):
        ready.completions.create(model="gpt", prompt="a")
    with pytest.raises(openai.BadRequestError, match="fill-in-the-middle"):
        ready.completions.create(model=MODEL, prompt="a", suffix="b")
    assert all("sea" not in line and "olour" not in line for line in writing.log)
    assert any("POST /v1/completions 200" in line for line in writing.log)


def test_a_polite_kill_lets_answers_end(writing: Process) -> None:
    asked = client(writing).completions
    stream = asked.create(model=MODEL, prompt="Once", max_tokens=30, temperature=0, stream=True)
    pieces = [next(stream).choices[0].text]
    writing.running.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    with pytest.raises(openai.APIError):
        asked.create(model=MODEL, prompt="Twice", max_tokens=1)
    pieces += [chunk.choices[0].text for chunk in stream]
    assert writing.running.wait(60) == writing.stop() == 0
    assert writing.log[-1] == "Stopped.\n"
    writer = mason.load(MODEL, task="generation")
    assert isinstance(writer, Writer)
    assert "".join(pieces) == writer.generate("Once", mason.Sampling(30)).text


def test_embeddings(process: Callable[..., Process]) -> None:
    reading = process("all-MiniLM-L6-v2", "--name", "mini")
    texts = ["A cat sleeps.", "The kitten naps.", "Stocks fell."]
    found = client(reading).embeddings.create(model="mini", input=texts)
    model = mason.load("all-MiniLM-L6-v2")
    assert isinstance(model, Embedder)
    vectors = np.array([one.embedding for one in found.data])
    assert np.abs(vectors - model.predict(texts)).max() < 1e-5
    plain = client(reading).embeddings.create(
        model="mini", input="A cat sleeps.", encoding_format="float"
    )
    assert np.abs(np.array(plain.data[0].embedding) - vectors[0]).max() < 1e-5
    with pytest.raises(openai.BadRequestError, match="shorten it"):
        client(reading).embeddings.create(model="mini", input="word " * 2000)


def test_a_name_is_a_name() -> None:
    with pytest.raises(MasonError, match="no name for a model"):
        open_served(MODEL, name="../secret")
