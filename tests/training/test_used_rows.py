"""Training the used rows alone is training the whole table."""

from dataclasses import replace
from itertools import chain

import pytest
import torch

from mason.models.transformer import Transformer
from mason.tasks.classification import ClassificationObjective, Examples, predict_logits
from mason.training.loop import fit
from mason.training.recipe import Recipe
from mason.training.used_rows import UsedRows, training_used_rows
from tests.training.small import build, examples

RECIPE = Recipe(epochs=5, batch_size=4, learning_rate=3e-3, weight_decay=0.3, precision="fp32")


def _few() -> Examples:
    """Texts of only a few of the tokens."""
    drawn = examples(16)
    return replace(drawn, tokens=[[3 + t % 17 for t in text] for text in drawn.tokens])


def _train(known: bool) -> tuple[Transformer, list[float], torch.Tensor]:
    # In float64: a key's bias has a gradient of rounding alone, which AdamW makes large.
    model, texts = build("encoder").double(), _few()
    others = examples(8, seed=9)
    seen: list[torch.Tensor] = []

    def evaluate(network: torch.nn.Module) -> dict[str, float]:
        assert isinstance(network, Transformer) and network.encoder is not None
        assert isinstance(network.encoder.embedding.tokens, UsedRows) == known
        seen.append(torch.from_numpy(predict_logits(network, others)))
        return {"valid_loss": 3.0 if len(seen) == 2 else 1.0 / len(seen)}

    tokens = chain(*texts.tokens) if known else None
    with training_used_rows(model, tokens):
        history = fit(model, ClassificationObjective(texts), RECIPE, evaluate=evaluate)
    return model, [step.gradient_norm for step in history.steps], torch.stack(seen)


def test_weights_norms_and_unseen_texts_are_those_of_the_whole_table() -> None:
    (ours, norms, seen), (whole, wanted, expected) = _train(True), _train(False)
    assert norms == pytest.approx(wanted, rel=1e-5)
    assert torch.allclose(seen, expected, atol=1e-5)
    start = build("encoder").double().state_dict()
    theirs = whole.state_dict()
    assert set(ours.state_dict()) == set(theirs)
    for name, weight in ours.state_dict().items():
        assert torch.allclose(weight, theirs[name], atol=1e-6, rtol=1e-6), name
    table = "encoder.embedding.tokens.weight"
    unused = torch.tensor(sorted(set(range(len(start[table]))) - {*chain(*_few().tokens)}))
    decayed = ours.state_dict()[table][unused]
    assert torch.allclose(decayed, theirs[table][unused], atol=1e-7, rtol=5e-7)
    assert not torch.allclose(decayed, start[table][unused], atol=1e-4)


def test_the_table_is_whole_again_after_an_error() -> None:
    model = build("encoder")
    before = {name: w.clone() for name, w in model.state_dict().items()}
    with pytest.raises(KeyError), training_used_rows(model, [3, 4]):
        raise KeyError
    assert set(before) == set(model.state_dict())
    assert all(torch.equal(before[n], w) for n, w in model.state_dict().items())


@pytest.mark.parametrize("topology", ["decoder", "encoder-decoder"])
def test_other_topologies_are_left_alone(topology: str) -> None:
    model = build(topology)  # type: ignore[arg-type]
    names = dict(model.named_modules())
    with training_used_rows(model, [3]):
        assert dict(model.named_modules()) == names


def test_a_table_of_mostly_used_rows_or_frozen_is_left_alone() -> None:
    model = build("encoder")
    assert model.encoder is not None
    table = model.encoder.embedding.tokens
    with training_used_rows(model, range(table.num_embeddings)):
        assert model.encoder.embedding.tokens is table
    table.weight.requires_grad_(False)
    with training_used_rows(model, [3]):
        assert model.encoder.embedding.tokens is table
