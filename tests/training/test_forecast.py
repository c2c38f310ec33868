"""What a run will need: against arithmetic, against real runs, and without touching anything."""

import copy
import json
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.forecast import Case
from mason.layers import native
from mason.models.checkpoints import spec_of
from mason.models.spec import Topology
from mason.models.transformer import Transformer, num_parameters, set_dropout
from mason.runtime import cpu_has_bf16
from mason.tasks.classification import ClassificationObjective, Examples
from mason.training.forecast import Speed, Work, forecast, memory_of_each
from mason.training.heap import Heap
from mason.training.recipe import Recipe
from tests.models.small import TOPOLOGIES
from tests.training.small import build, objective

COMPILED = native.library()
TILES = COMPILED is not None and COMPILED.has_tiles
ROOT = Path(__file__).resolve().parents[2]
GPT3 = {"n_embd": 12288, "n_layer": 96, "n_head": 96, "n_positions": 2048}
"""The shape of Brown et al. 2020, table 2.1."""


def of_lengths(*lengths: int) -> ClassificationObjective:
    return ClassificationObjective(Examples([[0] * n for n in lengths], None, [0] * len(lengths)))


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_weights_gradients_and_state_are_those_of_every_parameter(topology: Topology) -> None:
    model = build(topology)
    num = num_parameters(model)
    told = forecast(model, objective(16), Recipe(epochs=1, tokens_per_pass=30))
    buffers = sum(b.nbytes for b in model.buffers())
    # Beside its two averages AdamW counts steps, in one float for each tensor.
    assert told.state_bytes == 3 * 4 * num + buffers + 4 * len(list(model.parameters()))
    assert told.num_parameters == num
    # In the second pass the first one's gradients are there.
    assert told.memory["gradients"] == 4 * num
    assert told.memory["activations"] > 0


def test_nothing_is_touched() -> None:
    model = build("encoder").eval()
    set_dropout(model, 0.25)
    before = {name: p.clone() for name, p in model.named_parameters()}
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    forecast(model, objective(), Recipe(epochs=1))
    assert torch.equal(torch.rand(3), expected)
    assert not model.training
    for name, parameter in model.named_parameters():
        assert type(parameter) is torch.nn.Parameter
        assert parameter.grad is None
        assert torch.equal(parameter, before[name])


