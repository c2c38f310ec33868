"""GPT-3's alternating dense and banded layers (Brown et al. 2020) as a pattern of any decoder."""

from dataclasses import replace

import torch

from mason.layers import StackSpec
from mason.models.checkpoints import spec_of
from mason.models.packed import Packed
from mason.models.transformer import Transformer

DEPTH, WINDOW, LENGTH = 4, 3, 13


def _model(pattern: tuple[str, ...]) -> Transformer:
    config = {"vocab_size": 31, "n_embd": 14, "n_layer": DEPTH, "n_head": 2, "n_positions": LENGTH}
    spec = spec_of({"model_type": "gpt2", **config}, ("language",))
    assert isinstance(spec.decoder, StackSpec)
    spec = replace(spec, decoder=replace(spec.decoder, pattern=pattern, window=WINDOW))
    torch.manual_seed(5)
    return Transformer(replace(spec, initial_std=0.5)).double().eval()


def _reach(model: Transformer, depth: int) -> int:
    """How far back the last row of a layer looks, by what changes when one token does."""
    tokens = list(range(1, LENGTH + 1))
    seen: dict[int, torch.Tensor] = {}
    with torch.no_grad():
        model(Packed.of([tokens]), look=lambda i, rows: seen.__setitem__(i, rows[-1]))
        before = dict(seen)
        reached = 0
        for at in range(LENGTH):
            changed = [*tokens[:at], 29, *tokens[at + 1 :]]
            model(Packed.of([changed]), look=lambda i, rows: seen.__setitem__(i, rows[-1]))
            if not torch.equal(seen[depth], before[depth]):
                reached = max(reached, LENGTH - 1 - at)
    return reached


def test_banded_layers_reach_one_window_and_dense_ones_all() -> None:
    banded = _model(("local",) * DEPTH)
    assert [_reach(banded, depth) for depth in (0, 1, 2)] == [0, WINDOW - 1, 2 * (WINDOW - 1)]
    alternating = _model(("full", "local") * (DEPTH // 2))
    assert _reach(alternating, 1) == LENGTH - 1
    turned = _model(("local", "full") * (DEPTH // 2))
    assert [_reach(turned, depth) for depth in (1, 2)] == [WINDOW - 1, LENGTH - 1]


def test_batched_is_single() -> None:
    model = _model(("full", "local") * (DEPTH // 2))
    sequences = [[3, 5, 7, 11, 13, 17, 19, 23, 29, 2, 1], [5], [7, 11, 13, 17]]
    with torch.no_grad():
        alone = torch.cat([model(Packed.of([sequence])) for sequence in sequences])
        torch.testing.assert_close(model(Packed.of(sequences)), alone, rtol=1e-12, atol=1e-12)
