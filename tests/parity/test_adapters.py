"""Adapters beside PEFT: it loads our folder and computes the same, and we load its."""

from pathlib import Path
from typing import Any

import peft
import pytest
import torch

from benchmarks.parity_cases import CASES
from benchmarks.parity_oracle import LIMITS, Pair, distance
from mason.errors import CheckpointError, SettingsError
from mason.layers import AdapterSpec
from mason.models.adapters import (
    adapted_maps,
    adapter_names,
    attach,
    chosen_places,
    hold_base,
    merge,
    places_of,
    usual_places,
)
from mason.models.peft import add_adapter, load_adapter, read_adapter
from mason.models.peft_writing import write_adapter

NAMED = {case.name: case for case in CASES}
FAMILIES = (
    "BertForSequenceClassification",
    "RobertaForTokenClassification",
    "DistilBertForQuestionAnswering",
    "ElectraForSequenceClassification",
    "ModernBertForSequenceClassification",
    "GPT2LMHeadModel (tied)",
    "GPTNeoForCausalLM (tied)",
    "LlamaForCausalLM (tied)",
    "LlamaForSequenceClassification",
    "Qwen3ForCausalLM (windows, biases)",
    "Gemma2ForCausalLM (tied)",
)
SPECS = {
    "lora": AdapterSpec("lora", 3, 5.0),
    "rslora": AdapterSpec("lora", 3, 5.0, rank_stabilised=True),
    "dora": AdapterSpec("dora", 3, 5.0),
    "ia3": AdapterSpec("ia3"),
}


KNOWN = [(name, "lora") for name in FAMILIES] + [
    (name, kind)
    for name in (FAMILIES[0], "GPT2LMHeadModel (tied)", "LlamaForCausalLM (tied)")
    for kind in ("rslora", "dora", "ia3")
]


def pair_of(name: str, folder: Path) -> Pair:
    return Pair.random(NAMED[name], folder)


def give(pair: Pair, spec: AdapterSpec, targets: tuple[str, ...] | None = None) -> None:
    """An adapter with values as if it had learned."""
    places = places_of(pair.ours, pair.checkpoint.family)
    chosen = chosen_places(places, targets) if targets else usual_places(places, spec.kind)
    attach(pair.ours, spec, chosen)
    generator = torch.Generator().manual_seed(3)
    for _, module in adapted_maps(pair.ours):
        for parameter in module.adapters.parameters():
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)


def write(pair: Pair, folder: Path) -> Path:
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


def moved(pair: Pair) -> float:
    """How far an adapter moves our outputs: a comparison of nothing proves nothing."""
    head = next(iter(pair.case.heads))
    with torch.no_grad():
        mine = pair.ours.logits(head, *pair.streams.packed)
        for _, module in adapted_maps(pair.ours):
            module.active = None
        plain = pair.ours.logits(head, *pair.streams.packed)
        for _, module in adapted_maps(pair.ours):
            module.active = "default"
    return distance(mine, plain)


@pytest.mark.parametrize(("name", "kind"), KNOWN)
def test_peft_reads_ours_and_computes_the_same(name: str, kind: str, tmp_path: Path) -> None:
    pair = pair_of(name, tmp_path)
    give(pair, SPECS[kind])
    folder = write(pair, tmp_path / "adapter")
    pair.theirs = peft.PeftModel.from_pretrained(pair.theirs, folder).eval()
    assert moved(pair) > 1e-3
    assert pair.logits() < LIMITS["outputs"]


@pytest.mark.parametrize(("name", "kind"), KNOWN)
def test_ours_reads_pefts_and_computes_the_same(name: str, kind: str, tmp_path: Path) -> None:
    pair = pair_of(name, tmp_path)
    family = pair.checkpoint.family
    places = places_of(pair.ours, family)
    own = usual_places(places, "ia3") if kind == "ia3" else places[::2]
    targets = [place.theirs for place in own]
    if kind == "ia3":
        inner = [p.theirs for p in own if p.module.endswith("feed_forward.block.output")]
        config: Any = peft.IA3Config(target_modules=targets, feedforward_modules=inner)
    else:
        config = peft.LoraConfig(
            r=3, target_modules=targets, use_dora=kind == "dora", use_rslora=kind == "rslora"
        )
    config.task_type = "SEQ_CLS" if "classification" in pair.case.heads else None
    torch.manual_seed(5)
    theirs = peft.get_peft_model(pair.theirs, config)
    for parameter in theirs.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn_like(parameter)
    theirs.save_pretrained(tmp_path / "adapter")
    pair.theirs = theirs.eval()
    load_adapter(pair.ours, family, read_adapter(tmp_path / "adapter"))
    assert moved(pair) > 1e-3
    assert pair.logits() < LIMITS["outputs"]


@pytest.mark.parametrize("bits", [32, 16, 8, 4])
@pytest.mark.parametrize("kind", SPECS)
def test_merged_is_unmerged(kind: str, bits: Any, tmp_path: Path) -> None:
    pair = pair_of("LlamaForCausalLM (tied)", tmp_path)
    hold_base(pair.ours, bits)
    give(pair, SPECS[kind])
    with torch.no_grad():
        before = pair.ours.logits("language", *pair.streams.packed)
        merge(pair.ours, "default")
        after = pair.ours.logits("language", *pair.streams.packed)
    assert adapter_names(pair.ours) == ()
    assert distance(after, before) < 1e-5


def test_a_bottleneck_comes_back_but_does_not_merge(tmp_path: Path) -> None:
    pair = pair_of("BertForSequenceClassification", tmp_path)
    give(pair, AdapterSpec("bottleneck", 3), ("output",))
    folder = write(pair, tmp_path / "adapter")
    again = pair_of("BertForSequenceClassification", tmp_path / "again")
    load_adapter(again.ours, again.checkpoint.family, read_adapter(folder))
    with torch.no_grad():
        both = [p.ours.logits("classification", *pair.streams.packed) for p in (pair, again)]
    assert torch.equal(*both)
    with pytest.raises(SettingsError, match="cannot be merged"):
        merge(pair.ours, "default")


def test_another_models_adapter_is_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    pair = pair_of("LlamaForCausalLM (tied)", tmp_path / "one")
    give(pair, SPECS["lora"])
    folder = write(pair, tmp_path / "adapter")
    other = pair_of("GPT2LMHeadModel (tied)", tmp_path / "two")
    with pytest.raises(CheckpointError, match="has no place in this model"):
        add_adapter(other.ours, other.checkpoint.family, folder, "mine")
    assert adapter_names(other.ours) == ()


def test_what_changes_the_computation_unknown_to_us_is_refused(tmp_path: Path) -> None:
    pair = pair_of("LlamaForCausalLM (tied)", tmp_path)
    config = peft.LoraConfig(r=3, target_modules=["q_proj"], lora_bias=True)
    peft.get_peft_model(pair.theirs, config).save_pretrained(tmp_path / "adapter")
    with pytest.raises(CheckpointError, match="lora_bias = True changes what is computed"):
        read_adapter(tmp_path / "adapter")