def test_ctrl_c_where_python_would_drop_it_still_arrives(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    give_back, calls = Heap.give_back, 0
    # A process that is started in the background ignores it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupted(heap: Heap, *block: int) -> None:  # called as tensors die
        nonlocal calls
        calls += 1
        if calls == 5:
            signal.raise_signal(signal.SIGINT)
        give_back(heap, *block)

    monkeypatch.setattr(Heap, "give_back", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            forecast(build("encoder"), objective(), Recipe(epochs=1))
    finally:
        signal.signal(signal.SIGINT, before)
    assert calls > 5
    assert "ignored" not in capfd.readouterr().err


def test_a_model_that_is_there_is_counted_once() -> None:
    model = build("encoder")
    shape = copy.deepcopy(model).to("meta")
    recipe = Recipe(batch_size=8, max_steps=2)
    there, told = (forecast(m, of_lengths(*range(3, 19)), recipe) for m in (model, shape))
    assert there.memory == told.memory


def test_code_is_written_for_every_number_of_rows_in_bf16() -> None:
    model = build("encoder")
    alike, mixed = of_lengths(*[10] * 16), of_lengths(*[10] * 12, *[29] * 4)
    recipe = Recipe(batch_size=4, epochs=1, precision="bf16")
    one, two = (forecast(model, data, recipe).memory["code"] for data in (alike, mixed))
    assert 0 < two == 2 * one
    assert forecast(model, alike, replace(recipe, precision="fp32")).memory["code"] == 0


def test_gaps_are_bounded_by_when_they_are_closed_and_by_what_comes_and_goes() -> None:
    model, recipe = build("encoder"), Recipe(batch_size=1, epochs=1)
    for data in (of_lengths(*[17] * 9), of_lengths(*[3] * 9)):
        told = forecast(model, data, recipe)
        passing = sum(told.memory.get(x, 0) for x in ("activations", "logits", "workspace"))
        assert 0 < told.memory["gaps"] <= min(0.1 * told.peak, passing / 2 + 1)


def test_what_is_frozen_has_neither_gradient_nor_state() -> None:
    model = build("encoder")
    free = forecast(model, objective(), Recipe(epochs=1))
    assert model.encoder is not None
    model.encoder.requires_grad_(False)
    frozen = forecast(model, objective(), Recipe(epochs=1))
    head = sum(p.nbytes for p in model.heads.parameters())
    assert frozen.memory["optimizer"] < 2 * head + 100
    assert frozen.memory["activations"] < free.memory["activations"]


def test_smaller_passes_need_less_and_longer_texts_more() -> None:
    model = build("decoder")
    data = of_lengths(*[23] * 32)
    # In bf16 a pass also keeps the weights' own copies, whatever it reads.
    plain = Recipe(batch_size=32, epochs=1, precision="fp32")
    whole = forecast(model, data, plain)
    cut = forecast(model, data, replace(plain, tokens_per_pass=60))
    short = forecast(model, of_lengths(*[11] * 32), plain)
    assert cut.memory["activations"] < whole.memory["activations"] / 4
    assert short.memory["activations"] < whole.memory["activations"] / 2
    assert whole.num_tokens == 23 * 32
    assert whole.tokens_read == 23 * 32


def test_the_costliest_batch_that_will_come_decides() -> None:
    """One long text in the last epoch alone is found, one beyond the last step is not."""
    model = build("encoder")
    recipe = Recipe(batch_size=1, epochs=2)
    long = forecast(model, of_lengths(*[3] * 16, 29), recipe)
    assert long.tokens_read == 29
    assert long.num_steps == 34


def test_products_are_counted_exactly() -> None:
    """Of one linear map: forward, its gradient, and the weight's gradient."""
    model = build("encoder")
    told = forecast(model, of_lengths(*[13] * 4), Recipe(batch_size=4, epochs=1))
    rows = 4 * 13
    linear = sum(
        m.weight.numel()
        for name, m in model.named_modules()
        if isinstance(m, torch.nn.Linear) and name.startswith("encoder")
    )
    heads, inner = 6, 7
    scores = 2 * heads * inner * 13 * 13 * 4 * 2
    head = model.heads["classification"].output.weight.numel() * 4
    again = scores if cpu_has_bf16() else 0  # in bf16 they are made anew on the way back
    assert told.read.flops == 2 * 3 * rows * linear + 2 * 3 * scores + again + 2 * 3 * head


def test_gpt3_is_forecast_without_its_memory() -> None:
    config = {"model_type": "gpt2", **GPT3}
    spec = replace(spec_of(config, ("classification",)), labels=("no", "yes"))
    with torch.device("meta"):
        model = Transformer(spec)
    told = forecast(model, of_lengths(2048), Recipe(max_steps=1))
    assert told.num_parameters == pytest.approx(174.6e9, rel=1e-3)
    assert told.weight_bytes >= 4 * told.num_parameters
    assert told.peak > 16 * told.num_parameters
    # 6 operations a parameter and token, and those of attention (Kaplan et al. 2020).
    attention = (14 if TILES else 12) * 96 * 2048 * 12288  # by tiles scores are made anew
    per_token = told.read.flops / 2048
    embedding = (50257 + 2048) * 12288
    unread = 2 * 4 * 12288**2  # the last feed-forward computes a single row
    expected = 6 * (told.num_parameters - embedding - unread) + attention
    assert per_token == pytest.approx(expected, rel=1e-3)


def test_time_adds_up() -> None:
    speed = Speed(flops=10.0, moved=5.0, operation=0.5)
    assert Work(20, 10, 4).seconds(speed) == 2 + 2 + 2


@pytest.mark.parametrize(
    "case",
    [
        Case("bert", 256, 4, 16, (16, 256), vocabulary=5000),
        Case("t5", 256, 2, 16, (16, 128), dropout=0.0, vocabulary=5000),
    ],
    ids=lambda case: case.family,
)
def test_forecast_against_a_real_run(case: Case) -> None:
    command = [sys.executable, "-m", "benchmarks.forecast", "--steps", "2"]
    command += ["--case", json.dumps(asdict(case))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["forecast"] == pytest.approx(found["measured"], rel=0.2)
    own = found["forecast"] - found["base"]
    assert own == pytest.approx(found["measured"] - found["base"], rel=0.4)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5000)), max_size=60))
def test_blocks_of_the_heap_never_overlap(requests: list[tuple[bool, int]]) -> None:
    heap, held = Heap(), []
    for take, number in requests:
        if take or not held:
            held.append(heap.take(number))
        else:
            heap.give_back(*held.pop(number % len(held)))
        ordered = sorted(block for block in held if block[1])
        assert all(a[0] + a[1] <= b[0] for a, b in pairwise(ordered))
        assert all(start + size <= heap.top for start, size in held)


def test_a_hole_is_used_again_where_it_is_large_enough() -> None:
    heap = Heap()
    first, second, _ = heap.take(1024), heap.take(1024), heap.take(64)
    heap.give_back(*first)
    heap.give_back(*second)
    top = heap.top
    assert heap.take(1900)[0] == 0
    assert heap.top == top
    heap.take(1024)
    assert heap.top > top


def test_several_processes_hold_a_part_each() -> None:
    model = build("encoder")
    told = forecast(model, objective(), Recipe(max_steps=2)).memory
    each = memory_of_each(told, model, 4)
    for name in ("weights", "gradients", "optimizer"):
        assert each[name] == -(-told[name] // 4)
    assert each["activations"] == told["activations"]
    # The model is whole in the end, in the place of the parts.
    in_parts = each["weights"] + each["gradients"] + each["optimizer"]
    assert each["whole"] + in_parts >= sum(4 * p.numel() for p in model.parameters())
    assert memory_of_each(told, model, 1) == told
