"""The one Transformer: every family and every topology is this module and a spec."""

from collections.abc import Collection

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mason.errors import SettingsError
from mason.layers import (
    Attention,
    Cache,
    Dropout,
    HeadSpec,
    Int4Linear,
    Int8Embedding,
    Int8Linear,
    NF4Linear,
    RelativeBias,
)
from mason.models.heads import Head
from mason.models.layer import Layer
from mason.models.packed import Packed
from mason.models.spec import ModelSpec
from mason.models.stack import Look, Stack


class Transformer(nn.Module):
    """Encoder, decoder or both, with heads by name (Vaswani et al. 2017 and after).

    Args:
        spec: What it is made of; the weights start fresh.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.encoder = Stack(spec.encoder, spec.width) if spec.encoder else None
        self.decoder = Stack(spec.decoder, spec.width) if spec.decoder else None
        if self.encoder and self.decoder and spec.share_embeddings:
            self.decoder.embedding.tokens = self.encoder.embedding.tokens
        self.heads = nn.ModuleDict({n: self._head(h) for n, h in spec.heads.items()})
        self.apply(self.initialise)

    def _head(self, spec: HeadSpec) -> Head:
        stack = self.decoder or self.encoder
        assert stack is not None, "a spec has a stack"
        vocabulary = self.spec.stack.embedding.vocab_size
        num_labels = max(len(self.spec.labels), 1)
        outputs = num_labels if spec.outputs == "labels" else spec.outputs
        if outputs is None:
            outputs = num_labels if spec.pool else vocabulary
        tied = stack.embedding.tokens.weight if spec.tied else None
        return Head(spec, self.spec.width, outputs, tied=tied)

    def initialise(self, module: nn.Module) -> None:
        """Give a module fresh weights, normal with the spec's deviation; biases are zero."""
        if any(p.is_meta for p in module.parameters(recurse=False)):
            return  # PyTorch would load its compiler, a second and 90 MB, to draw nothing
        if isinstance(module, nn.Linear | nn.Embedding | RelativeBias):
            nn.init.normal_(module.weight, std=self.spec.initial_std)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(
        self,
        source: Packed,
        target: Packed | None = None,
        *,
        cache: Cache | None = None,
        look: Look | None = None,
        at: Int[Tensor, "R"] | None = None,
    ) -> Float[Tensor, "R D"]:
        """Hidden states of the last stack: of every token, or of those asked for.

        Args:
            source: What is read: the encoder's tokens, or the decoder's if it is alone.
            target: The decoder's tokens where there is an encoder too. Sequence *i* of
                source and target belong together.
            cache: A lone decoder's earlier keys and values; grows.
            look: Called with the last stack's layers and their rows.
            at: Rows to give; None: all. Fewer are less work.

        Raises:
            SettingsError: The model reads one stream and got two, or the other way round.
        """
        if (target is not None) != (self.spec.topology == "encoder-decoder"):
            raise SettingsError(
                "An encoder-decoder reads a source and a target, any other model a source alone; "
                "this model's topology is {topology}.",
                topology=self.spec.topology,
            )
        hidden: Tensor
        if self.encoder is None:
            assert self.decoder is not None, "a spec has a stack"
            hidden = self.decoder(source, cache=cache, look=look, at=at)
        elif target is None:
            hidden = self.encoder(source, look=look, at=at)
        else:
            hidden = self.decode(target, self.encoder(source), source, look=look, at=at)
        return hidden

    def decode(
        self,
        target: Packed,
        encoded: Float[Tensor, "S D"] | None,
        source: Packed,
        *,
        cache: Cache | None = None,
        cross_cache: Cache | None = None,
        look: Look | None = None,
        at: Int[Tensor, "R"] | None = None,
    ) -> Float[Tensor, "R D"]:
        """The decoder's hidden states, given the encoder's.

        Args:
            target: The decoder's (new) tokens.
            encoded: The encoder's hidden states; None once ``cross_cache`` holds them.
            source: The encoder's tokens, for their layout.
            cache: Earlier keys and values of the decoder; grows.
            cross_cache: Keys and values of the encoded rows.
            look: Called with the decoder's layers and their rows.
            at: Rows to give; None: all.
        """
        assert self.decoder is not None, "decoding needs a decoder"
        layout = source.layout
        if cross_cache is not None:
            layout = cross_cache.held(source.layout, fill=encoded is not None)
        hidden: Tensor = self.decoder(
            target,
            source=encoded,
            source_layout=layout,
            cache=cache,
            cross_cache=cross_cache,
            look=look,
            at=at,
        )
        return hidden

    def logits(
        self,
        head: str,
        source: Packed,
        target: Packed | None = None,
        *,
        at: Tensor | None = None,
        look: Look | None = None,
    ) -> Float[Tensor, "R O"]:
        """Outputs of one head: a row a sequence if it pools, else a row a token.

        Args:
            head: The head's name.
            source: See ``forward``.
            target: See ``forward``.
            at: Rows of the hidden states to give outputs for; None: those the head pools, or
                all.
            look: Called with the last stack's layers and their rows, each of them all.

        Raises:
            SettingsError: The model has no head of this name.
        """
        if head not in self.heads:
            raise SettingsError(
                "The model has no head {name!r}; it has {known}.",
                name=head,
                known=", ".join(self.heads) or "none",
            )
        chosen: Head = self.heads[head]  # type: ignore[assignment]
        layout = (target or source).layout
        rows = chosen.rows(layout) if at is None else at
        hidden = self(source, target, at=None if look else rows, look=look)
        if look and rows is not None:
            hidden = hidden.index_select(0, rows)
        outputs: Tensor = chosen(chosen.pool(hidden, layout) if rows is None else hidden)
        return outputs


