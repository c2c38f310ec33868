"""Answers to questions as everything a report says of them, beside simpler rivals."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mason.data.questions import Question
from mason.evaluation.baselines import Baseline
from mason.language import say
from mason.metrics.answers import AnswerScores, answer_scores, answer_tokens
from mason.tasks.answering import Answer

MOST_WRONG = 10
"""Mistakes shown, the most confident first."""
_SENTENCE = re.compile(r"\S[^\n]*?(?:[.!?](?=\s|$)|[。！？]|(?=\n|$))")


@dataclass(frozen=True)
class AnswerJudgement:
    """Scores, and the numbers of the worst mistakes: those with no word right come first."""

    scores: AnswerScores
    mistakes: list[int]


def judge_answers(questions: Sequence[Question], given: Sequence[Answer]) -> AnswerJudgement:
    """Judge answers; intervals draw texts, for the questions to one text are alike."""
    told = _scored(questions, [answer.text for answer in given])
    wrong = [i for i, exact in enumerate(told.exact) if not exact]
    worst = sorted(wrong, key=lambda i: (told.f1[i], -given[i].probability, i))[:MOST_WRONG]
    return AnswerJudgement(told, worst)


def _scored(questions: Sequence[Question], given: Sequence[str]) -> AnswerScores:
    return answer_scores(given, [q.texts for q in questions], groups=[q.context for q in questions])


def answer_baselines(questions: Sequence[Question]) -> list[Baseline]:
    """The first sentence of the text, and the sentence that shares most with the question."""
    sentences = {q.context: _sentences(q.context) for q in questions}
    counts = Counter(
        word for some in sentences.values() for one in some for word in set(answer_tokens(one))
    )
    guesses = {
        say("the first sentence of the text"): [sentences[q.context][0] for q in questions],
        say("the sentence that shares most words with the question"): [
            _nearest(q.question, sentences[q.context], counts) for q in questions
        ],
    }
    return [
        Baseline(name, scores=_scored(questions, guess).overall) for name, guess in guesses.items()
    ]


def _sentences(text: str) -> list[str]:
    return [match[0].strip() for match in _SENTENCE.finditer(text)] or [text]


def _nearest(question: str, sentences: Sequence[str], counts: Counter[str]) -> str:
    asked = set(answer_tokens(question))

    def shared(sentence: str) -> float:
        both = asked & set(answer_tokens(sentence))
        return sum(1 / (1 + math.log(1 + counts[word])) for word in both)

    return max(sentences, key=shared)
