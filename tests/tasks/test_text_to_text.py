"""The loss of text to text against transformers, and its mask written out by hand."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import transformers as hf

from mason.models.checkpoints import load_model
from mason.tasks.classification import smoothed_entropy
from mason.tasks.text_to_text import Exchanges, TextToText, guessing

SOURCES = [[5, 6, 7, 8, 3], [9, 10, 3], [11, 12, 13, 14, 15, 16, 3]]
TARGETS = [[20, 21, 3], [22, 23, 24, 25, 26, 3], [27, 3]]
SIZES = {"vocab_size": 61, "pad_token_id": 0, "eos_token_id": 3}


def small(kind: str) -> Any:
    """A small random model of transformers, in double precision so that sums agree."""
    torch.manual_seed(0)
    sides = {
        f"{side}_{key}": value
        for side in ("encoder", "decoder")
        for key, value in (("layers", 2), ("attention_heads", 2), ("ffn_dim", 29))
    }
    plain = {"d_model": 22, "max_position_embeddings": 37, "dropout": 0.0, **sides, **SIZES}
    if kind == "marian":
        config = hf.MarianConfig(**plain, decoder_start_token_id=0, bos_token_id=None)
        model = hf.MarianMTModel(config)
    elif kind == "bart":
        model = hf.BartForConditionalGeneration(
            hf.BartConfig(**plain, decoder_start_token_id=3, bos_token_id=1)
        )
    elif kind == "t5":
        config = hf.T5Config(
            d_model=22, d_kv=11, d_ff=29, num_layers=2, num_heads=2, dropout_rate=0.0, **SIZES
        )
        config.decoder_start_token_id = 0
        model = hf.T5ForConditionalGeneration(config)
    else:
        config = hf.GPT2Config(
            n_embd=22, n_layer=2, n_head=2, n_positions=37, bos_token_id=3, **SIZES,
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        )  # fmt: skip
        model = hf.GPT2LMHeadModel(config)
    return model.double().train()


def padded(rows: list[list[int]], fill: int) -> torch.Tensor:
    return torch.tensor([row + [fill] * (max(map(len, rows)) - len(row)) for row in rows])


def theirs(model: Any, kind: str) -> torch.Tensor:
    """The summed loss of transformers, padded, targets alone."""
    if kind != "gpt2":
        ids, labels = padded(SOURCES, 0), padded(TARGETS, -100)
        seen = padded([[1] * len(s) for s in SOURCES], 0)
    else:
        both = [s + t for s, t in zip(SOURCES, TARGETS, strict=True)]
        ids, seen = padded(both, 0), padded([[1] * len(b) for b in both], 0)
        masked = [[-100] * len(s) + t for s, t in zip(SOURCES, TARGETS, strict=True)]
        labels = padded(masked, -100)
    return model(input_ids=ids, attention_mask=seen, labels=labels).loss * sum(map(len, TARGETS))


@pytest.mark.parametrize("kind", ["marian", "t5", "bart", "gpt2"])
def test_loss_and_gradients_are_those_of_transformers(kind: str, tmp_path: Path) -> None:
    other = small(kind)
    other.save_pretrained(tmp_path)
    ours = load_model(tmp_path, heads=("language",)).model.double().train()
    objective = TextToText(Exchanges(SOURCES, TARGETS))
    loss, wanted = objective.loss(ours, [0, 1, 2]), theirs(other, kind)
    assert objective.count([0, 1, 2]) == 11
    # transformers takes GPT-2's and T5's softmax in fp32.
    torch.testing.assert_close(loss.float(), wanted.float(), rtol=2e-6, atol=0)
    loss.backward()
    wanted.backward()
    stack = ours.encoder or ours.decoder
    shared = {"gpt2": "transformer.wte.weight", "t5": "shared.weight"}.get(
        kind, "model.shared.weight"
    )
    rows = slice(1, None)  # torch gives padding, which starts Marian's decoder, no gradient
    right = other.get_parameter(shared).grad[rows]
    found = stack.embedding.tokens.weight.grad
    torch.testing.assert_close(found[rows], right, rtol=1e-4, atol=1e-6)
    # The bias of BART's outputs is a buffer there.
    left_out = ("heads.language.output.bias", "embedding.tokens.weight", shared)
    norms = [
        torch.nn.utils.get_total_norm(
            [
                p.grad
                for name, p in model.named_parameters()
                if p.grad is not None and not name.endswith(left_out)
            ]
        )
        for model in (ours, other)
    ]
    torch.testing.assert_close(norms[0], norms[1], rtol=1e-6, atol=0)


def test_the_mask_by_hand() -> None:
    # Source 5 6 7, target 8 9: the 7 guesses the 8, the 8 guesses the 9, the 9 nothing.
    assert guessing([[5, 6, 7]], [[8, 9]]) == [False, False, True, True, False]
    # Two rows end to end; one token to write.
    assert guessing([[5], [6, 7]], [[8], [9]]) == [True, False, False, True, False]


def test_smoothing_is_pytorchs_less_the_entropy_nobody_can_avoid(tmp_path: Path) -> None:
    other = small("gpt2")
    other.save_pretrained(tmp_path)
    ours = load_model(tmp_path, heads=("language",)).model.double()
    loss = TextToText(Exchanges(SOURCES, TARGETS), label_smoothing=0.1).loss(ours, [0])
    logits = other(torch.tensor([SOURCES[0] + TARGETS[0]])).logits[0, 4:7]
    right = F.cross_entropy(logits, torch.tensor(TARGETS[0]), label_smoothing=0.1, reduction="sum")
    right = right - 3 * smoothed_entropy(0.1, 61)
    torch.testing.assert_close(loss, right, rtol=1e-9, atol=0)


def test_what_a_run_knows_its_data_by() -> None:
    exchanges = Exchanges(SOURCES, TARGETS)
    assert exchanges.lengths == [8, 9, 9] and exchanges.columns == (SOURCES, TARGETS)
    assert max(map(len, exchanges.cut(3).sources)) == 3
