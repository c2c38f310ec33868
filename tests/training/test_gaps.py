"""Gaps in the allocator's memory: closed where they grew, or after every pass."""

from itertools import repeat

import pytest

from mason import runtime
from mason.models.transformer import set_recompute
from mason.runtime import Gaps
from mason.training.loop import fit
from mason.training.recipe import Recipe
from tests.training.small import build, objective


@pytest.fixture
def returns(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What was held whenever memory was given back."""
    found: list[int] = []

    def give_back() -> None:
        found.append(runtime.resident_bytes())

    monkeypatch.setattr(runtime, "return_freed_memory", give_back)
    return found


def told(monkeypatch: pytest.MonkeyPatch, gaps: Gaps, held: list[int]) -> None:
    for one in held:
        monkeypatch.setattr(runtime, "resident_bytes", repeat(one).__next__)
        gaps.after_pass()


def test_memory_is_given_back_once_it_has_grown(
    monkeypatch: pytest.MonkeyPatch, returns: list[int]
) -> None:
    told(monkeypatch, Gaps(), [300, 100, 105, 109, 111])
    assert returns == [300, 111], "what was held before the first pass says nothing"


def test_what_a_single_pass_needs_is_no_gap(
    monkeypatch: pytest.MonkeyPatch, returns: list[int]
) -> None:
    """The first step makes the optimiser's averages, and later texts are longer."""
    told(monkeypatch, Gaps(), [50, 100, 300, 290, 310, 305, 318, 100, 300])
    assert returns == [50, 300], "once to find out, and never again for as much"


def test_lean_runs_give_back_after_every_pass(
    monkeypatch: pytest.MonkeyPatch, returns: list[int]
) -> None:
    told(monkeypatch, Gaps(lean=True), [100, 100, 90])
    assert returns == [100, 100, 90]


def test_large_tensors_are_mapped_where_memory_counts_more(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[tuple[int, int]] = []

    class Libc:
        def mallopt(self, name: int, value: int) -> None:
            found.append((name, value))

    monkeypatch.setattr(runtime, "_glibc", Libc)
    Gaps().begin()
    assert not found
    Gaps(lean=True).begin()
    assert {name for name, _ in found} == {-3, -4}, "from how many bytes on, and how many of them"


@pytest.mark.parametrize("again", [False, True])
def test_who_computes_again_wants_memory(
    monkeypatch: pytest.MonkeyPatch, returns: list[int], again: bool
) -> None:
    monkeypatch.setattr(runtime, "resident_bytes", repeat(100).__next__)
    model = build("decoder")
    set_recompute(model, again)
    fit(model, objective(), Recipe(batch_size=4, max_steps=3, tokens_per_pass=20))
    assert (len(returns) > 3) == again, "several passes a step"
