"""Positions: rotary with its scalings, sinusoidal, ALiBi, bucketed distances."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mason.errors import SettingsError
from mason.layers.layout import Layout
from mason.layers.specs import RelativeSpec, RotarySpec

Options = Mapping[str, float | bool]
Frequencies = tuple[Tensor, float]
"""Inverse frequencies [d/2] and the factor on cosine and sine."""


def _plain(theta: float, width: int) -> Tensor:
    return theta ** -(torch.arange(0, width, 2, dtype=torch.float32) / width)


def _linear(spec: RotarySpec, width: int, options: Options) -> Frequencies:
    """Positions divided by a factor (Chen et al. 2023)."""
    return _plain(spec.theta, width) / options["factor"], 1.0


def _llama3(spec: RotarySpec, width: int, options: Options) -> Frequencies:
    """Long waves slowed, short ones kept, a ramp between (Llama 3.1, 2024)."""
    frequencies = _plain(spec.theta, width)
    length = _original_length(spec, options)
    low, high = options["low_freq_factor"], options["high_freq_factor"]
    waves = 2 * math.pi / frequencies
    ramp = ((length / waves - low) / (high - low)).clamp(0, 1)
    return (1 - ramp) * frequencies / options["factor"] + ramp * frequencies, 1.0


def _yarn(spec: RotarySpec, width: int, options: Options) -> Frequencies:
    """Slow by wavelength and sharpen the softmax (Peng et al. 2023)."""
    factor, length = options["factor"], _original_length(spec, options)

    def dimension(rotations: float) -> float:
        waves = math.log(length / (rotations * 2 * math.pi))
        return width * waves / (2 * math.log(spec.theta))

    low, high = dimension(options.get("beta_fast", 32.0)), dimension(options.get("beta_slow", 1.0))
    if options.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, width - 1)
    if low == high:
        high += 0.001
    ramp = ((torch.arange(width // 2, dtype=torch.float32) - low) / (high - low)).clamp(0, 1)
    frequencies = _plain(spec.theta, width)
    slowed = frequencies / factor * ramp + frequencies * (1 - ramp)
    return slowed, _yarn_sharpening(factor, options)


def _yarn_sharpening(factor: float, options: Options) -> float:
    def scale(weight: float) -> float:
        return 0.1 * weight * math.log(factor) + 1.0 if factor > 1 else 1.0

    given = options.get("attention_factor")
    if given is not None:
        return float(given)
    if options.get("mscale") and options.get("mscale_all_dim"):
        return scale(options["mscale"]) / scale(options["mscale_all_dim"])
    return scale(1.0)


def _original_length(spec: RotarySpec, options: Options) -> float:
    length = options.get("original_max_position_embeddings") or spec.max_positions
    if not length:
        raise SettingsError(
            "The rotary scaling {name} needs the length the model was trained for; set "
            "original_max_position_embeddings in its options.",
            name=spec.scaling,
        )
    return length


def _unscaled(spec: RotarySpec, width: int, options: Options) -> Frequencies:
    return _plain(spec.theta, width), 1.0


class Scaling(NamedTuple):
    """A way to stretch rotary positions, and the options it understands."""

    frequencies: Callable[[RotarySpec, int, Options], Frequencies]
    needed: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()


_LENGTH = "original_max_position_embeddings"
SCALINGS: dict[str, Scaling] = {
    "default": Scaling(_unscaled),
    "linear": Scaling(_linear, frozenset({"factor"})),
    "dynamic": Scaling(_unscaled, frozenset({"factor"}), frozenset({_LENGTH})),
    "yarn": Scaling(
        _yarn,
        frozenset({"factor"}),
        frozenset({_LENGTH, "beta_fast", "beta_slow", "truncate", "attention_factor"})
        | {"mscale", "mscale_all_dim"},
    ),
    "llama3": Scaling(
        _llama3,
        frozenset({"factor", "low_freq_factor", "high_freq_factor"}),
        frozenset({_LENGTH}),
    ),
}


def _checked(spec: RotarySpec, head_width: int) -> Scaling:
    """The scaling a spec names, if it can be computed as it stands."""
    scaling = SCALINGS.get(spec.scaling)
    if scaling is None:
        raise SettingsError(
            "The rotary scaling {name!r} is not known; choose one of {known}.",
            name=spec.scaling,
            known=", ".join(SCALINGS),
        )
    given = set(spec.options or {})
    if missing := scaling.needed - given:
        raise SettingsError(
            "The rotary scaling {name} lacks {missing}; add it to the scaling's options.",
            name=spec.scaling,
            missing=", ".join(sorted(missing)),
        )
    if surplus := given - scaling.needed - scaling.optional:
        raise SettingsError(
            "The rotary scaling {name} has no option {surplus}; remove it if it has no effect.",
            name=spec.scaling,
            surplus=", ".join(sorted(surplus)),
        )
    if head_width % 2:
        raise SettingsError(
            "Rotary positions turn pairs of features, but a head has {width}; make it even.",
            width=head_width,
        )
    return scaling


class Rotary(nn.Module):
    """Turns pairs of features by an angle that grows with position (Su et al. 2021).

    Feature i pairs with feature i + d/2 (rotate-half), as in Hugging Face checkpoints.

    Args:
        spec: Base and scaling.
        head_width: d, features of a head; even.

    Raises:
        SettingsError: The scaling is unknown, or its options are not what it needs.
    """

    frequencies: Tensor

    def __init__(self, spec: RotarySpec, head_width: int) -> None:
        super().__init__()
        scaling = _checked(spec, head_width)
        self.spec, self.head_width = spec, head_width
        frequencies, self.factor = scaling.frequencies(spec, head_width, spec.options or {})
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, layout: Layout) -> tuple[Float[Tensor, "T d"], Float[Tensor, "T d"]]:
        """Cosine and sine [T, d] of every row's angles, in fp32."""
        # fp32 whatever the model's dtype: bf16 cannot tell position 300 from 301.
        frequencies = self.frequencies.float()
        if self.spec.scaling == "dynamic":
            frequencies = self._stretched(layout).to(frequencies.device)
        angles = layout.positions[:, None].float() * frequencies
        angles = torch.cat([angles, angles], dim=-1)
        return angles.cos() * self.factor, angles.sin() * self.factor

    def _stretched(self, layout: Layout) -> Float[Tensor, "T half"]:
        # Each sequence by its own length, so that a batch gives what one sequence gives. Keys
        # in a cache keep the angles of the length they were written at.
        # Hugging Face counts from the config's length here, even where another is given.
        spec, width, options = self.spec, self.head_width, self.spec.options or {}
        factor, known = options["factor"], _original_length(spec, {})
        rows = []
        for past, length in zip(layout.past, layout.lengths, strict=True):
            stretch = factor * max(past + length, known) / known
            theta = spec.theta * (stretch - (factor - 1)) ** (width / (width - 2))
            rows.append(_plain(theta, width).expand(length, -1))
        return torch.cat(rows)