def num_parameters(model: nn.Module) -> int:
    """Parameters, rounded ones too, each counted once however often it is used."""
    return sum(p.numel() for p in model.parameters()) + sum(size for _, size in _rounded(model))


def num_bytes(model: nn.Module) -> int:
    """What the parameters take in memory, without the scales of rounded ones."""
    return sum(p.nbytes for p in (*model.parameters(), *(held for held, _ in _rounded(model))))


def _rounded(model: nn.Module) -> Collection[tuple[Tensor, int]]:
    """What is held of rounded parameters, and how many numbers each stands for."""
    found: dict[int, tuple[Tensor, int]] = {}
    for module in model.modules():
        if isinstance(module, NF4Linear | Int4Linear):  # several numbers in one
            weight, size = module.packed, module.out_features * module.in_features
        elif isinstance(module, Int8Linear | Int8Embedding):
            weight, size = module.weight, module.weight.numel()
        else:
            continue
        found[id(weight)] = weight, size
        bias = getattr(module, "bias", None)
        if bias is not None:
            found[id(bias)] = bias, bias.numel()
    return found.values()


def device_of(model: nn.Module) -> torch.device:
    """Where the model's parameters live."""
    return next(model.parameters()).device


def set_dropout(model: nn.Module, rate: float) -> None:
    """Give the dropouts of the model, attention's included, the same rate (0 to 1).

    Where only some architectures drop, such as within T5's feed-forward blocks, the rate is
    given to those that do.
    """
    for module in model.modules():
        if isinstance(module, Dropout):
            module.rate = rate if module.usual or module.rate else 0.0
        elif isinstance(module, Attention):
            module.dropout = rate


def has_dropout(model: nn.Module) -> bool:
    """Whether anything of the model is dropped while it trains."""
    dropouts = (m.rate for m in model.modules() if isinstance(m, Dropout))
    return any(dropouts) or any(m.dropout for m in model.modules() if isinstance(m, Attention))


def renew_top(model: Transformer, num_layers: int) -> list[str]:
    """Give the last layers of the last stack random weights, as before pretraining.

    What they hold is closest to the pretraining task and often in the way where rows are few
    (Zhang et al. 2021).

    Args:
        model: Changed in place.
        num_layers: How many, from the top.

    Returns:
        Names of the parameters that are new.

    Raises:
        SettingsError: It has fewer layers, or one set of weights for all of them.
    """
    stack, place = (model.decoder, "decoder") if model.decoder else (model.encoder, "encoder")
    assert stack is not None, "a spec has a stack"
    depth = len(stack.layers)
    if num_layers > depth:
        raise SettingsError(
            "training.reinit-layers is {asked}, but the model has {depth} layers with weights of "
            "their own; choose at most {depth}.",
            asked=num_layers,
            depth=depth,
        )
    names = []
    for i in range(depth - num_layers, depth):
        fresh = Layer(stack.spec, model.spec.width, first_norm=stack.spec.first_norm or i > 0)
        fresh.apply(model.initialise)
        layer = stack.layers[i]
        if not next(layer.parameters()).is_meta:
            layer.load_state_dict(fresh.state_dict())
        names += [f"{place}.layers.{i}.{name}" for name, _ in layer.named_parameters()]
    return names


def computes_again(model: nn.Module) -> bool:
    """Whether the backward pass computes activations again."""
    return any(module.recompute for module in model.modules() if isinstance(module, Stack))


def set_recompute(model: nn.Module, on: bool) -> None:
    """Let the backward pass compute activations again, layer by layer, or remember them."""
    for module in model.modules():
        if isinstance(module, Stack):
            module.recompute = on
