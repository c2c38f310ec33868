"""Positions: hand numbers, loops written out, and complex multiplication."""

import math

import pytest
import torch

from mason.errors import SettingsError
from mason.layers import Alibi, Layout, RelativeBias, RelativeSpec, Rotary, RotarySpec
from mason.layers.positions import rotate, sinusoids


def test_rotation_is_complex_multiplication() -> None:
    torch.manual_seed(3)
    half, theta, past = 5, 101.0, [0, 300, 7]
    layout = Layout([3, 2, 11], past=past)
    x = torch.randn(layout.num_rows, 7, 2 * half)
    turned = rotate(x, *Rotary(RotarySpec(theta), 2 * half)(layout)).double()
    for row, position in enumerate([0, 1, 2, 300, 301, *range(7, 18)]):
        for i in range(half):
            angle = position * theta ** (-2 * i / (2 * half))
            phase = complex(math.cos(angle), math.sin(angle))
            pair = torch.complex(x[row, :, i].double(), x[row, :, i + half].double()) * phase
            assert torch.allclose(turned[row, :, i], pair.real, atol=1e-4)
            assert torch.allclose(turned[row, :, i + half], pair.imag, atol=1e-4)


def test_rotated_scores_depend_on_distance_alone() -> None:
    torch.manual_seed(3)
    rotary = Rotary(RotarySpec(), 14)
    query, key = torch.randn(1, 1, 14).expand(40, 1, 14), torch.randn(1, 1, 14).expand(40, 1, 14)
    angles = rotary(Layout([40]))
    scores = rotate(query, *angles)[:, 0] @ rotate(key, *angles)[:, 0].T
    for distance in (-17, 0, 5):
        line = scores.diagonal(distance)
        assert torch.allclose(line, line[:1].expand_as(line), atol=1e-4)
    assert not torch.allclose(scores[0, 5], scores[5, 0], atol=1e-2)


def test_angles_keep_far_positions_apart_in_half_precision() -> None:
    rotary = Rotary(RotarySpec(), 14).bfloat16()
    cosine, _ = rotary(Layout([2], past=[3000]))
    assert cosine[0, 0].item() == pytest.approx(math.cos(3000), abs=1e-3)
    assert cosine[1, 0].item() == pytest.approx(math.cos(3001), abs=1e-3)


def _frequencies(spec: RotarySpec, width: int) -> list[float]:
    frequencies: list[float] = Rotary(spec, width).frequencies.tolist()
    return frequencies


def test_linear_scaling_divides_positions() -> None:
    spec = RotarySpec(scaling="linear", options={"factor": 4.0})
    plain = _frequencies(RotarySpec(), 10)
    assert _frequencies(spec, 10) == pytest.approx([f / 4 for f in plain])


def test_llama3_scaling_by_wavelength() -> None:
    options = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    spec = RotarySpec(500000.0, "llama3", options | {"original_max_position_embeddings": 512})
    seen = set()
    for plain, scaled in zip(
        _frequencies(RotarySpec(500000.0), 34), _frequencies(spec, 34), strict=True
    ):
        waves = 512 * plain / (2 * math.pi)  # how often it turns within the original length
        if waves >= 4:
            kind, expected = "kept", plain
        elif waves <= 1:
            kind, expected = "slowed", plain / 8
        else:
            share = (waves - 1) / 3
            kind, expected = "between", share * plain + (1 - share) * plain / 8
        seen.add(kind)
        assert scaled == pytest.approx(expected, rel=1e-5)
    assert seen == {"kept", "slowed", "between"}
    fallback = RotarySpec(500000.0, "llama3", options, max_positions=512)
    assert _frequencies(fallback, 34) == _frequencies(spec, 34)


def test_yarn_scaling_by_rotations() -> None:
    """Features that turn often stay, those that hardly turn are slowed (Peng et al. 2023)."""
    factor, length, width = 4.0, 2048, 34
    spec = RotarySpec(scaling="yarn", options={"factor": factor}, max_positions=length)
    plain, scaled = _frequencies(RotarySpec(), width), _frequencies(spec, width)
    turns = [length * f / (2 * math.pi) for f in plain]
    kept = [i for i, t in enumerate(turns) if t > 40]
    slowed = [i for i, t in enumerate(turns) if t < 0.5]
    assert kept and slowed
    assert all(scaled[i] == pytest.approx(plain[i], rel=1e-5) for i in kept)
    assert all(scaled[i] == pytest.approx(plain[i] / factor, rel=1e-5) for i in slowed)
    ratios = [s / p for s, p in zip(scaled, plain, strict=True)]
    assert ratios == sorted(ratios, reverse=True)
    cosine, _ = Rotary(spec, width)(Layout([1]))
    assert cosine[0, 0].item() == pytest.approx(0.1 * math.log(factor) + 1)
    given = RotarySpec(scaling="yarn", options={"factor": 4.0, "attention_factor": 0.7})
    with pytest.raises(SettingsError, match="yarn needs the length"):
        Rotary(given, width)


