"""Decoding steps as one call, beside the modules that they stand for."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmarks.parity_oracle import Pair
from mason.generation import Sampling, generate
from mason.generation.decoding import Decoding
from mason.layers import FeedForward, Pages, hold_in_int4, hold_in_int8, native
from mason.layers.adapters import Adapted
from mason.models.checkpoints import load_model
from mason.models.decoder_calls import call_of
from mason.models.packed import Packed
from mason.models.transformer import Transformer
from mason.sources import find_model
from mason.text.loading import load_tokenizer
from tests.generation.oracle import tokens_of
from tests.models.small import SPECS, build, sequences

BUILT = native.library()
VARIANTS = BUILT.variants if BUILT else []
pytestmark = pytest.mark.skipif(not BUILT, reason="the kernels are not built: there is no compiler")
KINDS = {"fp32": 3e-6, "bf16": 3e-2, "int8": 3e-6, "int4": 5e-6}
"""Weights, and how far rows may be from the plain path's, beside the largest number."""
WORDS = 3e-4
"""The same where tiles take rows in 16 bits beside int8; ``test_native`` has a product's own."""
FAMILIES = (
    "GPT2LMHeadModel (tied)",
    "GPTNeoForCausalLM (tied)",
    "Gemma2ForCausalLM (tied)",
    "LlamaForCausalLM (biases)",
    "Qwen3ForCausalLM (windows, biases)",
)


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> Iterator[None]:
    with native.using(request.param):
        yield


@pytest.fixture
def wide_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and values in fp32 like the plain path's, so that all else can be told apart from it."""
    monkeypatch.setattr(Decoding, "_cache_dtype", lambda _: None)


def whole(kind: str) -> Transformer:
    """A model whose products fill tiles."""
    small = SPECS["decoder"]
    assert small.decoder is not None
    attention = replace(small.decoder.attention, num_heads=8, num_kv_heads=2, head_width=16)
    inner = replace(small.decoder.feed_forward, width=64)
    decoder = replace(small.decoder, attention=attention, feed_forward=inner)
    torch.manual_seed(17)
    return held(kind, Transformer(replace(small, width=64, decoder=decoder)).eval())


def held(kind: str, model: Transformer | None = None) -> Transformer:
    """A model, small unless it is given, with its weights held so."""
    model = model or build("decoder", torch.float32)
    hold: Any = {"int8": hold_in_int8, "int4": hold_in_int4}.get(kind)
    return model.bfloat16() if kind == "bf16" else model if hold is None else hold(model)


@torch.inference_mode()
def read(model: Transformer, texts: list[list[int]]) -> torch.Tensor:
    """Rows of prompts, of single tokens of all, and of a draft after the first."""
    decoding = Decoding(model, len(texts), 29)
    rows = [decoding.read(Packed.of([text[: 5 + i] for i, text in enumerate(texts)]))]
    for k in range(5, 12):
        rows.append(decoding.read(Packed.of([[text[k + i]] for i, text in enumerate(texts)])))
    rows.append(decoding.read(Packed.of([texts[0][12:15]]), sequences=[0]))
    return torch.cat(rows)


