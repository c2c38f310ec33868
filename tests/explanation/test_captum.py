"""Our pictures of a packed model beside captum's of transformers' padded copy of its weights."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import captum.attr
import numpy as np
import pytest
import torch
import transformers
from torch import Tensor

from mason.explanation import Subject, Word
from mason.explanation.methods import find_method
from mason.explanation.methods.gradients import integrate, token_vectors
from mason.explanation.numbers import ClassOdds, log_odds
from mason.models.checkpoints import load_model

BLANK, STEPS, CLASS = 5, 20, 1
TOKENS = (2, 17, 31, 8, 44, 23, 3)
WORDS = (-1, 0, 1, 1, 2, 3, -1)
PADDING = 3
BERT = {"hidden_size": 34, "num_hidden_layers": 3, "num_attention_heads": 2}
BERT |= {"intermediate_size": 37, "vocab_size": 53, "initializer_range": 0.2}
LLAMA = {**BERT, "hidden_size": 44, "eos_token_id": 3}
MODELS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "encoder": ("BertForSequenceClassification", BERT, False),
    "decoder": ("LlamaForSequenceClassification", LLAMA, True),
}


@dataclass
class Pair:
    """The same weights twice."""

    ours: Subject
    theirs: Any
    left: bool
    """Whether padding stands before the text, as decoders want it."""

    def padded(self, row: Tensor, fill: Tensor) -> Tensor:
        padding = fill.expand(PADDING, *row.shape[1:])
        return torch.cat([padding, row] if self.left else [row, padding])[None]

    def number(self, vectors: Tensor) -> Tensor:
        """Log-odds by transformers, of token vectors [N, L, D]."""
        mask = self.padded(torch.ones(len(TOKENS)), torch.zeros(1)).expand(len(vectors), -1)
        logits = self.theirs(inputs_embeds=vectors, attention_mask=mask).logits
        return log_odds(logits, CLASS)

    def of_ids(self, ids: Tensor) -> Tensor:
        return self.number(self.theirs.get_input_embeddings()(ids))

    def ids(self, tokens: Any = TOKENS) -> Tensor:
        return self.padded(torch.tensor(tokens), torch.zeros(1, dtype=torch.long))

    def of_words(self, tokens: Tensor) -> np.ndarray:
        """What captum says of each padded position, by word."""
        told = tokens[0, PADDING:] if self.left else tokens[0, : len(TOKENS)]
        return self.ours.of_words(told.detach().double().numpy())


@pytest.fixture(params=MODELS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Pair:
    name, config, left = MODELS[request.param]
    kind: Any = getattr(transformers, name)
    torch.manual_seed(7)
    theirs = kind(kind.config_class(**config, num_labels=3, pad_token_id=0))
    theirs.eval().save_pretrained(tmp_path)
    network = load_model(tmp_path).model.eval()
    subject = Subject(
        network,
        ClassOdds("classification", CLASS),
        ("one two three four",),
        TOKENS,
        tuple(Word(0, 1) for _ in range(4)),
        WORDS,
        BLANK,
        "answer",
    )
    return Pair(subject, theirs, left)


def test_gradient_x_input(pair: Pair) -> None:
    vectors = pair.theirs.get_input_embeddings()(pair.ids()).detach().requires_grad_()
    theirs = captum.attr.InputXGradient(pair.number).attribute(vectors).sum(-1)
    ours = find_method("gradient-x-input").weigh(pair.ours).weights
    np.testing.assert_allclose(ours, pair.of_words(theirs), atol=1e-4)
    assert np.abs(ours).max() > 0.01, "nothing to compare"


def test_integrated_gradients(pair: Pair) -> None:
    blank = [BLANK if word >= 0 else token for token, word in zip(TOKENS, WORDS, strict=True)]
    table = pair.theirs.get_input_embeddings()
    start, end = (table(pair.ids(tokens)).detach() for tokens in (blank, TOKENS))
    method = captum.attr.IntegratedGradients(pair.number)
    theirs = method.attribute(end, start, n_steps=STEPS, method="gausslegendre").sum(-1)
    (bare,) = pair.ours.blanked(np.zeros((1, 4), dtype=bool))
    ours = integrate(pair.ours, token_vectors(bare), token_vectors(pair.ours), STEPS)
    np.testing.assert_allclose(pair.ours.of_words(ours), pair.of_words(theirs), atol=1e-4)


def test_integrated_gradients_add_up(pair: Pair) -> None:
    found = find_method("integrated-gradients").weigh(pair.ours)
    assert found.incompleteness is not None and found.incompleteness <= 0.01
    kept = np.array([[True] * 4, [False] * 4])
    whole, bare = (pair.of_ids(pair.ids(one.tokens)).item() for one in pair.ours.blanked(kept))
    assert found.weights.sum() == pytest.approx(whole - bare, rel=0.011)


def test_occlusion(pair: Pair) -> None:
    # A feature for each word; the marks and the padding, one that stays as it is.
    mask = pair.padded(torch.tensor(WORDS), torch.tensor([-1])) + 1
    blank = torch.where(mask > 0, BLANK, pair.ids())
    method = captum.attr.FeatureAblation(pair.of_ids)
    theirs = method.attribute(pair.ids(), blank, feature_mask=mask)
    firsts = [int((mask[0] == word + 1).nonzero()[0]) for word in range(4)]
    ours = find_method("occlusion").weigh(pair.ours).weights
    np.testing.assert_allclose(ours, theirs[0, firsts].detach().numpy(), atol=1e-4)


@pytest.mark.parametrize("name", ["shap", "lime"])
def test_on_a_sum_of_words_every_method_finds_its_terms(name: str, pair: Pair) -> None:
    """Where words do not meet, a word's weight is what it adds."""

    class Sum:
        probable = False

        def __call__(self, network: Any, packed: Any, rows: Any) -> Tensor:
            values = packed.tokens.double() * 0.1
            return torch.stack([part.sum() for part in values.split(packed.lengths)])

    subject = replace(pair.ours, number=Sum())
    terms = subject.of_words(0.1 * (np.array(TOKENS) - BLANK).astype(float))
    found = find_method(name).weigh(subject).weights
    if name == "shap":
        np.testing.assert_allclose(found, terms, atol=1e-9)
    else:  # the penalty of the ridge makes them smaller
        assert np.corrcoef(found, terms)[0, 1] > 0.99
