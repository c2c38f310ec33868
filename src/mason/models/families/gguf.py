"""GGUF metadata and names as a Hugging Face config and its names."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from mason.errors import CheckpointError
from mason.models.families.keys import Config
from mason.models.families.weights import match
from mason.models.files import LazyTensor, Weights

KEYS = {
    "embedding_length": "hidden_size",
    "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "attention.key_length": "head_dim",
    "context_length": "max_position_embeddings",
    "rope.freq_base": "rope_theta",
    "vocab_size": "vocab_size",
}
NEEDED = ("embedding_length", "block_count", "feed_forward_length", "attention.head_count")
HEAD_WIDTHS = ("rope.dimension_count", "attention.value_length")
"""Keys that may only repeat the width of a head: rotary turns all of it, values are as wide."""
SPECIAL = {"bos": "bos_token_id", "eos": "eos_token_id", "padding": "pad_token_id"}
NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
    "blk.{i}.attn_norm.weight": "model.layers.{i}.input_layernorm.weight",
    "blk.{i}.attn_q.weight": "model.layers.{i}.self_attn.q_proj.weight",
    "blk.{i}.attn_k.weight": "model.layers.{i}.self_attn.k_proj.weight",
    "blk.{i}.attn_v.weight": "model.layers.{i}.self_attn.v_proj.weight",
    "blk.{i}.attn_output.weight": "model.layers.{i}.self_attn.o_proj.weight",
    "blk.{i}.ffn_norm.weight": "model.layers.{i}.post_attention_layernorm.weight",
    "blk.{i}.ffn_gate.weight": "model.layers.{i}.mlp.gate_proj.weight",
    "blk.{i}.ffn_up.weight": "model.layers.{i}.mlp.up_proj.weight",
    "blk.{i}.ffn_down.weight": "model.layers.{i}.mlp.down_proj.weight",
}
HEADS = {
    "blk.{i}.attn_q.weight": "num_attention_heads",
    "blk.{i}.attn_k.weight": "num_key_value_heads",
}
"""Weights stored for interleaved rotary pairs, and the key that counts their heads."""


def from_gguf(weights: Weights, path: Path) -> tuple[Config, Weights]:
    """A GGUF file's config and weights, as if they came from a Hugging Face folder.

    Raises:
        CheckpointError: The architecture or something it says is not known.
    """
    config = _config(weights, path)
    tensors: dict[str, LazyTensor] = {}
    for name, lazy in weights.tensors.items():
        pattern, wild = _pattern(name, path)
        theirs = NAMES[pattern].replace("{i}", wild.get("i", ""))
        if pattern in HEADS:
            read = partial(_rotate_half, lazy, config[HEADS[pattern]])
            lazy = LazyTensor(lazy.shape, lazy.dtype, lazy.source, read)
        tensors[theirs] = lazy
    config["tie_word_embeddings"] = "lm_head.weight" not in tensors
    if (tokens := tensors.get("model.embed_tokens.weight")) is not None:
        config.setdefault("vocab_size", tokens.shape[0])
    return config, Weights(tensors)


def to_gguf(
    config: Config, tensors: Mapping[str, Tensor]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A GGUF file's metadata and weights for a Llama's config and weights; see ``from_gguf``.

    Args:
        config: Under Hugging Face's names.
        tensors: The same; of tied ones the copy may be left out.
    """
    heads = config["num_attention_heads"]
    width = config.get("head_dim") or config["hidden_size"] // heads
    known = {"head_dim": width, "rope_theta": _theta(config)} | config
    told = {f"llama.{key}": known[name] for key, name in KEYS.items() if name in known}
    told |= {f"llama.{key}": width for key in HEAD_WIDTHS}
    found = {}
    for pattern, theirs in NAMES.items():
        for name, tensor in tensors.items():
            if (wild := match(theirs, name)) is None:
                continue
            ours = pattern.replace("{i}", wild.get("i", ""))
            found[ours] = (
                _interleaved(tensor, config[HEADS[pattern]]) if pattern in HEADS else tensor
            )
    return told, found


def _theta(config: Config) -> float:
    rope = config.get("rope_parameters") or {}
    return float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0)


def _config(weights: Weights, path: Path) -> Config:
    metadata = weights.metadata
    architecture = metadata.get("general.architecture")
    if architecture != "llama":
        raise CheckpointError(
            "{path}: the GGUF architecture {name!r} is not one Mason reads; it reads llama.",
            path=path,
            name=architecture,
        )
    said = _under(metadata, f"{architecture}.")
    for key in NEEDED:
        if key not in said:
            raise CheckpointError(
                "{path}: {key} is not said; the file is not whole, fetch it again.",
                path=path,
                key=f"{architecture}.{key}",
            )
    config: Config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
    for key, value in said.items():
        if key in KEYS and isinstance(value, int | float):
            config[KEYS[key]] = value
        elif key not in HEAD_WIDTHS:
            _refuse(key, value, path)
    config.setdefault("num_key_value_heads", config["num_attention_heads"])
    width = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    for key in HEAD_WIDTHS:
        if said.get(key, width) != width:
            _refuse(key, said[key], path)
    for name, key in SPECIAL.items():
        if (token := metadata.get(f"tokenizer.ggml.{name}_token_id")) is not None:
            config[key] = token
    return config


def _refuse(key: str, value: Any, path: Path) -> None:
    raise CheckpointError(
        "{path}: {key} = {value!r} is not known and may change the computation; "
        "load the model's original folder instead.",
        path=path,
        key=key,
        value=value,
    )


def _under(metadata: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in metadata.items() if k.startswith(prefix)}


def _pattern(name: str, path: Path) -> tuple[str, dict[str, str]]:
    for pattern in NAMES:
        if (wild := match(pattern, name)) is not None:
            return pattern, wild
    raise CheckpointError(
        "{path}: the weight {name} has no place in a {family} model; it would be lost without "
        "a word, so the model is not loaded.",
        path=path,
        name=name,
        family="llama",
    )


def _rotate_half(lazy: LazyTensor, num_heads: int) -> Tensor:
    """Rows of interleaved rotary pairs put in halves, as Hugging Face and Mason have them."""
    tensor = lazy.read()
    if tensor.ndim != 2 or tensor.shape[0] % (2 * num_heads):
        return tensor  # of a shape that whoever asked for it refuses
    pairs = tensor.view(num_heads, -1, 2, tensor.shape[1])
    return pairs.transpose(1, 2).reshape(tensor.shape)


def _interleaved(tensor: Tensor, num_heads: int) -> Tensor:
    """Rows of rotary halves put in pairs: the way back."""
    halves = tensor.view(num_heads, 2, -1, tensor.shape[1])
    return halves.transpose(1, 2).reshape(tensor.shape)
