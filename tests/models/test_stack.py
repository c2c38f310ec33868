"""Stacks: patterns of layers, shared layers, watching, and what a spec refuses."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from mason.errors import SettingsError
from mason.layers import AttentionSpec, RelativeSpec, Rotary, RotarySpec, StackSpec
from mason.models.packed import Packed
from mason.models.spec import ModelSpec
from mason.models.stack import Stack
from mason.models.transformer import Transformer, device_of, num_parameters
from tests.layers.oracle import alone, earlier, mask_of, near_earlier, rows_of
from tests.models.small import DECODER, ENCODER, HEADS, SPECS, WIDTH, build, sequences, streams

LENGTHS = [11, 2, 7, 13]


def test_gpt3_alternates_dense_and_banded_layers() -> None:
    """Brown et al. 2020; each layer's attention beside the reference and its own mask."""
    torch.manual_seed(2)
    attention = replace(DECODER.attention, rotary=None)
    pattern = ("full", "local", "full", "local")
    spec = replace(DECODER, attention=attention, depth=4, pattern=pattern, window=3)
    stack = Stack(spec, WIDTH).double().eval()
    for parameter in stack.parameters():
        nn.init.normal_(parameter, std=0.3)
    packed, met = Packed.of(sequences(LENGTHS, 1)), []
    for layer in stack.layers:
        layer.attention.block.register_forward_hook(
            lambda block, given, out: met.append((block, given[0], out))
        )
    with torch.no_grad():
        stack(packed)
    assert len(met) == 4
    for i, (block, x, out) in enumerate(met):
        sees = near_earlier(3) if i % 2 else earlier
        rows = rows_of(x, packed.layout)
        expected = [alone(block, r, mask_of(sees, len(r), len(r))) for r in rows]
        assert (out - torch.cat(expected)).abs().max() < 1e-11, i


def test_local_layers_may_turn_by_another_base() -> None:
    """ModernBERT and Gemma 3: each layer gets the angles of its own kind."""
    attention = DECODER.attention
    local = replace(attention.rotary, theta=11.0)
    stack, met = Stack(replace(DECODER, local_rotary=local), WIDTH), []
    for layer in stack.layers:
        layer.attention.block.register_forward_hook(
            lambda block, given, named, out: met.append(named["angles"]), with_kwargs=True
        )
    packed = Packed.of(sequences(LENGTHS, 1))
    stack(packed)
    for theta, (cosine, sine) in zip([101.0, 11.0, 101.0], met, strict=True):
        expected = Rotary(RotarySpec(theta), attention.head_width)(packed.layout)
        assert torch.equal(cosine, expected[0]) and torch.equal(sine, expected[1])


def test_a_shared_layer_runs_depth_times() -> None:
    """ALBERT: the weights of one layer, the computation of several."""
    torch.manual_seed(2)
    spec = replace(ENCODER, depth=3)
    shared, apart = Stack(replace(spec, shared=True), WIDTH), Stack(spec, WIDTH)
    assert len(shared.layers) == 1
    apart.embedding.load_state_dict(shared.embedding.state_dict())
    for layer in apart.layers:
        layer.load_state_dict(shared.layers[0].state_dict())
    packed = Packed.of(sequences(LENGTHS, 1))
    assert torch.equal(shared.eval()(packed), apart.eval()(packed))


def test_only_the_first_layers_norm_can_be_left_out() -> None:
    stack = Stack(replace(DECODER, first_norm=False), WIDTH)
    kinds = [type(layer.attention.before) for layer in stack.layers]
    assert kinds[0] is nn.Identity and nn.Identity not in kinds[1:]
    assert all(type(layer.feed_forward.before) is not nn.Identity for layer in stack.layers)


@pytest.mark.parametrize(("topology", "depth"), [("encoder", 2), ("encoder-decoder", 2)])
def test_whoever_looks_sees_every_layer(topology: str, depth: int) -> None:
    model, seen = build(topology), {}
    batch = streams(topology, LENGTHS)

    def look(number: int, rows: Tensor) -> None:
        seen[number] = rows

    with torch.no_grad():
        out = model(*batch, look=look)
    assert list(seen) == list(range(depth + 1))
    last = model.decoder or model.encoder
    assert torch.equal(last.norm(seen[depth]), out)
    assert torch.equal(
        seen[0], last.embedding(batch[-1].tokens, batch[-1].layout, batch[-1].token_types)
    )