def test_dynamic_scaling_by_each_sequence_of_its_own() -> None:
    spec = RotarySpec(scaling="dynamic", options={"factor": 2.0}, max_positions=11)
    rotary = Rotary(spec, 10)
    together = rotary(Layout([7, 23, 11]))[0].split([7, 23, 11])
    for length, rows in zip([7, 23, 11], together, strict=True):
        assert torch.equal(rows, rotary(Layout([length]))[0])
    plain = Rotary(RotarySpec(), 10)
    assert torch.allclose(together[0], plain(Layout([7]))[0])
    assert torch.allclose(together[2], plain(Layout([11]))[0])
    cached = rotary(Layout([3], past=[20]))[0]  # as long as the whole of the second
    assert torch.allclose(cached, together[1][20:])
    theta = 10000 * (2 * 23 / 11 - 1) ** (10 / 8)
    assert torch.allclose(together[1], Rotary(RotarySpec(theta), 10)(Layout([23]))[0], atol=1e-5)


@pytest.mark.parametrize(
    ("spec", "width", "said"),
    [
        (RotarySpec(scaling="cubic"), 10, "'cubic' is not known; choose one of default"),
        (RotarySpec(scaling="linear"), 10, "linear lacks factor"),
        (RotarySpec(options={"factor": 2.0}), 10, "default has no option factor"),
        (RotarySpec(), 7, "a head has 7; make it even"),
        (RotarySpec(scaling="dynamic", options={"factor": 2.0}), 10, None),
    ],
)
def test_scalings_that_cannot_be_computed(spec: RotarySpec, width: int, said: str | None) -> None:
    with pytest.raises(SettingsError, match=said or "dynamic needs the length"):
        Rotary(spec, width)(Layout([3]))


def test_sinusoids_by_hand() -> None:
    """Width 5: frequencies 1, 1/10000^(2/5), 1/10000^(4/5); three sines, then two cosines."""
    slow, slower = 10000 ** (-2 / 5), 10000 ** (-4 / 5)
    table = sinusoids(3, 5)
    assert table[0].tolist() == [0, 0, 0, 1, 1]
    expected = [math.sin(2), math.sin(2 * slow), math.sin(2 * slower), math.cos(2)]
    assert table[2].tolist() == pytest.approx([*expected, math.cos(2 * slow)])


def test_alibi_slopes_of_the_paper() -> None:
    assert Alibi(8).slopes.tolist() == [
        1 / 2,
        1 / 4,
        1 / 8,
        1 / 16,
        1 / 32,
        1 / 64,
        1 / 128,
        1 / 256,
    ]
    # Six heads: those of four, then every other one of eight.
    assert Alibi(6).slopes.tolist() == pytest.approx([1 / 4, 1 / 16, 1 / 64, 1 / 256, 1 / 2, 1 / 8])


def test_alibi_by_hand() -> None:
    distances = torch.tensor([[[-3, -2, -1, 0]]])
    bias = Alibi(8)(distances)
    assert bias.shape == (1, 8, 1, 4)
    assert bias[0, 0, 0].tolist() == [-1.5, -1, -0.5, 0]
    assert bias[0, 2, 0].tolist() == [-3 / 8, -2 / 8, -1 / 8, 0]
    assert torch.equal(bias, Alibi(8)(-distances))


def _bucket(distance: int, num: int, most: int, *, causal: bool) -> int:
    """The bucket of key minus query position, as the paper's text has it."""
    first = 0
    if causal:
        distance = max(-distance, 0)
    else:
        num //= 2
        first = num if distance > 0 else 0
        distance = abs(distance)
    exact = num // 2
    if distance < exact:
        return first + distance
    share = math.log(distance / exact) / math.log(most / exact)
    return first + min(exact + int(share * (num - exact) + 1e-9), num - 1)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("num", "most"), [(32, 128), (12, 29)])
def test_relative_buckets(causal: bool, num: int, most: int) -> None:
    bias = RelativeBias(RelativeSpec(num, most), 7, causal=causal)
    distances = torch.arange(-300, 301)
    expected = [_bucket(int(d), num, most, causal=causal) for d in distances]
    assert bias.buckets(distances).tolist() == expected
    unused = set() if causal else {num // 2}  # "later, at distance 0" never is
    assert set(expected) == set(range(num)) - unused


def test_relative_bias_is_the_tables_row() -> None:
    bias = RelativeBias(RelativeSpec(), 7, causal=False)
    torch.nn.init.normal_(bias.weight)
    distances = torch.randint(-200, 200, (2, 3, 5))
    found = bias(distances)
    assert found.shape == (2, 7, 3, 5)
    assert torch.equal(found[1, 4, 2, 3], bias.weight[bias.buckets(distances[1, 2, 3]), 4])
