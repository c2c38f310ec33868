"""Two of four weights zero: which ones, that they stay so, and what a file needs for them."""

from pathlib import Path

import pytest
import torch

from mason.compression import Distillation, Layers, Sparsely, masks_of, without_layers
from mason.compression.sparsity import two_of_four
from mason.errors import CheckpointError
from mason.models.eight_bits import hold_in_eight_bits
from mason.models.files import open_weights, write_rounded
from mason.tasks.classification import ClassificationObjective

from .test_shrinking import EXAMPLES, TEXTS, _model

OBJECTIVE = ClassificationObjective(EXAMPLES)


def test_the_two_that_matter_most_stay() -> None:
    worth = torch.tensor([[1.0, 4.0, 3.0, 2.0, 0.5, 0.1, 0.2, 9.0]])
    assert two_of_four(worth).tolist() == [[False, True, True, False, True, False, False, True]]


def test_what_an_input_brings_counts_too() -> None:
    """Else size alone would choose: an input that is never given is not worth keeping."""
    model = _model("bert-tiny")
    stack = model.encoder
    assert stack is not None
    name = "encoder.layers.0.feed_forward.block.output"
    inner = model.get_submodule("encoder.layers.0.feed_forward.block.input")
    with torch.no_grad():
        inner.weight[0].zero_()  # type: ignore[index, union-attr]
        inner.bias[0] = -100.0  # type: ignore[index]
        model.get_submodule(name).weight[:, 0] = 50.0  # type: ignore[index]
    mask = masks_of(model, OBJECTIVE, [[0, 1, 2]])[name]
    assert not mask[:, 0].any() and bool((mask.unflatten(1, (-1, 4)).sum(2) == 2).all())


def test_zeros_stay_while_the_others_learn() -> None:
    model = _model("bert-tiny").train()
    masks = masks_of(model, OBJECTIVE, [[0, 1, 2]])
    objective = Sparsely(OBJECTIVE, masks)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        objective.loss(model, range(3)).backward()
        optimizer.step()
    objective.hold(model)
    for name, mask in masks.items():
        weight = model.get_submodule(name).weight
        assert bool((weight[~mask] == 0).all()) and bool((weight[mask] != 0).any())  # type: ignore[index]


@pytest.mark.parametrize(("bits", "each"), [(8, 5), (4, 3)])
def test_a_file_holds_two_of_four_and_their_places(bits: int, each: int, tmp_path: Path) -> None:
    model = _model("bert-tiny")
    Sparsely(OBJECTIVE, masks_of(model, OBJECTIVE, [[0, 1, 2]])).hold(model)
    held = hold_in_eight_bits(model, bits=bits).get_submodule(
        "encoder.layers.0.attention.block.output"
    )
    wide = held.weight.float() * held.scales[:, None]  # type: ignore[operator, union-attr, index]
    write_rounded(tmp_path, {"one": wide})
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    weights = open_weights(tmp_path)
    assert weights.names() == ["one"] and weights.shape("one") == tuple(wide.shape)
    assert torch.equal(weights.tensor("one"), wide)
    size = (tmp_path / "model.int8.safetensors").stat().st_size
    assert size - 4 * len(wide) - each * wide.numel() / 8 < 400, "a header, and nothing else"


def test_places_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    stored = {"w": torch.ones(3, 8, dtype=torch.int8), "w.scales": torch.ones(3)}
    stored["w.places"] = torch.zeros(3, 1, dtype=torch.uint8)
    save_file(stored, tmp_path / "model.int8.safetensors")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match="no places that fit"):
        open_weights(tmp_path)


def test_rows_of_the_layers_that_are_left_resemble_the_teachers() -> None:
    """A layer gives what the next one that is left was given before; the last, the last rows."""
    teacher = _model("bert-mini")
    student = without_layers(teacher, [0, 2])
    layers = Layers.of(teacher, [0, 2])
    assert layers.pairs == {1: 2, 2: 4}
    logits = torch.zeros(3, 2).split(1)
    alone = Distillation(OBJECTIVE, logits)
    taught = Distillation(OBJECTIVE, logits, layers=layers)
    with torch.no_grad():
        apart = float(taught.loss(student, range(3)) - alone.loss(student, range(3)))
    seen: list[dict[int, torch.Tensor]] = [{}, {}]
    packed = EXAMPLES.pack([0, 1, 2], torch.device("cpu"))
    with torch.no_grad():
        for model, rows in zip((student, teacher), seen, strict=True):
            model(packed, look=rows.__setitem__)
    wanted, starts = 0.0, packed.layout.starts
    for mine, its in layers.pairs.items():
        its_rows = seen[1][its]
        for start, text in zip(starts, TEXTS, strict=True):
            far = (seen[0][mine] - its_rows)[start : start + len(text)]
            wanted += float(far.square().mean() / its_rows.var()) / 2
    assert apart == pytest.approx(wanted, rel=1e-4)
    same = Distillation(OBJECTIVE, logits, layers=Layers.of(teacher, [0, 1, 2, 3]))
    with torch.no_grad():
        assert float(same.loss(teacher, range(3)) - alone.loss(teacher, range(3))) < 1e-4