def test_relative_biases_are_used_and_learned() -> None:
    model, batch = build("encoder-decoder"), streams("encoder-decoder", LENGTHS)
    before = model(*batch)
    before.sum().backward()
    assert model.encoder.relative.weight.grad.abs().sum() > 0
    nn.init.normal_(model.encoder.relative.weight, std=3)
    assert not torch.allclose(before, model(*batch), atol=1e-3)


def test_alibi_stands_in_for_positions() -> None:
    spec = ModelSpec(
        WIDTH, decoder=replace(DECODER, alibi=True, attention=AttentionSpec(6, head_width=7))
    )
    model = Transformer(spec).eval()
    forward, backward = (model(Packed.of([tokens])) for tokens in ([3, 5, 7, 11], [5, 3, 7, 11]))
    assert not torch.allclose(forward[-1], backward[-1], atol=1e-4)


@pytest.mark.parametrize("share", [True, False])
def test_encoder_and_decoder_share_token_vectors_or_not(share: bool) -> None:
    model = Transformer(replace(SPECS["encoder-decoder"], share_embeddings=share))
    assert (model.decoder.embedding.tokens is model.encoder.embedding.tokens) == share
    assert model.heads["language"].output.weight is model.decoder.embedding.tokens.weight
    other = Transformer(replace(SPECS["encoder-decoder"], share_embeddings=not share))
    apart = abs(num_parameters(model) - num_parameters(other))
    assert apart == WIDTH * 31  # one more table


def test_fresh_weights_have_the_specs_deviation() -> None:
    spec = ModelSpec(64, encoder=StackSpec(2, attention=AttentionSpec(4)), initial_std=0.07)
    model = Transformer(spec)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            assert parameter.std().item() == pytest.approx(0.07, rel=0.1), name
        elif name.endswith("bias"):
            assert not parameter.any(), name
    assert device_of(model) == torch.device("cpu")


def test_what_the_spec_says_of_itself() -> None:
    assert [spec.topology for spec in SPECS.values()] == list(SPECS)
    assert SPECS["encoder"].max_tokens == 29
    assert SPECS["decoder"].max_tokens is None
    assert SPECS["encoder-decoder"].stack is SPECS["encoder-decoder"].decoder
    assert SPECS["encoder-decoder"].input_stack is SPECS["encoder-decoder"].encoder
    assert SPECS["decoder"].vocab_size == 31


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "needs an encoder, a decoder or both"),
        ({"encoder": replace(ENCODER, cross=True)}, "set cross on the decoder alone"),
        ({"encoder": ENCODER, "decoder": DECODER}, "set the decoder's cross to True"),
        ({"decoder": replace(DECODER, cross=True)}, "set the decoder's cross to False"),
        (
            {
                "encoder": ENCODER,
                "decoder": replace(
                    DECODER, cross=True, embedding=replace(DECODER.embedding, vocab_size=37)
                ),
            },
            "embedding is 31 × 23 and the decoder's 37 × 23",
        ),
    ],
)
def test_stacks_that_do_not_fit_are_refused(fields: dict[str, StackSpec], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        ModelSpec(WIDTH, heads=HEADS, **fields)


@pytest.mark.parametrize("topology", SPECS)
def test_a_missing_or_surplus_stream_is_refused(topology: str) -> None:
    both, one = streams("encoder-decoder", [3]), streams("decoder", [3])
    wrong = one if topology == "encoder-decoder" else both
    with pytest.raises(SettingsError, match=f"this model's topology is {topology}"):
        build(topology)(*wrong)


def test_relative_buckets_know_the_direction() -> None:
    """A causal stack spends all buckets on the past, another half of them on either side."""
    for causal in (True, False):
        relative = RelativeSpec(8, 11)
        stack = Stack(
            replace(DECODER, causal=causal, relative=relative, pattern=(), window=None), 23
        )
        assert stack.relative.causal == causal
