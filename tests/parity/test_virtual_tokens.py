"""Prompt and prefix tuning beside PEFT: it loads our folder and computes as we do, and we its."""

from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from torch import Tensor

from benchmarks.parity_cases import CASES
from benchmarks.parity_oracle import LIMITS, Pair, distance
from mason.errors import CheckpointError, SettingsError
from mason.generation import Sampling, generate
from mason.layers import AdapterSpec, Pages
from mason.models.adapters import activate, adapter_names, freeze, merge
from mason.models.fronts import KINDS, TENSOR, attach_front, front_of
from mason.models.packed import Packed
from mason.models.peft import add_adapter, load_adapter, read_adapter
from mason.models.peft_writing import write_adapter

NAMED = {case.name: case for case in CASES}
FAMILIES = (
    "GPT2LMHeadModel (tied)",
    "LlamaForCausalLM (tied)",
    "Qwen3ForCausalLM (windows, biases)",
)
KNOWN = [(name, kind) for name in FAMILIES for kind in KINDS]
ROWS = 3


def given(name: str, kind: str, folder: Path, rows: int = ROWS) -> Pair:
    """A pair whose side of ours has virtual tokens, as if they had learned."""
    pair = Pair.random(NAMED[name], folder)
    torch.manual_seed(2)
    front = attach_front(pair.ours, AdapterSpec(kind, virtual_tokens=rows))
    front.values.data += 0.1 * torch.randn_like(front.values)
    return pair


def written(pair: Pair, folder: Path) -> Path:
    folder.mkdir()
    write_adapter(
        pair.ours,
        pair.checkpoint.family,
        folder,
        name="default",
        base=str(pair.folder / "theirs"),
        revision=None,
        beside=(),
    )
    return folder


def logits(pair: Pair) -> Tensor:
    with torch.no_grad():
        return pair.ours.logits("language", *pair.streams.packed)


def theirs(model: Any, pair: Pair, kind: str) -> Tensor:
    """Their outputs of real tokens, one sequence after another."""
    with torch.no_grad():
        found = model(**pair.streams.padded).logits
    found = found[:, ROWS:] if kind == "prompt" else found
    lengths = pair.streams.packed[0].lengths
    return torch.cat([row[:n] for row, n in zip(found, lengths, strict=True)])


@pytest.mark.parametrize(("name", "kind"), KNOWN)
def test_peft_reads_ours_and_computes_the_same(name: str, kind: str, tmp_path: Path) -> None:
    pair = given(name, kind, tmp_path)
    folder = written(pair, tmp_path / "adapter")
    model = peft.PeftModel.from_pretrained(pair.theirs, folder).eval()
    ours = logits(pair)
    activate(pair.ours, None)
    assert distance(ours, logits(pair)) > 1e-3, "a comparison of nothing proves nothing"
    assert distance(ours, theirs(model, pair, kind)) < LIMITS["outputs"]


@pytest.mark.parametrize(("name", "kind"), KNOWN)
def test_ours_reads_pefts_and_computes_the_same(name: str, kind: str, tmp_path: Path) -> None:
    pair = Pair.random(NAMED[name], tmp_path)
    known = {"task_type": "CAUSAL_LM", "num_virtual_tokens": ROWS}
    own = peft.PromptTuningConfig(**known) if kind == "prompt" else peft.PrefixTuningConfig(**known)
    torch.manual_seed(5)
    model = peft.get_peft_model(pair.theirs, own).eval()
    model.save_pretrained(tmp_path / "adapter")
    load_adapter(pair.ours, pair.checkpoint.family, read_adapter(tmp_path / "adapter"))
    assert distance(logits(pair), theirs(model, pair, kind)) < LIMITS["outputs"]


@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_written_as_they_are_read(kind: str, tmp_path: Path) -> None:
    """Cached, in pages, a piece at a time, and with guesses: all as from one reading."""
    pair = given("LlamaForCausalLM (tied)", kind, tmp_path)
    prompts = [[5, 9, 7], [6, 11, 8, 12, 9, 6]]
    options = {"max_new_tokens": 6, "stop_tokens": ()}
    wanted = []
    for prompt in prompts:
        ids = list(prompt)
        for _ in range(6):
            with torch.no_grad():
                ids.append(int(pair.ours.logits("language", Packed.of([ids]))[-1].argmax()))
        wanted.append(ids[len(prompt) :])
    spec = pair.ours.spec.decoder
    assert spec is not None
    for more in ({}, {"prefill_chunk": 2}, {"num_drafts": 3}):
        for pages in (None, Pages(spec.depth)):
            found = generate(pair.ours, prompts, Sampling(**options, **more), pages=pages)
            assert [one.tokens for one in found] == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_only_they_learn_and_learn_right(kind: str, tmp_path: Path) -> None:
    pair = given("LlamaForCausalLM (tied)", kind, tmp_path)
    freeze(pair.ours, ())
    front = front_of(pair.ours, "default")
    assert front is not None
    assert [p is front.values for p in pair.ours.parameters() if p.requires_grad] == [True]
    packed = pair.streams.packed
    weights = torch.randn(3, generator=torch.Generator().manual_seed(1))

    def loss() -> Tensor:
        return (pair.ours.logits("language", *packed)[:, :3] * weights).sum()

    loss().backward()
    assert front.values.grad is not None
    step = front.values.grad / front.values.grad.norm()
    with torch.no_grad():
        front.values += 1e-2 * step
        above = loss()
        front.values -= 2e-2 * step
        below = loss()
    assert (above - below) / 2e-2 == pytest.approx(float(front.values.grad.norm()), rel=0.02)


def test_they_are_switched_like_any_adapter_and_do_not_merge(tmp_path: Path) -> None:
    pair = given("LlamaForCausalLM (tied)", "prefix", tmp_path)
    folder, before = written(pair, tmp_path / "adapter"), logits(pair)
    add_adapter(pair.ours, pair.checkpoint.family, folder, "again")
    assert adapter_names(pair.ours) == ("default", "again")
    assert torch.equal(logits(pair), before)
    with pytest.raises(SettingsError, match="kind prefix is no linear map"):
        merge(pair.ours, "default")


def test_what_does_not_fit_is_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    folder = written(given("GPT2LMHeadModel (tied)", "prefix", tmp_path), tmp_path / "adapter")
    other = Pair.random(NAMED["LlamaForCausalLM (tied)"], tmp_path)
    with pytest.raises(CheckpointError, match=TENSOR):
        add_adapter(other.ours, other.checkpoint.family, folder, "mine")
    assert adapter_names(other.ours) == ()
    encoder = Pair.random(NAMED["BertForSequenceClassification"], tmp_path)
    with pytest.raises(SettingsError, match="choose lora"):
        attach_front(encoder.ours, AdapterSpec("prompt"))
