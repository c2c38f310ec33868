"""Windows by hand, and templates of real tokenizers."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mason.errors import TokenizerError
from mason.tasks.windows import Frame, clearest, room_for, windows
from tests.text.tiny import TOKENIZERS, tiny


def test_windows_by_hand() -> None:
    assert windows(10, 4, 1) == [range(0, 4), range(3, 7), range(6, 10)]
    assert windows(11, 4, 1) == [range(0, 4), range(3, 7), range(6, 10), range(9, 11)]
    assert windows(4, 4, 2) == [range(0, 4)]
    assert windows(1, 7, 3) == [range(0, 1)]


@given(st.integers(1, 300), st.integers(1, 40), st.data())
def test_windows_hold_every_token_and_share_what_they_should(
    length: int, room: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, room - 1))
    found = windows(length, room, overlap)
    assert {i for window in found for i in window} == set(range(length))
    assert all(0 < len(window) <= room for window in found)
    assert all(a.stop - b.start == overlap for a, b in pairwise(found))


def test_the_clearest_window_shows_most_of_both_sides() -> None:
    found = windows(10, 6, 4)  # 0-6, 2-8, 4-10
    assert [clearest(i, found) for i in range(10)] == [0, 0, 0, 0, 1, 1, 2, 2, 2, 2]


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("pair", [False, True])
def test_a_frame_is_the_tokenizers_own_template(name: str, pair: bool) -> None:
    tokenizer = tiny(name)
    first, second = "the cat sat", "a dog ran off"
    whole = tokenizer.encode([first], [second] if pair else None)[0]
    alone = tokenizer.encode([first, second], special=False)
    parts = [alone[0].ids, alone[1].ids if pair else []]
    frame = Frame.of(tokenizer, pair=pair)
    assert frame.around(*parts) == whole.ids
    assert frame.types_around(*map(len, parts)) == whole.type_ids
    assert frame.num_tokens == tokenizer.num_special_tokens(pair=pair)


def test_too_little_room_is_said() -> None:
    assert room_for(None, 9) is None
    assert room_for(20, 9) == 11
    with pytest.raises(TokenizerError, match="max_tokens is 12, and 9 of them"):
        room_for(12, 9)
