"""Scores of code on programs whose scores are known."""

import pytest

from mason.metrics.code import compiles, completion_scores, translation_scores, tree_of

RIGHT = "def f(a):\n    return a + 1\n"


def test_layout_comments_and_u_are_no_part_of_a_tree() -> None:
    assert tree_of("x = u'a'  # why") == tree_of('x  =  "a"\n')
    assert tree_of("    def f():\n        pass") == tree_of("def f(): pass")
    assert tree_of("x = 1") != tree_of("x = 2") and tree_of("print 1") is None
    assert tree_of("\0") is None and tree_of("(" * 2000) is None


def test_compiling_is_more_than_parsing() -> None:
    assert compiles(RIGHT) and tree_of("return 1") is not None
    for wrong in ("return 1", "def f(a, a): pass", "break", "print 1", "\ud800"):
        assert not compiles(wrong)


def test_translations_are_scored_row_by_row() -> None:
    written = [RIGHT.replace("a", "a "), "def f(a): return a", "def f(a) return"]
    told = translation_scores(written, [RIGHT] * 3).overall
    assert told["same_tree"].value == pytest.approx(1 / 3)
    assert told["compiles"].value == pytest.approx(2 / 3)
    assert told["exact_completion"].value == 0 and "tests_passed" not in told
    tests = ["assert f(1) == 2", "assert f(1) == 2", ""]
    ran: list[str] = []

    def passing(program: str, test: str) -> bool:
        ran.append(program)
        return "+ 1" in program

    tried = translation_scores(written, [RIGHT] * 3, tests=tests, passing=passing).overall
    assert tried["tests_passed"].value == 0.5 and ran == written[:2]


def test_other_languages_are_compared_as_text() -> None:
    code = ["int main() { return 0; }"]
    assert set(translation_scores(code, code).overall) == {"exact_completion", "edit_similarity"}


def test_completions_compile_with_what_is_around_them() -> None:
    before, after = ["def f(a):\n    return ", "x = (1,\n", "if x"], ["\n", "2)\n", ""]
    told = completion_scores(["a", "(", ""], ["a", "", ""], before=before, after=after).overall
    # The third would not compile however it went on, and is not counted.
    assert told["compiles"].value == 0.5
    assert told["exact_completion"].value == pytest.approx(2 / 3)
