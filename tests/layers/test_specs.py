"""What a spec or a registry refuses, and the sentence it says."""

import pytest
import torch
from jaxtyping import TypeCheckError

from mason import language
from mason.errors import SettingsError
from mason.layers import FeedForward, FeedForwardSpec, NormSpec, RelativeSpec, StackSpec, build_norm
from mason.layers.registry import Registry


def test_shapes_are_checked_while_testing() -> None:
    """Were the import hook not there, the tests of these rooms would check less."""
    with pytest.raises(TypeCheckError):
        FeedForward(FeedForwardSpec(width=5), 3)(torch.zeros(2, 2, 3))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"pattern": ("full",), "depth": 2}, "names 1 layers, but the stack has 2"),
        (
            {"pattern": ("full", "banded"), "depth": 2, "window": 3},
            'has banded; each layer is "full"',
        ),
        ({"pattern": ("full", "local"), "depth": 2}, "there is no window"),
        ({"window": 3}, "no attention pattern, so no layer would use it"),
        ({"relative": RelativeSpec(), "alibi": True}, "either relative biases or ALiBi"),
    ],
)
def test_stacks_that_would_compute_something_else(fields: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        StackSpec(**fields)


def test_an_unknown_block_gets_one_sentence() -> None:
    with pytest.raises(SettingsError) as caught:
        build_norm(NormSpec("rmss"), 5)
    said = str(caught.value)
    assert said.startswith("No norm block is called 'rmss' (rms?); choose one of layer, rms, ")
    assert said.endswith(", or give a class of your own.")
    language.use("zh")
    assert "rmss" in str(caught.value) and "No norm" not in str(caught.value)


def test_names_are_taken_once() -> None:
    registry = Registry("norm")

    def cell() -> type:
        @registry.register("mine")
        class Mine:
            pass

        return Mine

    first, second = cell(), cell()
    assert first is not second and isinstance(registry.build("mine"), second)
    with pytest.raises(SettingsError, match=r"'mine' is already registered, as .*Mine; choose"):
        registry.register("mine")(NormSpec)
