"""Probes on vectors whose content is known, and the vectors themselves beside transformers'."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from mason.explanation.neighbours import nearest
from mason.explanation.probes import (
    controls_of_texts,
    controls_of_words,
    layer_vectors,
    probe,
)
from mason.models.checkpoints import load_model

CHANCE = np.random.default_rng(3)


def test_a_probe_finds_what_is_there_and_a_control_what_is_remembered() -> None:
    """Layer 0 holds each word's identity, layer 1 the label alone, layer 2 nothing."""
    words = CHANCE.integers(0, 23, 2000)
    labels = words % 3
    identity = np.eye(23)[words]
    label = np.eye(3)[labels] + 0.01 * CHANCE.standard_normal((2000, 3))
    layers = [identity, np.pad(label, ((0, 0), (0, 20))), CHANCE.standard_normal((2000, 23))]
    controls = controls_of_words([str(word) for word in words], labels.tolist(), seed=0)
    held = np.arange(2000) % 4 == 0
    told = probe(np.array(layers, np.float32), labels.tolist(), controls, held)
    assert [one.layer for one in told] == [0, 1, 2]
    assert told[0].accuracy == told[0].control == 1 and told[0].selectivity == 0
    assert told[1].accuracy == 1 and told[1].control < 0.8
    assert 0 < told[1].low <= told[1].selectivity <= told[1].high
    assert told[2].accuracy < 0.5


def test_controls_are_of_words() -> None:
    words = "the cat sat on the mat".split()
    drawn = controls_of_words(words, [0, 1, 2, 3, 0, 1], seed=0)
    assert drawn[0] == drawn[4] and set(drawn) <= {0, 1, 2, 3}
    assert drawn == controls_of_words(words, [0, 1, 2, 3, 0, 1], seed=0)
    texts = [["a", "b"], ["b", "a", "a"], ["c"], []]
    first, second, *_ = controls_of_texts(texts, 5, seed=0)
    assert first == second, "the same words, the same label"


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    torch.manual_seed(7)
    small = {"hidden_size": 34, "num_hidden_layers": 3, "num_attention_heads": 2}
    config = transformers.BertConfig(**small, intermediate_size=37, vocab_size=53)
    transformers.BertModel(config).save_pretrained(tmp_path)
    return tmp_path


def test_vectors_of_layers(bert: Path) -> None:
    ours, theirs = load_model(bert).model.eval(), transformers.BertModel.from_pretrained(bert)
    texts, rows = [[2, 17, 31, 3], [2, 8, 44, 23, 9, 3], [2, 5, 3]], [[1], [2, 4], []]
    found = layer_vectors(ours, texts), layer_vectors(ours, texts, rows, tokens_per_pass=7)
    with torch.no_grad():
        states = [
            theirs.eval()(torch.tensor([text]), output_hidden_states=True).hidden_states
            for text in texts
        ]
    for layer in range(4):
        means = [one[layer][0].mean(0) for one in states]
        items = [one[layer][0, row] for one, some in zip(states, rows, strict=True) for row in some]
        np.testing.assert_allclose(found[0][layer], torch.stack(means), atol=1e-5)
        np.testing.assert_allclose(found[1][layer], torch.stack(items), atol=1e-5)


def test_nearest() -> None:
    rows = np.array([[1.0, 0], [0, 2], [3, 3], [-1, 0]])
    found = nearest(rows, np.array([5.0, 0]), 3)
    assert [one.row for one in found] == [0, 2, 1]
    assert [one.similarity for one in found] == pytest.approx([1, 0.5**0.5, 0])
