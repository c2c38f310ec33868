"""Words swapped by gradient: which may be, and that they hurt."""

import pytest
import torch

import mason
from mason.errors import SettingsError
from mason.models.packed import Packed
from mason.security.neighbours import WordVectors
from mason.security.swaps import Swaps
from mason.settings import load_settings
from mason.tasks.classification import ClassificationObjective, token_table
from mason.workflows import Classifier
from mason.workflows.tasks import find_task

TEXTS = [
    "What famous river does the old city of Prague stand on ?",
    "How many people live in unbelievableness ?",
    "Who ?",
]


@pytest.fixture(scope="module")
def model() -> Classifier:
    found = mason.load("all-MiniLM-L6-v2", task="classification", labels=["a", "b"])
    assert isinstance(found, Classifier)
    return found


@pytest.fixture(scope="module")
def swaps(model: Classifier) -> Swaps:
    return Swaps(model.tokenizer, token_table(model.network))


def test_whole_words_become_their_neighbours_and_no_others(model: Classifier, swaps: Swaps) -> None:
    packed, table = model.encode(TEXTS).pack(range(3)), token_table(model.network)
    vectors = WordVectors(model.tokenizer, table)
    torch.manual_seed(0)
    swapped = swaps(packed, table, torch.randn(len(packed.tokens), table.shape[1]), 1.0)
    before, after = (model.tokenizer.pieces(p.tokens.tolist()) for p in (packed, swapped))
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert len(changed) >= 3
    for word, other in changed:
        assert other in vectors.near(word, 50, 0.3)
    kept = {"what", "the", "does", "of", "?", "[CLS]", "[SEP]", "who", "how"}
    assert not kept.intersection(word for word, _ in changed)
    assert not any(word.startswith("##") for pair in changed for word in pair)
    assert "un" not in {word for word, _ in changed}  # it is the beginning of another word
    assert swapped.layout is packed.layout


def test_each_text_has_its_own_share(model: Classifier, swaps: Swaps) -> None:
    """Of twelve tokens at most so many change; none where the share is 0."""
    packed, table = model.encode(TEXTS[:1] * 20).pack(range(20)), token_table(model.network)
    gradient = torch.randn(len(packed.tokens), table.shape[1])
    for share, most in ((0.0, 0), (0.2, 3)):
        tokens = swaps(packed, table, gradient, share).tokens
        changed = (tokens != packed.tokens).view(20, -1).sum(1)
        assert changed.max() == most
    assert len(changed.unique()) > 1


def test_the_gradient_finds_what_hurts(model: Classifier, swaps: Swaps) -> None:
    """A swap by the loss's own gradient raises the loss, and one by its opposite lowers it."""
    examples = model.encode(TEXTS[:2] * 8)
    given = type(examples)(examples.tokens, None, [0, 1] * 8)
    losses = {}
    model.network.eval()
    for sign in (1, 0, -1):
        objective = ClassificationObjective(given, word_swaps=0.5)

        def swap(packed: Packed, rows: torch.Tensor, by: torch.Tensor, share: float) -> Packed:
            return swaps(packed, rows, sign * by, share)  # noqa: B023

        objective.swap = swap
        torch.manual_seed(1)
        losses[sign] = objective.loss(model.network, range(16)).item()
    assert losses[-1] < losses[0] < losses[1]


def test_frozen_vectors_have_gradients_too(model: Classifier, swaps: Swaps) -> None:
    examples = model.encode(TEXTS)
    objective = ClassificationObjective(
        type(examples)(examples.tokens, None, [0, 1, 0]), word_swaps=0.5
    )
    objective.swap = swaps
    weight = model.network.encoder.embedding.tokens.weight
    weight.requires_grad_(False)
    try:
        objective.loss(model.network, [0, 1, 2]).backward()
    finally:
        weight.requires_grad_(True)
    assert weight.grad is None
    model.network.zero_grad()


def test_what_it_cannot_go_with_is_said(model: Classifier) -> None:
    task = find_task("classification")
    settings = load_settings(None, {"training.word_swaps": 0.3, "training.compile": True}).settings
    with pytest.raises(SettingsError, match="leave one of them out"):
        task.heed(model, settings)
