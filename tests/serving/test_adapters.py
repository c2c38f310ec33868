"""Adapters by name: a request's model chooses one, and requests of several come together."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

import mason
from benchmarks.large import SHAPES, write_random
from mason.cli.main import run
from mason.errors import SettingsError
from mason.generation import Sampling
from mason.layers import AdapterSpec
from mason.models.adapters import attach, places_of
from mason.models.fronts import KINDS, attach_front
from mason.models.peft_writing import write_adapter
from mason.serving import Served
from mason.workflows import Writer
from mason.workflows.serving import open_served

from .conftest import Asking, serving

NAMES = ("base", "lora", "prefix")
TEXTS = ("The old", "The old fisherman rowed", "the")
MOST = 7


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model of random weights, and an adapter of each of two kinds for it."""
    place = tmp_path_factory.mktemp("adapters")
    found = {name: place / name for name in NAMES}
    for folder in found.values():
        folder.mkdir()
    write_random(found["base"], SHAPES["tiny"])
    for kind in NAMES[1:]:
        model = mason.load(found["base"], task="generation")
        spec = AdapterSpec(kind, rank=4, virtual_tokens=3)
        torch.manual_seed(1)
        if kind in KINDS:
            attach_front(model.network, spec)
        else:
            attach(model.network, spec, places_of(model.network, model.family))
        for name, parameter in model.network.named_parameters():
            if ".adapters." in name:
                parameter.data += torch.randn_like(parameter)
        write_adapter(
            model.network,
            model.family,
            found[kind],
            name="default",
            base=str(found["base"]),
            revision=None,
            beside=(),
        )
    return found


@pytest.fixture(scope="module")
def served(folders: dict[str, Path]) -> Served:
    adapters = {name: str(folders[name]) for name in NAMES[1:]}
    return open_served(str(folders["base"]), adapters=adapters)


@pytest.fixture(scope="module")
def server(served: Served) -> Iterator[Asking]:
    with serving(served) as found:
        yield found


def body(name: str, text: str) -> dict[str, Any]:
    return {"model": name, "prompt": text, "max_tokens": MOST, "temperature": 0, "logprobs": 1}


def test_each_name_answers_as_its_adapter_alone(folders: dict[str, Path], server: Asking) -> None:
    asked = [(name, text) for text in TEXTS for name in NAMES] * 2
    with ThreadPoolExecutor(len(asked)) as pool:
        told = [*pool.map(lambda one: server.ask("/v1/completions", body(*one)), asked)]
    for (name, text), (status, found, _) in zip(asked, told, strict=True):
        assert (status, found["model"]) == (200, name)
        alone = mason.load(folders[name], task="generation")
        assert isinstance(alone, Writer)
        wanted = alone.generate(text, Sampling(MOST))
        (choice,) = found["choices"]
        assert choice["logprobs"]["token_logprobs"] == pytest.approx(
            wanted.log_probabilities, abs=1e-3
        )
    assert len({str(found["choices"]) for _, found, _ in told}) >= len(NAMES)


def test_they_are_listed_and_another_name_is_unknown(server: Asking) -> None:
    _, told, _ = server.ask("/v1/models")
    assert [one["id"] for one in told["data"]] == [*NAMES]
    assert [one.get("parent") for one in told["data"]] == [None, "base", "base"]
    status, told, _ = server.ask("/v1/completions", body("other", "The"))
    assert (status, told["error"]["code"]) == (404, "model_not_found")
    assert "base, lora, prefix" in told["error"]["message"]


def test_names_that_cannot_be_are_refused(
    folders: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SettingsError, match="name of the model itself"):
        open_served(str(folders["base"]), adapters={"base": str(folders["lora"])})
    with pytest.raises(SettingsError, match="cannot name an adapter"):
        open_served(str(folders["base"]), adapters={"a.b": str(folders["lora"])})
    for given in ("lora", "=x", "lora="):
        assert run(["serve", str(folders["base"]), "--adapter", given]) == 2
        assert "give NAME=FOLDER" in capsys.readouterr().err


def test_rounded_weights_serve_adapters_too(folders: dict[str, Path]) -> None:
    found = open_served(
        str(folders["base"]), weights="int4", adapters={"lora": str(folders["lora"])}
    )
    assert found.names == ("base", "lora")
