"""Configs: published ones of every age, transformers' defaults, and what is refused by name."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
import transformers

from benchmarks.parity_cases import OWN
from mason.errors import CheckpointError, SettingsError
from mason.layers import StackSpec
from mason.models.checkpoints import spec_of
from mason.models.families import FAMILIES
from mason.models.spec import ModelSpec
from mason.models.transformer import Transformer, num_parameters
from tests.models.published import PUBLISHED, Config

CLASSES = [(f, name) for f in FAMILIES.values() for name in f.architectures if name != OWN]
LLAMA_3 = PUBLISHED["Llama-3.1-8B"][0]
GEMMA_2 = PUBLISHED["gemma-2-2b"][0]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_config_has_its_number_of_parameters(name: str) -> None:
    config, published = PUBLISHED[name]
    with torch.device("meta"):
        model = Transformer(spec_of(config))
    assert num_parameters(model) == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize("name", PUBLISHED)
def test_written_config_is_read_alike_here_and_by_transformers(name: str) -> None:
    config, _ = PUBLISHED[name]
    family, spec = FAMILIES[config["model_type"]], spec_of(config)
    written = family.write_config(spec)
    assert spec_of(written) == spec
    kind = getattr(transformers, written["architectures"][0]).config_class
    theirs, ours = (kind(**said).to_dict() for said in (config, written))
    assert spec_of(theirs) == spec_of(ours)


@pytest.mark.parametrize(("family", "name"), CLASSES, ids=[name for _, name in CLASSES])
def test_defaults_are_those_of_transformers(family: Any, name: str) -> None:
    named = {"model_type": family.name, "architectures": [name]}
    dump = getattr(transformers, name).config_class().to_dict() | named
    assert _plain(spec_of(dump)) == _plain(spec_of(named))


def _plain(spec: ModelSpec) -> ModelSpec:
    """With what is derived filled in, and without labels: transformers invents some."""
    stacks = {"encoder": spec.encoder, "decoder": spec.decoder}
    filled = {name: _filled(stack, spec.width) for name, stack in stacks.items() if stack}
    return replace(spec, labels=(), **filled)


def _filled(stack: StackSpec, width: int) -> StackSpec:
    attention = stack.attention
    kv_heads = attention.num_kv_heads or attention.num_heads
    return replace(
        stack,
        attention=replace(
            attention, num_kv_heads=kv_heads, head_width=attention.head_width_in(width)
        ),
    )


def _older_and_newer() -> Iterator[tuple[str, Config, Config]]:
    scaling = {**LLAMA_3["rope_scaling"], "rope_theta": LLAMA_3["rope_theta"]}
    plain = {k: v for k, v in LLAMA_3.items() if k not in ("rope_scaling", "rope_theta")}
    yield "rope_parameters", LLAMA_3, {**plain, "rope_parameters": scaling, "dtype": "bfloat16"}
    linear = {"factor": 2.0, "rope_theta": 500000.0}
    older = {**plain, "rope_theta": 500000.0, "rope_scaling": {"type": "linear", "factor": 2.0}}
    yield "type", older, {**plain, "rope_parameters": {**linear, "rope_type": "linear"}}
    gemma_3 = PUBLISHED["gemma-3-1b-pt"][0]
    older = {**gemma_3, "rope_scaling": {"rope_type": "linear", "factor": 8.0}}
    dropped = ("rope_theta", "rope_local_base_freq", "rope_scaling", "sliding_window_pattern")
    newer = {k: v for k, v in older.items() if k not in dropped}
    kinds = (["sliding_attention"] * 5 + ["full_attention"]) * 5
    newer["layer_types"] = kinds[:26]
    newer["rope_parameters"] = {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    }
    yield "rope by layer type", older, newer
    yield "layer_types", GEMMA_2, {**GEMMA_2, "layer_types": kinds[4:6] * 13}


PAIRS = list(_older_and_newer())


@pytest.mark.parametrize(("older", "newer"), [p[1:] for p in PAIRS], ids=[p[0] for p in PAIRS])
def test_older_and_newer_spellings_say_the_same(older: Config, newer: Config) -> None:
    assert spec_of(older) == spec_of(newer)


def test_windows_of_every_family() -> None:
    def pattern(name: str, **changes: Any) -> tuple[tuple[str, ...], int | None]:
        stack = spec_of({**PUBLISHED[name][0], **changes}).stack
        return stack.pattern, stack.window

    assert pattern("Mistral-7B-v0.1") == (("local",) * 32, 4096)
    assert pattern("Mistral-7B-v0.1", sliding_window=None) == (("full",) * 32, None)
    assert pattern("Qwen2-0.5B") == (("full",) * 24, None)
    assert pattern("Qwen2-0.5B", use_sliding_window=True, max_window_layers=20) == (
        ("full",) * 20 + ("local",) * 4,
        131072,
    )
    assert pattern("gemma-2-2b") == (("local", "full") * 13, 4096)
    assert pattern("gpt-neo-125m") == (("full", "local") * 6, 256)
    assert pattern("gpt2") == ((), None)


def test_null_means_none_only_where_it_can() -> None:
    assert spec_of(GEMMA_2).stack.attention.softcap == 50.0
    assert spec_of({**GEMMA_2, "attn_logit_softcapping": None}).stack.attention.softcap is None
    gpt2 = PUBLISHED["gpt2"][0]
    assert spec_of({**gpt2, "n_inner": None}).stack.feed_forward.width == 4 * 768
    assert spec_of({"model_type": "llama", "eos_token_id": None}).special.eos is None
    assert spec_of({"model_type": "llama"}).special.eos == 2


def test_two_labels_may_go_unsaid() -> None:
    config = {**PUBLISHED["gpt2"][0], "architectures": ["GPT2ForSequenceClassification"]}
    assert spec_of(config).labels == ("LABEL_0", "LABEL_1")
    assert spec_of(PUBLISHED["gpt2"][0]).labels == ()


def test_other_spellings_of_a_key() -> None:
    gpt2 = PUBLISHED["gpt2"][0]
    plain = {k: v for k, v in gpt2.items() if k != "n_embd"}
    assert spec_of({**plain, "hidden_size": 768}) == spec_of(gpt2)
    with pytest.raises(CheckpointError, match="hidden_size is 512 but n_embd is 768"):
        spec_of({**gpt2, "hidden_size": 512})


REFUSED = [
    ("gpt2", "scale_attn_by_inverse_layer_idx", True),
    ("gpt2", "reorder_and_upcast_attn", True),
    ("gpt2", "add_cross_attention", True),
    ("gpt2", "is_decoder", True),
    ("gpt2", "activation_function", "laplace"),
    ("gpt-neo-125m", "attention_types", [[["global", "sparse"], 6]]),
    ("Llama-3.1-8B", "rope_scaling", {"rope_type": "longrope", "factor": 2.0}),
    ("Llama-3.1-8B", "num_nextn_predict_layers", 1),
    ("Mistral-7B-v0.1", "rope_scaling", {"type": "su", "factor": 2.0}),
    ("Mistral-7B-v0.1", "layer_types", ["full_attention"] * 32),
    ("Mistral-7B-v0.1", "attention_bias", True),
    ("Mistral-7B-v0.1", "partial_rotary_factor", 0.5),
    ("Qwen2-0.5B", "layer_types", ["chunked_attention"] * 24),
    ("Qwen2-0.5B", "quantization_config", {"bits": 4}),
    ("Qwen3-0.6B", "num_experts", 8),
    ("gemma-2-2b", "use_bidirectional_attention", True),
    ("gemma-2-2b", "rope_local_base_freq", 10000),
    ("gemma-3-1b-pt", "attn_logit_softcapping", 50.0),
    ("t5-small", "feed_forward_proj", "gated-relu"),
    ("bart-base", "normalize_before", True),
    ("bart-base", "normalize_embedding", False),
    ("bart-base", "is_encoder_decoder", False),
    ("opus-mt-en-de", "static_position_embeddings", False),
    ("opus-mt-en-de", "normalize_embedding", True),
]


@pytest.mark.parametrize(("name", "key", "value"), REFUSED, ids=[f"{n} {k}" for n, k, _ in REFUSED])
def test_a_key_that_would_change_the_computation_is_refused(
    name: str, key: str, value: Any
) -> None:
    named = "rope_type" if key == "rope_scaling" else key
    with pytest.raises(CheckpointError, match=f"^config.json: {named} ") as told:
        spec_of({**PUBLISHED[name][0], key: value})
    assert "\n" not in str(told.value)


def test_layer_drop_acts_in_training_only_and_is_read() -> None:
    bart = PUBLISHED["bart-base"][0]
    assert spec_of({**bart, "encoder_layerdrop": 0.1}) == spec_of(bart)


def test_a_window_without_a_width_is_refused() -> None:
    with pytest.raises(SettingsError, match="there is no window"):
        spec_of({**PUBLISHED["Qwen2-0.5B"][0], "layer_types": ["sliding_attention"] * 24})


def test_what_a_format_cannot_say_is_not_written() -> None:
    spec = spec_of(PUBLISHED["Mistral-7B-v0.1"][0])
    assert spec.decoder
    mixed = replace(spec, decoder=replace(spec.decoder, pattern=("full", "local") * 16))
    with pytest.raises(CheckpointError, match="no word for the attention pattern"):
        FAMILIES["mistral"].write_config(mixed)
    assert FAMILIES["qwen2"].write_config(mixed)["layer_types"][:2] == [
        "full_attention",
        "sliding_attention",
    ]
    bart = spec_of(PUBLISHED["bart-base"][0], ("language",))
    untied = replace(bart, heads={"language": replace(bart.heads["language"], tied=False)})
    with pytest.raises(CheckpointError, match="tie_word_embeddings"):
        FAMILIES["bart"].write_config(untied)