def rotate(
    x: Float[Tensor, "T h d"], cosine: Float[Tensor, "T d"], sine: Float[Tensor, "T d"]
) -> Float[Tensor, "T h d"]:
    """``x`` turned by each row's angles."""
    half = x.shape[-1] // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], dim=-1)
    return (x * cosine[:, None] + turned * sine[:, None]).to(x.dtype)


def sinusoids(num_positions: int, width: int) -> Float[Tensor, "P D"]:
    """Sines in the first half of the features, cosines in the second (Vaswani et al. 2017).

    The layout of Marian and fairseq; the paper interleaves them, which is the same up to
    the order of features.
    """
    half = (width + 1) // 2
    powers = 2 * (torch.arange(half, dtype=torch.float64)) / width
    angles = torch.arange(num_positions, dtype=torch.float64)[:, None] / 10000**powers
    return torch.cat([angles.sin(), angles[:, : width // 2].cos()], dim=-1).float()


class RelativeBias(nn.Module):
    """A learned bias for each head and bucket of distances (Raffel et al. 2020)."""

    def __init__(self, spec: RelativeSpec, num_heads: int, *, causal: bool) -> None:
        super().__init__()
        self.spec, self.causal = spec, causal
        self.weight = nn.Parameter(torch.zeros(spec.num_buckets, num_heads))

    def forward(self, distances: Int[Tensor, "B Q K"]) -> Float[Tensor, "B h Q K"]:
        """Bias for key position minus query position."""
        table = self.weight.index_select(0, self.buckets(distances).flatten())
        return table.view(*distances.shape, -1).permute(0, 3, 1, 2)

    def buckets(self, distances: Int[Tensor, "*any"]) -> Int[Tensor, "*any"]:
        """Near distances have a bucket each, far ones share logarithmic buckets."""
        num, base = self.spec.num_buckets, torch.zeros_like(distances)
        if self.causal:
            distances = (-distances).clamp(min=0)
        else:
            num //= 2
            base = (distances > 0).long() * num
            distances = distances.abs()
        exact = num // 2
        log = torch.log(distances.clamp(min=1).float() / exact)
        log = log / math.log(self.spec.max_distance / exact) * (num - exact)
        far = (exact + log.long()).clamp(max=num - 1)
        return base + torch.where(distances < exact, distances, far)


class Alibi(nn.Module):
    """A penalty that grows with distance, steeper for some heads (Press et al. 2022)."""

    slopes: Tensor

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.register_buffer("slopes", _alibi_slopes(num_heads), persistent=False)

    def forward(self, distances: Int[Tensor, "B Q K"]) -> Float[Tensor, "B h Q K"]:
        """Bias for key position minus query position."""
        return -distances.abs()[:, None] * self.slopes[:, None, None]


def _alibi_slopes(num_heads: int) -> Tensor:
    power = 2 ** math.floor(math.log2(num_heads))
    slopes = [2 ** (-8 * (i + 1) / power) for i in range(power)]
    # Where the heads are no power of two, the rest come from the doubled series.
    slopes += [2 ** (-4 * (2 * i + 1) / power) for i in range(num_heads - power)]
    return torch.tensor(slopes)
