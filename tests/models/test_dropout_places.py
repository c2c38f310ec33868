"""A rate asked for is in force where the architecture drops, and nowhere else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import nn

from mason.layers import Dropout
from mason.models.checkpoints import load_model
from mason.models.packed import Packed
from mason.models.transformer import set_dropout

IDS = [5, 6, 7, 8]
SIZES = {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2}
RATES = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}


def bert() -> Any:
    config = transformers.BertConfig(vocab_size=30, intermediate_size=20, **SIZES, **RATES)
    return transformers.BertForSequenceClassification(config)


def roberta() -> Any:
    config = transformers.RobertaConfig(vocab_size=30, intermediate_size=20, **SIZES, **RATES)
    return transformers.RobertaForSequenceClassification(config)


def gpt2() -> Any:
    config = transformers.GPT2Config(vocab_size=30, n_embd=12, n_layer=2, n_head=2)
    return transformers.GPT2LMHeadModel(config)


def t5() -> Any:
    config = transformers.T5Config(
        vocab_size=30, d_model=12, d_kv=6, d_ff=20, num_layers=2, num_heads=2
    )
    return transformers.T5ForConditionalGeneration(config)


def executed(model: nn.Module, kind: type[nn.Module], forward: Callable[[], Any]) -> int:
    """How many modules of a kind drop something in a forward pass."""
    count = 0

    def met(module: nn.Module, *_: object) -> None:
        nonlocal count
        count += bool(module.rate if isinstance(module, Dropout) else module.p)

    hooks = [m.register_forward_hook(met) for m in model.modules() if isinstance(m, kind)]
    forward()
    for hook in hooks:
        hook.remove()
    return count


@pytest.mark.parametrize(
    ("make", "head"),
    [(bert, "classification"), (roberta, "classification"), (gpt2, "language"), (t5, "language")],
)
def test_as_many_places_as_in_transformers(
    make: Callable[[], Any], head: str, tmp_path: Path
) -> None:
    peer = make().train()
    peer.save_pretrained(tmp_path)
    given, streams = {"input_ids": torch.tensor([IDS])}, [Packed.of([IDS])]
    if make is t5:
        given["decoder_input_ids"] = given["input_ids"]
        streams *= 2
    told = executed(peer, nn.Dropout, lambda: peer(**given))
    model = load_model(tmp_path).model.train()
    set_dropout(model, 0.3)
    assert executed(model, Dropout, lambda: model.logits(head, *streams)) == told > 3
    set_dropout(model, 0.0)
    assert executed(model, Dropout, lambda: model.logits(head, *streams)) == 0
