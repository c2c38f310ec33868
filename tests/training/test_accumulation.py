"""A step is the same however its batch is cut: 1 × 16 equals 16 × 1, in every topology."""

import copy

import pytest
import torch

from mason.layers import (
    AttentionSpec,
    EmbeddingSpec,
    FeedForwardSpec,
    HeadSpec,
    StackSpec,
)
from mason.models import ModelSpec, SpecialTokens, Transformer
from mason.tasks.classification import ClassificationObjective, Examples, predict_logits
from mason.training.loop import fit
from mason.training.recipe import Recipe

WIDTH, VOCABULARY = 12, 29


def stack(**fields: object) -> StackSpec:
    return StackSpec(
        depth=2,
        embedding=EmbeddingSpec(vocab_size=VOCABULARY, positions="learned", num_positions=23),
        # A bias on keys moves no score, so its gradient is noise that Adam would blow up.
        attention=AttentionSpec(num_heads=3, bias=False),
        feed_forward=FeedForwardSpec(width=17),
        **fields,  # type: ignore[arg-type]
    )


def model(topology: str) -> Transformer:
    torch.manual_seed(0)
    encoder = stack() if "encoder" in topology.split("-")[0] else None
    decoder = stack(causal=True, cross=encoder is not None) if "decoder" in topology else None
    spec = ModelSpec(
        width=WIDTH,
        encoder=encoder,
        decoder=decoder,
        heads={"classification": HeadSpec(pool="last" if decoder else "first")},
        labels=("a", "b", "c"),
        special=SpecialTokens(decoder_start=1),
    )
    return Transformer(spec)


def examples() -> Examples:
    generator = torch.Generator().manual_seed(3)
    lengths = torch.randint(2, 20, (16,), generator=generator).tolist()
    tokens = [torch.randint(0, VOCABULARY, (n,), generator=generator).tolist() for n in lengths]
    return Examples(tokens, None, [i % 3 for i in range(16)])


@pytest.mark.parametrize("topology", ["encoder", "decoder", "encoder-decoder"])
def test_one_pass_of_16_equals_16_passes_of_one(topology: str) -> None:
    whole, cut = model(topology), model(topology)
    recipe = {"batch_size": 16, "max_steps": 3, "epochs": 3, "precision": "fp32"}
    fit(whole, ClassificationObjective(examples()), Recipe(tokens_per_pass=10**6, **recipe))  # type: ignore[arg-type]
    fit(cut, ClassificationObjective(examples()), Recipe(tokens_per_pass=1, **recipe))  # type: ignore[arg-type]
    for (name, a), b in zip(whole.named_parameters(), cut.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=0, atol=1e-6), name


@pytest.mark.parametrize("topology", ["encoder", "decoder", "encoder-decoder"])
def test_batched_predictions_equal_single_ones(topology: str) -> None:
    network, given = model(topology).eval(), examples()
    together = predict_logits(network, given)
    for i, tokens in enumerate(given.tokens):
        alone = predict_logits(network, Examples([tokens]))[0]
        assert abs(together[i] - alone).max() <= 1e-6


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second = model("encoder"), model("encoder")
    for network in (first, second):
        torch.manual_seed(5)
        fit(network, ClassificationObjective(examples()), Recipe(batch_size=4, epochs=2))
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_the_best_evaluation_is_what_stays() -> None:
    network = model("encoder")
    kept: list[dict[str, torch.Tensor]] = []
    losses = iter([3.0, 1.0, 2.0, 2.5, 2.6])

    def evaluate(trained: torch.nn.Module) -> dict[str, float]:
        kept.append(copy.deepcopy(trained.state_dict()))
        return {"valid_loss": next(losses)}

    recipe = Recipe(batch_size=16, epochs=5, patience=2)
    history = fit(network, ClassificationObjective(examples()), recipe, evaluate=evaluate)
    assert history.stopped == "early" and history.best is not None
    assert (history.best.step, len(history.evaluations)) == (2, 4)
    assert all(torch.equal(v, kept[1][k]) for k, v in network.state_dict().items())
