"""Where sequences lie, and that a plan brings every row back to its place."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from mason.layers import AttentionPlan, FusedLinear, Layout
from mason.layers.layout import Stored

lengths_of_some = st.lists(st.integers(1, 40), min_size=1, max_size=11)


def test_numbers_by_hand() -> None:
    layout = Layout([3, 1, 2], past=[0, 5, 2])
    assert layout.starts == [0, 3, 4]
    assert layout.num_rows == 6
    assert layout.offsets.tolist() == [0, 3, 4, 6]
    assert layout.positions.tolist() == [0, 1, 2, 5, 2, 3]
    assert layout.sequences.tolist() == [0, 0, 0, 1, 2, 2]
    assert layout.first.tolist() == [0, 3, 4]
    assert layout.last.tolist() == [2, 3, 5]


@given(lengths=lengths_of_some)
def test_a_cache_is_read_where_it_lies(lengths: list[int]) -> None:
    """Every sequence's rows, whatever row of the store it has; side by side, without a copy."""
    store = torch.arange(13.0 * 41).view(13, 41, 1, 1)
    places = [(7 * i + 3) % 13 for i in range(len(lengths))]
    for where in (places, range(len(lengths))):
        keys = Stored(lengths, where)
        plan = AttentionPlan(Layout([1] * len(lengths), past=[n - 1 for n in lengths]), keys)
        for group, slots in zip(plan.groups, plan.key_slots.lay(store), strict=True):
            for member, rows in zip(group.members, slots, strict=True):
                length = lengths[member]
                assert torch.equal(rows[:length], store[keys.places[member], :length])
    even = AttentionPlan(Layout([1] * 5), Stored([17] * 5, range(5)))
    (slots,) = even.key_slots.lay(store)
    assert slots.data_ptr() == store.data_ptr()


@given(lengths=lengths_of_some)
def test_every_row_comes_back_to_its_place(lengths: list[int]) -> None:
    """Groups lay rows out in slots, the plan's slots undo it."""
    layout = Layout(lengths)
    plan = AttentionPlan(layout, layout)
    x = torch.arange(layout.num_rows).float()[:, None, None]
    laid = plan.query_slots.lay(x)
    for group, slots in zip(plan.groups, laid, strict=True):
        for member, rows in zip(group.members, slots, strict=True):
            start, length = layout.starts[member], lengths[member]
            assert torch.equal(rows[:length], x[start : start + length])
    assert torch.equal(plan.query_slots.pick_up(laid), x)
    assert sorted(m for group in plan.groups for m in group.members) == list(range(len(lengths)))


@given(lengths=lengths_of_some)
def test_gradients_of_slots_are_those_of_indexing(lengths: list[int]) -> None:
    """Where empty slots are hidden, as attention hides them."""
    layout = Layout([41, *lengths, 1])  # so that rows and slots are not the same
    slots = AttentionPlan(layout, layout).query_slots
    filled = torch.ones(len(slots.rows), 1, 1, dtype=torch.double)
    filled[slots.empty] = 0
    x = torch.randn(layout.num_rows, 2, 3, dtype=torch.double)

    def mix(laid: torch.Tensor) -> torch.Tensor:
        return (laid * filled).sin() * torch.arange(1, len(laid) + 1)[:, None, None]

    ours, plain = x.clone().requires_grad_(), x.clone().requires_grad_()
    parts = mix(torch.cat([part.flatten(0, 1) for part in slots.lay(ours)]))
    cut = parts.split([b * n for b, n in slots.shapes])
    groups = [part.unflatten(0, shape) for part, shape in zip(cut, slots.shapes, strict=True)]
    (slots.pick_up(groups) * x).sum().backward()
    (mix(plain[slots.rows])[slots.own] * x).sum().backward()
    assert ours.grad is not None and plain.grad is not None
    assert torch.equal(ours.grad, plain.grad)


@given(lengths=lengths_of_some)
def test_few_slots_are_empty(lengths: list[int]) -> None:
    layout = Layout(lengths)
    plan = AttentionPlan(layout, layout)
    slots = sum(b * n for b, n in plan.query_slots.shapes)
    assert slots <= 1.35 * layout.num_rows + 4 * len(lengths)


def test_a_fused_linear_is_its_parts_side_by_side() -> None:
    torch.manual_seed(1)
    fused, x = FusedLinear(5, {"query": 7, "key": 3, "value": 2}, bias=True), torch.randn(11, 5)
    parts = fused.split(fused(x))
    assert list(fused.slices) == ["query", "key", "value"]
    for part, rows in zip(parts, fused.slices.values(), strict=True):
        expected = torch.nn.functional.linear(x, fused.weight[rows], fused.bias[rows])
        assert torch.allclose(part, expected, atol=1e-6)
