"""A finder of answers as a user holds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, overload

from mason.data.questions import Question
from mason.errors import DataError
from mason.explanation import Subject
from mason.explanation.numbers import SpanOdds
from mason.tasks.answering import (
    HEAD,
    MAX_ANSWER,
    NBEST,
    Answer,
    Answers,
    Examples,
    decide,
    examples_of,
    find_answers,
)
from mason.tasks.windows import Frame
from mason.text import Encoding
from mason.workflows.model import Model


@dataclass
class Answerer(Model):
    """A finder of answers in texts.

    Attributes:
        max_answer: Tokens of the longest answer it gives.
        threshold: What the score of there being no answer must exceed the best one by; None:
            it has learned from texts that all have one, and always gives one.
    """

    task: ClassVar[str] = "answering"

    max_answer: int = MAX_ANSWER
    threshold: float | None = None

    def encode(self, questions: Sequence[Question], *, with_targets: bool = False) -> Examples:
        """Questions with windows of their texts, as the network reads them."""
        return examples_of(
            questions,
            self.tokenizer,
            max_tokens=self.max_tokens,
            typed=self.network.spec.input_stack.embedding.num_token_types > 1,
            with_targets=with_targets,
            causal=self.network.spec.topology == "decoder",
        )

    def find(self, questions: Sequence[Question], num_best: int = NBEST) -> list[Answers]:
        """The likeliest answers of each question, and the score of there being none."""
        return find_answers(
            self.network,
            self.encode(questions),
            num_best=num_best,
            max_answer=self.max_answer,
        )

    def answers(self, questions: Sequence[Question], num_best: int = 1) -> list[list[Answer]]:
        """The best answers of each question; an empty one says that the text holds none."""
        told = []
        for found in self.find(questions, max(num_best, NBEST)):
            first = decide(found, self.threshold)
            others = [one for one in found.best if one != first]
            told.append([first, *others][:num_best])
        return told

    @overload
    def predict(self, questions: str, contexts: str) -> Answer: ...

    @overload
    def predict(self, questions: list[str], contexts: list[str]) -> list[Answer]: ...

    def predict(
        self, questions: str | list[str], contexts: str | list[str]
    ) -> Answer | list[Answer]:
        """The part of a text that answers a question, or a list of them for lists."""
        if isinstance(questions, str):
            return self.predict([questions], [str(contexts)])[0]
        asked = [Question(q, c) for q, c in zip(questions, contexts, strict=True)]
        return [best[0] for best in self.answers(asked)] if asked else []

    def subject(self, question: str, context: str, *, why: str | None = None) -> Subject:
        """Where the answer to a question begins and ends in a text.

        Args:
            question: What is asked.
            context: The text.
            why: Nothing but the answer is explained.

        Raises:
            DataError: The text holds no answer, or ``why`` is another.
        """
        asked = Question(question, context)
        answer = self.answers([asked])[0][0]
        if not answer.text or (why is not None and why != answer.text):
            raise DataError(
                "The model does not find that answer in the text, so nothing tells why."
            )
        examples = self.encode([asked])
        window, begin, end = next(
            (i, begins[0], ends[-1])
            for i, places in enumerate(examples.places)
            if (begins := [n for n, span in enumerate(places) if span[0] == answer.start])
            and (ends := [n for n, span in enumerate(places) if span[1] == answer.end])
        )
        first = examples.firsts[window]
        return Subject.of(
            self.network,
            self.tokenizer,
            [question, context],
            self._spelled(asked, examples, window),
            number=SpanOdds(HEAD),
            answer=answer.text,
            token_types=examples.token_types is not None,
            asked=(first + begin, first + end),
        )

    def _spelled(self, asked: Question, examples: Examples, window: int) -> Encoding:
        """The tokens of a window with their places in the question and in the text."""
        tokens, first = list(examples.tokens[window]), examples.firsts[window]
        spans, parts = [(0, 0)] * len(tokens), [-1] * len(tokens)
        (read,) = self.tokenizer.encode([asked.question], special=False)
        before = len(Frame.of(self.tokenizer, pair=True).before)
        for start, found, part in ((before, read.spans, 0), (first, examples.places[window], 1)):
            for token, span in enumerate(found[: first - start] if part == 0 else found, start):
                spans[token], parts[token] = span, part
        types = examples.token_types
        return Encoding(tokens, list(types[window]) if types else [], spans, parts, False)

    def facts(self) -> dict[str, Any]:
        """The longest answer and the threshold."""
        return {"max_answer": self.max_answer, "threshold": self.threshold}
