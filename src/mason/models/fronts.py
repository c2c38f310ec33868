"""Virtual tokens on a model: prompt tuning and prefix tuning, as PEFT's files have them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mason.errors import CheckpointError, SettingsError
from mason.layers import AdapterSpec
from mason.layers.adapters import Front, Fronts, Prefix, Prompt
from mason.models.adapters import activate
from mason.models.stack import Stack
from mason.models.transformer import Transformer

KINDS = {"prompt": "PROMPT_TUNING", "prefix": "PREFIX_TUNING"}
"""What PEFT calls them."""
TENSOR = "prompt_embeddings"
"""Under which PEFT's files have all of one."""
MOST_ROWS = 65_536
SAID = frozenset(
    """num_virtual_tokens token_dim num_transformer_submodules num_attention_heads num_layers
    prompt_tuning_init prompt_tuning_init_text tokenizer_name_or_path tokenizer_kwargs
    encoder_hidden_size prefix_projection init_weights""".split()
)
"""Keys of their files that say sizes, or only how they began."""


@torch.no_grad()
def attach_front(network: Transformer, spec: AdapterSpec, name: str = "default") -> Front:
    """Put virtual tokens before every text, in force from now on.

    They begin as random tokens of the vocabulary, or with what the layers keep of these.

    Raises:
        SettingsError: The model is no lone decoder, or has no vectors that a prompt could be.
    """
    stack = _stack(network, spec)
    tokens: Any = stack.embedding.tokens
    drawn = torch.randint(0, tokens.num_embeddings, (spec.virtual_tokens,))
    vectors: Tensor = tokens(drawn.to(_device(network))).float()
    front: Front
    if spec.kind == "prompt":
        front = Prompt(spec, vectors)
    else:
        front = Prefix(spec, _kept(stack, vectors), _heads(network))
    if stack.fronts is None:
        stack.fronts = Fronts()
    stack.fronts.adapters[name] = front
    activate(network, name)
    return front


def front_of(network: Transformer, name: str) -> Front | None:
    """The virtual tokens of this name."""
    fronts = network.decoder.fronts if network.decoder is not None else None
    if fronts is None or name not in fronts.adapters:
        return None
    found: Any = fronts.adapters[name]
    return found  # type: ignore[no-any-return]


def fill_front(front: Front, tensors: Mapping[str, Tensor], file: object) -> None:
    """Give virtual tokens the values of a file.

    Raises:
        CheckpointError: It has none, or of another shape.
    """
    found = tensors.get(TENSOR)
    if found is None or found.shape != front.values.shape:
        raise CheckpointError(
            "{file}: {name} has the shape {found}, the model's is {wanted}; the adapter is of "
            "another model.",
            file=file,
            name=TENSOR,
            found=None if found is None else list(found.shape),
            wanted=list(front.values.shape),
        )
    with torch.no_grad():
        front.values.copy_(found)


def said_of(network: Transformer, front: Front) -> dict[str, Any]:
    """What PEFT's config says of virtual tokens."""
    heads, width = _heads(network)
    assert network.decoder is not None, "asked for when they were attached"
    prompt = isinstance(front, Prompt)
    every = network.spec.stack.attention.num_heads
    size = front.values.shape[1] if prompt else heads * width
    own = {} if prompt else {"prefix_projection": False, "encoder_hidden_size": size}
    return {
        "peft_type": KINDS[front.spec.kind],
        "num_virtual_tokens": front.num_rows,
        "token_dim": size,
        "num_transformer_submodules": 1,
        "num_attention_heads": every if prompt else heads,
        "num_layers": network.decoder.spec.depth,
        **own,
    }


def _stack(network: Transformer, spec: AdapterSpec) -> Stack:
    stack = network.decoder
    if stack is None or network.encoder is not None:
        raise SettingsError(
            "An adapter of the kind {kind} puts rows before what a lone decoder reads, and this "
            "model is an {topology}; choose lora.",
            kind=spec.kind,
            topology=network.spec.topology,
        )
    if spec.kind == "prompt" and stack.embedding.scale != 1.0:
        raise SettingsError(
            "This model scales its token vectors, and tools disagree whether a prompt's are "
            "scaled too; choose prefix."
        )
    return stack


def _heads(network: Transformer) -> tuple[int, int]:
    """Key heads of a layer, and the width of each."""
    attention = network.spec.stack.attention
    return attention.num_kv_heads or attention.num_heads, attention.head_width_in(
        network.spec.width
    )


def _kept(stack: Stack, vectors: Tensor) -> Tensor:
    """Keys and values of each layer, side by side."""
    if vectors.is_meta:  # a run is planned
        attention, width = stack.spec.attention, stack.embedding.tokens.embedding_dim
        heads = attention.num_kv_heads or attention.num_heads
        each = 2 * heads * attention.head_width_in(width)
        return vectors.new_empty(len(vectors), stack.spec.depth * each)
    pairs = stack.remembered(vectors)
    return torch.cat([part.flatten(1) for pair in pairs for part in pair], 1).float()


def _device(network: Transformer) -> torch.device:
    return next(network.parameters()).device
