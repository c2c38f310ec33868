"""What each block is made of: frozen, named, and nothing written twice.

``kind`` names a registered class or is a class itself, so a user's own block drops in
without touching Mason. A field set to None means "none of it" or "derive it", as said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mason.errors import SettingsError

Kind = str | type


@dataclass(frozen=True)
class NormSpec:
    """A norm: LayerNorm (Ba et al. 2016) or RMSNorm (Zhang & Sennrich 2019)."""

    kind: Kind = "layer"
    epsilon: float = 1e-5
    bias: bool = True
    """LayerNorm only."""
    unit_offset: bool = False
    """Multiply by 1 + weight, as Gemma does (RMSNorm only)."""


@dataclass(frozen=True)
class RotarySpec:
    """Rotary positions (Su et al. 2021) in the rotate-half layout."""

    theta: float = 10000.0
    scaling: str = "default"
    """One of ``positions.SCALINGS``: default, linear, dynamic, yarn, llama3."""
    options: Mapping[str, float | bool] | None = None
    """The scaling's own numbers, by their published names."""
    max_positions: int | None = None
    """The length the model was trained for; dynamic and yarn need it."""


@dataclass(frozen=True)
class RelativeSpec:
    """Learned biases on bucketed distances (Raffel et al. 2020)."""

    num_buckets: int = 32
    max_distance: int = 128


@dataclass(frozen=True)
class AttentionSpec:
    """Multi-head, grouped-query or multi-query attention (Vaswani et al. 2017)."""

    num_heads: int = 12
    num_kv_heads: int | None = None
    """Fewer than ``num_heads`` shares keys and values; 1 is multi-query; None: all."""
    head_width: int | None = None
    """None: the model's width divided by ``num_heads``."""
    kind: Kind = "multi_head"
    bias: bool = True
    """A bias on query, key and value."""
    output_bias: bool = True
    scale: float | None = None
    """Factor on the scores; None: 1 / sqrt(head_width)."""
    scale_base: float | None = None
    """None, or the number whose inverse square root is the scale."""
    softcap: float | None = None
    """Scores become cap * tanh(scores / cap)."""
    dropout: float = 0.0
    query_key_norm: NormSpec | None = None
    """A norm on each head's queries and keys (Henry et al. 2020)."""
    rotary: RotarySpec | None = None

    def __post_init__(self) -> None:
        """Refuse heads that cannot share keys evenly."""
        if self.num_heads % (self.num_kv_heads or self.num_heads):
            raise SettingsError(
                "{heads} attention heads cannot share {shared} key and value heads evenly; choose "
                "a number that divides {heads}.",
                heads=self.num_heads,
                shared=self.num_kv_heads,
            )

    def head_width_in(self, width: int) -> int:
        """Features of a head in a model of this width.

        Raises:
            SettingsError: The width is no multiple of the number of heads.
        """
        if self.head_width is None and width % self.num_heads:
            raise SettingsError(
                "A width of {width} cannot be cut into {heads} attention heads of equal width; "
                "choose a multiple of {heads}, or set head_width.",
                width=width,
                heads=self.num_heads,
            )
        return self.head_width or width // self.num_heads


@dataclass(frozen=True)
class FeedForwardSpec:
    """Two linear maps around an activation; three when gated (Shazeer 2020)."""

    width: int = 3072
    kind: Kind = "feed_forward"
    activation: str = "gelu"
    gated: bool = False
    bias: bool = True
    dropout: float = 0.0
    """Dropout between the two linear maps."""


@dataclass(frozen=True)
class EmbeddingSpec:
    """Tokens, positions and token types to vectors."""

    vocab_size: int = 30522
    kind: Kind = "embedding"
    width: int | None = None
    """None: the model's width; smaller is factorised (Lan et al. 2020), then projected."""
    project: bool = False
    """Project to the model's width even when the widths are equal."""
    positions: Literal["learned", "sinusoidal"] | None = None
    num_positions: int = 512
    position_offset: int = 0
    """Row of position 0 in the learned table."""
    num_token_types: int = 0
    norm: NormSpec | None = None
    scale: bool = False
    """Multiply token vectors by sqrt(width)."""
    dropout: float = 0.0


@dataclass(frozen=True)
class StackSpec:
    """An encoder or a decoder: an embedding, ``depth`` layers, perhaps a last norm."""

    depth: int = 12
    embedding: EmbeddingSpec = EmbeddingSpec()
    attention: AttentionSpec = AttentionSpec()
    feed_forward: FeedForwardSpec = FeedForwardSpec()
    norm: NormSpec = NormSpec()
    placement: Literal["pre", "post", "sandwich"] = "post"
    """Norm before each block, after the residual sum, or before and after the block."""
    final_norm: bool = False
    first_norm: bool = True
    """False: no norm before the first layer's attention (ModernBERT)."""
    dropout: float = 0.0
    """Dropout on what each block adds."""
    final_dropout: float = 0.0
    """Dropout after the last norm."""
    causal: bool = False
    cross: bool = False
    """Attend to the encoder as well."""
    pattern: tuple[str, ...] = ()
    """"full" or "local" for each layer; empty: all full."""
    window: int | None = None
    """A local layer sees positions at a distance below this."""
    local_rotary: RotarySpec | None = None
    """Rotary of the local layers; None: the same as the full ones'."""
    relative: RelativeSpec | None = None
    alibi: bool = False
    """Linear biases on distance (Press et al. 2022)."""
    shared: bool = False
    """One layer's weights used ``depth`` times (Lan et al. 2020)."""

    def __post_init__(self) -> None:
        """Refuse a pattern that says something else than is computed."""
        unknown = set(self.pattern) - {"full", "local"}
        if unknown:
            raise SettingsError(
                'The attention pattern has {unknown}; each layer is "full" or "local".',
                unknown=", ".join(sorted(unknown)),
            )
        if self.pattern and len(self.pattern) != self.depth:
            raise SettingsError(
                "The attention pattern names {named} layers, but the stack has {depth}; name each "
                "layer once.",
                named=len(self.pattern),
                depth=self.depth,
            )
        if "local" in self.pattern and self.window is None:
            raise SettingsError(
                'The attention pattern has "local" layers, but there is no window; set window to '
                "the distance they see."
            )
        if self.window is not None and not self.pattern:
            raise SettingsError(
                "There is a window but no attention pattern, so no layer would use it; set pattern "
                'to "local" for the layers that shall.'
            )
        if self.relative is not None and self.alibi:
            raise SettingsError(
                "A stack has either relative biases or ALiBi; remove one of relative and alibi."
            )


@dataclass(frozen=True)
class HeadSpec:
    """From hidden states to outputs: pool, dense, activation, norm, dropout, output."""

    outputs: int | Literal["labels"] | None = None
    """Number of outputs, or as many as there are labels; None: the labels where the head pools,
    else the vocabulary; 0: no output matrix, so that the head gives what would go into one
    (BERT's pooler)."""
    pool: Literal["first", "last", "mean"] | None = None
    """One vector a sequence, or None for one a token."""
    input_dropout: float = 0.0
    dense: bool = False
    dense_width: int | None = None
    """Output width of the dense map; None: the model's width."""
    dense_bias: bool = True
    activation: str | None = None
    norm: NormSpec | None = None
    dropout: float = 0.0
    bias: bool = True
    tied: bool = False
    """The output matrix is the embedding's."""
    scale: bool = False
    """Multiply hidden states by 1 / sqrt(width) first (T5 with tied output)."""
    softcap: float | None = None