def apart(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The largest difference, beside the largest number."""
    assert ours.shape == theirs.shape
    return float((ours.float() - theirs.float()).abs().max() / theirs.float().abs().max())


def is_served(model: Transformer) -> bool:
    """Whether there is a call for the model as it is."""
    assert model.decoder is not None
    return call_of(model.decoder) is not None


@pytest.mark.usefixtures("variant", "wide_caches")
@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_the_plain_ones(kind: str) -> None:
    model, texts = held(kind), sequences([17, 17], seed=3)
    assert is_served(model)
    ours = read(model, texts)
    with native.using(None):
        plain = read(model, texts)
        exact = read(model.float(), texts) if kind == "bf16" else plain
    assert ours.dtype is plain.dtype and apart(ours, plain) <= KINDS[kind]
    # It rounds less than the modules do, each of which rounds what it gives.
    assert kind != "bf16" or (ours - exact).norm() < (plain - exact).norm()


@pytest.mark.usefixtures("wide_caches")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FAMILIES)
def test_families_are_served(pair_of: Callable[[str], Pair], name: str, kind: str) -> None:
    pair = pair_of(name)
    model = held(kind, load_model(pair.folder / "theirs").model.eval())
    texts = [[(7 * i + 11 * k) % 53 for k in range(17)] for i in (1, 2)]
    assert is_served(model)
    ours = read(model, texts)
    with native.using(None):
        assert apart(ours, read(model, texts)) <= 2 * KINDS[kind]


@pytest.mark.parametrize("made", (held, whole))
@pytest.mark.parametrize("kind", ("fp32", "int8", "int4"))
@torch.inference_mode()
def test_a_row_gives_the_same_beside_others(kind: str, made: Callable[[str], Transformer]) -> None:
    model, (first, second) = made(kind), sequences([17, 17], seed=5)
    alone, both = Decoding(model, 1, 29), Decoding(model, 2, 29)
    for start, end in ((0, 5), (5, 6), (6, 9)):
        piece = first[start:end]
        beside = both.read(Packed.of([piece, second[: start + 2]]))
        assert torch.equal(beside[: len(piece)], alone.read(Packed.of([piece])))


@pytest.mark.usefixtures("variant", "wide_caches")
@pytest.mark.parametrize("kind", KINDS)
def test_whole_tiles_give_what_modules_do(kind: str) -> None:
    model, texts = whole(kind), sequences([17, 17], seed=3)
    assert is_served(model)
    ours, built = read(model, texts), native.library()
    in_words = kind == "int8" and built is not None and built.has_tiles
    with native.using(None):
        assert apart(ours, read(model, texts)) <= (WORDS if in_words else KINDS[kind])


@pytest.mark.skipif(not (BUILT and BUILT.has_tiles), reason="this processor has no tiles")
@pytest.mark.usefixtures("wide_caches")
@pytest.mark.parametrize("kind", ("bf16", "int8"))
@torch.inference_mode()
def test_long_prompts_go_piece_by_piece_and_give_the_same_alone(kind: str) -> None:
    model, lengths = whole(kind), [131, 7, 152, 41]
    texts = sequences(lengths, seed=5)
    rows = Decoding(model, len(texts), 160).read(Packed.of(texts)).split(lengths)
    for text, together in zip(texts, rows, strict=True):
        assert torch.equal(Decoding(model, 1, 160).read(Packed.of([text])), together)
    with native.using(None):
        plain = Decoding(model, len(texts), 160).read(Packed.of(texts))
        exact = Decoding(model.float(), len(texts), 160).read(Packed.of(texts))
    error = (torch.cat(rows) - exact).norm()
    assert error < (plain - exact).norm() if kind == "bf16" else error < WORDS * exact.norm()


@pytest.mark.parametrize("kind", ("int8", "int4"))
@torch.inference_mode()
def test_rounded_weights_look_back_in_bf16_whoever_goes_on(kind: str) -> None:
    model, texts = held(kind), sequences([17, 17], seed=3)
    with native.using(None):
        plain = read(model, texts)
    decoding = Decoding(model, len(texts), 29)
    rows = [decoding.read(Packed.of([text[: 5 + i] for i, text in enumerate(texts)]))]
    assert decoding.cache.layers[0].places(None)[0].dtype is torch.bfloat16
    for k in range(5, 12):
        with native.using(VARIANTS[0] if k % 2 else None):
            rows.append(decoding.read(Packed.of([[text[k + i]] for i, text in enumerate(texts)])))
    rows.append(decoding.read(Packed.of([texts[0][12:15]]), sequences=[0]))
    assert 1e-6 < apart(torch.cat(rows), plain) <= 5e-3


@pytest.mark.parametrize("paged", (False, True))
@torch.inference_mode()
def test_caches_of_rounded_weights_do_not_depend_on_how_much_is_read_first(paged: bool) -> None:
    model, texts = held("int4"), sequences([41, 41], seed=3)
    for some in (texts[:1], texts):  # few rows go through the kernel, many through the modules
        pages = Pages(3, rows=4) if paged else None
        decoding = Decoding(model, len(some), 50, pages=pages)
        decoding.read(Packed.of(some))
        assert decoding.cache.layers[0].places(None)[0].dtype is torch.bfloat16


def test_threads_change_nothing() -> None:
    model, texts = held("int4"), sequences([17, 17], seed=3)
    one = read(model, texts)
    try:
        torch.set_num_threads(2)
        assert torch.equal(read(model, texts), one)
    finally:
        torch.set_num_threads(1)


def test_what_the_kernel_does_not_know_stays_with_the_modules() -> None:
    class Mine(FeedForward):
        """Somebody's own."""

    own, adapted, watched = (build("decoder", torch.float32) for _ in range(3))
    block: Any = own.get_submodule("decoder.layers.1.feed_forward")
    block.block.__class__ = Mine
    name = "decoder.layers.0.attention.block.output"
    adapted.set_submodule(name, Adapted(adapted.get_submodule(name)))
    watched.get_submodule(name).register_forward_hook(lambda *_: None)
    for model in (own, adapted, watched, build("decoder"), build("encoder-decoder")):
        assert not is_served(model)


def test_drafts_pages_and_training_find_their_way() -> None:
    model, prompts = held("int8"), [text[:7] for text in sequences([17, 17], seed=3)]
    free = Sampling(9, stop_tokens=())
    with native.using(None):
        plain = tokens_of(generate(model, prompts, free))
    assert tokens_of(generate(model, prompts, free)) == plain
    assert tokens_of(generate(model, prompts, Sampling(9, stop_tokens=(), num_drafts=3))) == plain
    assert tokens_of(generate(model, prompts, free, pages=Pages(3, rows=4))) == plain
    model.train()
    decoding = Decoding(model, 1, 29)
    assert decoding._call is not None
    with native.decoding(), torch.inference_mode():
        assert not decoding._call.serves(Packed.of([[3]]), decoding.cache)


@pytest.mark.slow
@pytest.mark.usefixtures("wide_caches")
def test_real_weights() -> None:
    """SmolLM2-135M: greedy tokens are the plain path's; in bf16 up to where two are as likely."""
    path = find_model("SmolLM2-135M-Instruct")
    loaded = load_model(path).model.eval()
    (prompt,) = load_tokenizer(path).encode_ids(["Once upon a time, in a village by the sea,"])
    for kind, count in {"bf16": 12, "int8": 7, "int4": 2}.items():  # plainly widened at each
        model, steps = held(kind, copy.deepcopy(loaded)), Sampling(count, stop_tokens=())
        # Without tiles, which take rows in 16 bits beside int8.
        with native.using(next(v for v in VARIANTS if kind != "int8" or v != "amx")):
            (ours,) = generate(model, [prompt], steps)
        with native.using(None):
            (plain,) = generate(model, [prompt], steps)
        likely = zip(ours.log_probabilities, plain.log_probabilities, strict=True)
        for mine, other, pair in zip(ours.tokens, plain.tokens, likely, strict=True):
            # Logits in bf16 have steps of an eighth from 16 on.
            assert abs(pair[0] - pair[1]) <= (0.25 if kind == "bf16" else 1e-3)
            if mine != other:
                assert kind == "bf16"
                break
