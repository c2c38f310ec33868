"""Attention, rollout and lens beside transformers' own: real weights, and small random ones."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import transformers

from mason.explanation import Subject, Word
from mason.explanation.attention import Looks, habit, look
from mason.explanation.lens import layer_logits, lens
from mason.explanation.methods import find_method
from mason.explanation.numbers import ClassOdds
from mason.models.checkpoints import load_model
from mason.models.packed import Packed
from mason.models.saving import export_tensors
from mason.models.transformer import Transformer
from mason.sources import find_model

TOKENS = [5, 17, 31, 8, 44, 23, 3]
BERT = {"hidden_size": 34, "num_hidden_layers": 3, "num_attention_heads": 2}
BERT |= {"intermediate_size": 37, "vocab_size": 53, "initializer_range": 0.2}
GEMMA = {**BERT, "hidden_size": 44, "num_hidden_layers": 4, "head_dim": 22, "sliding_window": 3}
GEMMA |= {"num_attention_heads": 4, "num_key_value_heads": 2, "attn_logit_softcapping": 3.0}
T5 = {
    "vocab_size": 53,
    "initializer_factor": 5.0,
    "d_model": 34,
    "d_kv": 11,
    "d_ff": 37,
    "num_layers": 3,
    "num_heads": 2,
}


class Pair(NamedTuple):
    """The same weights twice."""

    ours: Transformer
    theirs: Any
    tokens: list[int]


def _pair(folder: Path, kind: str, heads: tuple[str, ...] | None, tokens: list[int]) -> Pair:
    eager = {"attn_implementation": "eager", "dtype": torch.float32}
    theirs = getattr(transformers, kind).from_pretrained(folder, **eager).eval()
    return Pair(load_model(folder, heads=heads).model.eval(), theirs, tokens)


def _fresh(folder: Path, kind: str, config: dict[str, Any]) -> Pair:
    torch.manual_seed(7)
    named: Any = getattr(transformers, kind)
    model = named(named.config_class(**config, pad_token_id=0))
    model.save_pretrained(folder)
    return _pair(folder, kind, None, TOKENS)


@pytest.fixture(scope="module")
def smol() -> Iterator[Pair]:
    """A real decoder, whose keys are shared by heads; its file is in 4 bits, so we widen it."""
    found = load_model(find_model("SmolLM2-135M-Instruct"))
    config = transformers.LlamaConfig(**found.family.write_config(found.model.spec))
    config._attn_implementation = "eager"
    theirs = transformers.LlamaForCausalLM(config).float().eval()
    theirs.load_state_dict(dict(export_tensors(found.model, found.family)), strict=False)
    yield Pair(found.model.eval(), theirs, [504, 3575, 282, 4649, 314])


def _ours(network: Transformer, tokens: list[int]) -> list[Looks]:
    return look(network, lambda: network(Packed.of([tokens])))


@torch.no_grad()
def _theirs(model: Any, tokens: list[int], name: str = "attentions", **more: Any) -> list[Any]:
    found = model(torch.tensor([tokens]), output_attentions=True, **more)
    return [layer[0].numpy() for layer in found[name]]


def _check(ours: Looks, theirs: list[Any]) -> None:
    assert len(ours.layers) == len(theirs)
    for mine, other in zip(ours.layers, theirs, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)
        assert (other < 0.9).mean() > 0.5, "heads that look at one token test little"


def test_attention_of_minilm() -> None:
    pair = _pair(find_model("all-MiniLM-L6-v2"), "AutoModel", (), [101, 3007, 2003, 2312, 102])
    (found,) = _ours(pair.ours, pair.tokens)
    _check(found, _theirs(pair.theirs, pair.tokens))


def test_attention_of_smollm2(smol: Pair) -> None:
    (found,) = _ours(smol.ours, smol.tokens)
    assert found.place == "decoder" and found.keys == tuple(smol.tokens)
    _check(found, _theirs(smol.theirs, smol.tokens))


@pytest.mark.parametrize(("kind", "config"), [("Gemma2ForCausalLM", GEMMA), ("BertModel", BERT)])
def test_attention_of_others(kind: str, config: dict[str, Any], tmp_path: Path) -> None:
    """With windows, capped scores and shared keys; and a plain one."""
    pair = _fresh(tmp_path, kind, config)
    (found,) = _ours(pair.ours, TOKENS)
    _check(found, _theirs(pair.theirs, TOKENS))


def test_attention_of_a_decoder_to_its_encoder(tmp_path: Path) -> None:
    pair, target = _fresh(tmp_path, "T5ForConditionalGeneration", T5), [0, 9, 12, 40]
    both = Packed.of([TOKENS]), Packed.of([target])
    found = {one.place: one for one in look(pair.ours, lambda: pair.ours(*both))}
    read = {"decoder_input_ids": torch.tensor([target])}
    names = {"encoder": "encoder_attentions", "decoder": "decoder_attentions"}
    for place, name in (names | {"cross": "cross_attentions"}).items():
        _check(found[place], _theirs(pair.theirs, TOKENS, name, **read))  # type: ignore[index]
    assert found["cross"].queries == tuple(target) and found["cross"].keys == tuple(TOKENS)


def test_nothing_listens_afterwards(smol: Pair) -> None:
    before = smol.ours(Packed.of([smol.tokens]))
    with pytest.raises(ZeroDivisionError):
        look(smol.ours, lambda: 1 / 0)
    assert torch.equal(smol.ours(Packed.of([smol.tokens])), before)
    assert not any(m._forward_pre_hooks for m in smol.ours.modules())


def test_rollout_is_the_product_of_what_layers_pass_on(tmp_path: Path) -> None:
    pair = _fresh(tmp_path, "BertForSequenceClassification", BERT | {"num_labels": 3})
    flow = np.eye(len(TOKENS))
    for layer in _theirs(pair.theirs, TOKENS):
        flow = (0.5 * layer.mean(0) + 0.5 * np.eye(len(TOKENS))) @ flow
    subject = Subject(
        network=pair.ours,
        number=ClassOdds("classification", 1),
        texts=("one two three",),
        tokens=tuple(TOKENS),
        words=tuple(Word(0, 1) for _ in range(3)),
        word_of=(-1, 0, 0, 1, 2, 2, -1),
        blank=1,
        answer="answer",
    )
    found = find_method("rollout").weigh(subject).weights
    first = flow[0]  # where the head reads
    wanted = [first[1] + first[2], first[3], first[4] + first[5]]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_habits() -> None:
    same, before = np.eye(4, dtype=np.float32), np.eye(4, k=-1, dtype=np.float32)
    before[0, 0] = 1
    even = np.full((4, 4), 0.25, np.float32)
    assert habit(same, "encoder") == ("same", 1.0)
    assert habit(before, "decoder") == ("previous", 1.0)
    assert habit(even, "encoder")[0] == "wide"
    assert habit(same, "cross")[0] == "wide"  # the same place of two texts means nothing


def test_the_lens_is_each_layer_through_the_last_norm(smol: Pair) -> None:
    packed, row = Packed.of([smol.tokens]), len(smol.tokens) - 1
    ours = layer_logits(smol.ours, "language", packed, row)
    with torch.no_grad():
        theirs = smol.theirs(torch.tensor([smol.tokens]), output_hidden_states=True)
        # transformers has put the norm on the last one already.
        states = torch.stack([one[0, row] for one in theirs.hidden_states[:-1]])
        wanted = smol.theirs.lm_head(smol.theirs.model.norm(states))
    torch.testing.assert_close(ours[:-1], wanted, atol=2e-3, rtol=1e-4)
    torch.testing.assert_close(ours[-1], theirs.logits[0, row], atol=1e-3, rtol=1e-4)
    # One row is multiplied here and all layers' there; in fp32 processors round them apart.
    exact = copy.deepcopy(smol.ours).double()
    with torch.no_grad():
        own = exact.logits("language", packed, at=packed.layout.last)[0]
    last = layer_logits(exact, "language", packed, row)[-1]
    torch.testing.assert_close(last, own.to(last.dtype), atol=1e-5, rtol=1e-5)


def test_the_lens_follows_a_token(smol: Pair) -> None:
    packed, row = Packed.of([smol.tokens]), len(smol.tokens) - 1
    found = lens(smol.ours, "language", packed, row)
    assert [one.layer for one in found] == list(range(31))
    assert found[-1].rank == 1 and found[-1].top[0][1] == pytest.approx(found[-1].probability)
    other = lens(smol.ours, "language", packed, row, found[-1].top[2][0])
    assert other[-1].rank == 3


def test_the_lens_of_a_masked_language_model(tmp_path: Path) -> None:
    pair = _fresh(tmp_path, "BertForMaskedLM", BERT)
    ours = layer_logits(pair.ours, "language", Packed.of([TOKENS]), 2)
    with torch.no_grad():
        states = pair.theirs(torch.tensor([TOKENS]), output_hidden_states=True).hidden_states
        wanted = torch.stack([pair.theirs.cls(one)[0, 2] for one in states])
    torch.testing.assert_close(ours, wanted, atol=1e-5, rtol=1e-4)
