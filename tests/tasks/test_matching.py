"""What a question and its text share: by brute force, and on questions as they are asked."""

import random

import numpy as np

from mason.data.questions import Question
from mason.sources import find_model
from mason.tasks.answering import examples_of
from mason.tasks.matching import shared_run
from mason.text import load_tokenizer
from tests.text.tiny import tiny


def by_hand(question: list[int], text: list[int], rarity: np.ndarray) -> list[int]:
    """Every pair of places, and how far the two go on alike."""
    best, found = 0.0, set[int]()
    for i in range(len(text)):
        for j in range(len(question)):
            if text[i] != question[j] or (i and j and text[i - 1] == question[j - 1]):
                continue
            size = 0
            while text[i + size : i + size + 1] == question[j + size : j + size + 1] != []:
                size += 1
            summed = float(sum(rarity[token] for token in text[i : i + size]))
            if summed > best + 1e-9:
                best, found = summed, set()
            if summed > 0 and summed >= best - 1e-9:
                found |= set(range(i, i + size))
    return sorted(found)


def test_it_is_the_rarest_run() -> None:
    drawn = random.Random(0)
    rarity = np.array([0.0, 0.5, 1.0, 1.0, 2.0, 3.0])
    found = 0
    for _ in range(1000):
        question = drawn.choices(range(6), k=drawn.randrange(1, 8))
        text = drawn.choices(range(6), k=drawn.randrange(20))
        wanted = by_hand(question, text, rarity)
        assert shared_run(question, np.array(text, np.int64), rarity) == wanted, (question, text)
        found += bool(wanted)
    assert found > 500


OPTIONS = [
    "--list: List the files.\n--create: Create the archive.\n--verbose: Say more.",
    "--all: Show the hidden names too.\n--list: Give the names in lines.\n--size: Say how big.",
]


def asked(option: str, context: str, answer: str) -> Question:
    start = context.index(answer)
    return Question(f"What does the option {option} do?", context, ((start, start + len(answer)),))


QUESTIONS = [
    asked("--create", OPTIONS[0], "Create the archive."),
    asked("--verbose", OPTIONS[0], "Say more."),
    asked("--all", OPTIONS[1], "Show the hidden names too."),
    asked("--size", OPTIONS[1], "Say how big."),
]


def test_it_is_the_option_that_is_asked_for() -> None:
    examples = examples_of(QUESTIONS, load_tokenizer(find_model("all-MiniLM-L6-v2")))
    matching = examples.matching
    for number, question in enumerate(QUESTIONS):
        first, places = examples.firsts[number], examples.places[number]
        spans = [places[row - first] for row in matching.rows(number)]
        option = question.question.split()[4].lstrip("-")
        said = question.context[spans[0][0] : spans[-1][1]]
        assert option in said and len(said) < 20, said


def test_windows_cut_before_their_text_share_nothing() -> None:
    examples = examples_of(QUESTIONS, tiny("wordpiece")).cut(4)
    matching = examples.matching
    assert [matching.rows(i) for i in range(4)] == [[]] * 4
