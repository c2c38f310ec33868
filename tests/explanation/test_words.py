"""Words of the user's own text, whatever a tokenizer makes of them."""

import pytest

from mason.explanation import Word, words_of
from mason.text import Encoding


def encoding(spans: list[tuple[int, int]], parts: list[int]) -> Encoding:
    return Encoding([7] * len(spans), [0] * len(spans), spans, parts, False)


def test_pieces_of_a_word_and_the_marks_around() -> None:
    text = "unhappy cats"
    words, of = words_of(
        [text], encoding([(0, 0), (0, 2), (2, 7), (8, 12), (0, 0)], [-1, 0, 0, 0, -1])
    )
    assert [text[w.start : w.end] for w in words] == ["unhappy", "cats"]
    assert of == (-1, 0, 0, 1, -1)


def test_a_space_before_a_piece_belongs_to_no_word() -> None:
    words, of = words_of(["a cat"], encoding([(0, 1), (1, 5)], [0, 0]))
    assert words == (Word(0, 1), Word(2, 5)) and of == (0, 1)


def test_words_that_share_a_piece_are_one() -> None:
    words, of = words_of(["what?! no"], encoding([(0, 4), (4, 6), (7, 9)], [0, 0, 0]))
    assert words == (Word(0, 4), Word(4, 6), Word(7, 9)) and of == (0, 1, 2)


def test_what_was_cut_off_is_no_word_and_a_pair_has_two_parts() -> None:
    words, of = words_of(["one two", "three"], encoding([(0, 3), (0, 5)], [0, 1]))
    assert words == (Word(0, 3, 0), Word(0, 5, 1)) and of == (0, 1)


@pytest.mark.parametrize("text", ["北京是中国的首都"])
def test_chinese_has_words_too(text: str) -> None:
    words, of = words_of([text], encoding([(i, i + 1) for i in range(8)], [0] * 8))
    assert 1 < len(words) < 8 and of[0] == of[1] == 0
