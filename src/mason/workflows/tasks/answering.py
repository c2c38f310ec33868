"""Answering: the part of a text that answers a question."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from mason.compression import READING
from mason.data.columns import Columns
from mason.data.questions import (
    Question,
    QuestionColumns,
    find_question_columns,
    find_starts,
    questions_of,
)
from mason.data.tables import Table
from mason.errors import CheckpointError, DataError
from mason.evaluation.answering import answer_baselines, judge_answers
from mason.metrics.answers import answer_f1, best_threshold
from mason.settings import PRIVACY, DataSettings
from mason.tasks.answering import (
    HEAD,
    MAX_ANSWER,
    OUTPUT,
    Answer,
    AnsweringObjective,
    Examples,
    decide,
    read_costliest,
)
from mason.tasks.classification import reading_passes
from mason.training.loop import Scores
from mason.training.recipe import Recipe
from mason.workflows.answerer import Answerer
from mason.workflows.needs import Held
from mason.workflows.opening import Chosen, facts_error, open_model
from mason.workflows.preparing import Prepared
from mason.workflows.tasks.task import Block, RowScores, Task


class Answering(Task[Answerer, Examples]):
    """The part of a text that answers a question."""

    name = "answering"
    cuts = False  # long texts are read in windows
    ladder = READING
    unused = (*Task.unused, *PRIVACY)  # a row may be several windows, and the unit is a window

    def columns(
        self, tables: Mapping[str, Table], settings: DataSettings, *, complete: bool = True
    ) -> Columns:
        """Text, question, answer; the questions to one text stay in one split."""
        first = next(iter(tables.values()))
        found = find_question_columns(
            first,
            question=settings.pair,
            context=settings.text,
            answer=settings.label,
            need_answer=complete,
        )
        return Columns(found.context, found.question, group=settings.group, answer=found.answer)

    def check(self, table: Table, columns: Columns) -> None:
        """Questions have their answers where they say."""
        asked_questions(table, columns)

    def load(self, path: Path, chosen: Chosen) -> Answerer:
        """The model in a folder that has learned to answer."""
        model = self._open(path, chosen)
        if OUTPUT in model.fresh:
            raise CheckpointError(
                "{source} has not been trained to find answers; train it first with mason train "
                "--task answering.",
                source=chosen.source,
            )
        return model

    def start(self, path: Path, chosen: Chosen, prepared: Prepared) -> Answerer:
        """Any model that has learned no answers yet."""
        return self._open(path, chosen)

    def _open(self, path: Path, chosen: Chosen) -> Answerer:
        opened = open_model(path, chosen, heads=(HEAD,))
        facts = opened.facts()
        longest: Any = facts.get("max_answer", MAX_ANSWER)
        threshold: Any = facts.get("threshold")
        if type(longest) is not int or longest < 1:
            raise facts_error(opened.folder)
        if threshold is not None and not (
            type(threshold) in (int, float) and math.isfinite(threshold)
        ):
            raise facts_error(opened.folder)
        return opened.become(Answerer, max_answer=longest, threshold=threshold)

    def adopt(self, model: Answerer, prepared: Prepared) -> None:
        """Remember how long answers are, and whether there always is one."""
        questions = asked_questions(prepared.tables["train"], prepared.columns)
        if not any(question.answers for question in questions):
            raise DataError(
                "{file} has no answer in any of its rows, so there is nothing to learn; fill in "
                "the column {column}.",
                file=prepared.file,
                column=prepared.columns.answer or "answer",
            )
        texts = [text for question in questions for text in question.texts[:1]]
        lengths = map(len, model.tokenizer.encode_ids(texts, special=False))
        model.max_answer = max(MAX_ANSWER, *lengths)
        model.threshold = 0.0 if any(not question.answers for question in questions) else None

    def examples(self, model: Answerer, table: Table, columns: Columns) -> Examples:
        """Windows of the texts, and where the answers begin and end."""
        return model.encode(
            asked_questions(table, columns), with_targets=columns.answer is not None
        )

    def num_tokens(
        self, model: Answerer, table: Table, columns: Columns, examples: Examples
    ) -> list[int]:
        """Tokens of each window, for nothing is cut."""
        return examples.lengths

    def objective(self, train: Examples, recipe: Recipe) -> AnsweringObjective:
        """Where the answer begins, and where it ends, and what the question speaks of."""
        return AnsweringObjective(train, matching=True)

    def held(self, held: Examples) -> Held:
        """Every window once."""
        return Held(sum(held.lengths), partial(read_costliest, examples=held))

    @torch.inference_mode()
    def validate(self, model: Answerer, held: Examples) -> Scores:
        """The mean loss."""
        objective = AnsweringObjective(held)
        runs = list(reading_passes(held.lengths))
        total = sum(float(objective.loss(model.network, run)) for run in runs)
        return {"valid_loss": total / len(held)}

    def used_tokens(self, train: Examples) -> Iterable[int]:
        """Those of questions and texts."""
        return chain(*train.tokens)

    def chance_loss(self, model: Answerer, train: Examples) -> float:
        """Of a begin and an end drawn at random."""
        return sum(math.log(length) for length in train.lengths) / len(train)

    def after_training(self, model: Answerer, held: Examples) -> None:
        """Fit the threshold, where some texts hold no answer."""
        if model.threshold is None:
            return
        found, questions = model.find(held.questions), held.questions
        best = [decide(answers, None) for answers in found]
        model.threshold = best_threshold(
            [a.null_score - b.score for a, b in zip(found, best, strict=True)],
            [answer_f1("", q.texts) for q in questions],
            [answer_f1(b.text, q.texts) for b, q in zip(best, questions, strict=True)],
        )

    def measure(self, model: Answerer, prepared: Prepared, split: str, examples: Examples) -> Block:
        """Exact match and F1, and the worst mistakes, beside two sentences of the text."""
        table = prepared.tables[split]
        questions = asked_questions(table, prepared.columns)
        given = [decide(found, model.threshold) for found in model.find(questions)]
        judgement = judge_answers(questions, given)
        told = judgement.scores
        return {
            "split": split,
            "rows": told.questions,
            "confidence": told.confidence,
            "scores": {name: asdict(score) for name, score in told.overall.items()},
            "errors": [
                {
                    "row": int(table.rows[i]),
                    "file": str(table.path),
                    "text": questions[i].question,
                    "label": " | ".join(dict.fromkeys(questions[i].texts)) or "∅",
                    "predicted": given[i].text or "∅",
                    "probability": given[i].probability,
                }
                for i in judgement.mistakes
            ],
            "baselines": [asdict(rival) for rival in answer_baselines(questions)],
        }

    def answer(self, model: Answerer, table: Table, columns: Columns) -> list[Answer]:
        """An answer a row."""
        questions = asked_questions(table, columns)
        return model.predict([q.question for q in questions], [q.context for q in questions])

    def each(self, model: Answerer, table: Table, columns: Columns) -> RowScores:
        """F1 of each answer."""
        questions = asked_questions(table, columns)
        given = [decide(found, model.threshold) for found in model.find(questions)]
        scores = judge_answers(questions, given).scores.f1
        return RowScores("f1", scores, range(len(table)), groups=[q.context for q in questions])

    def given(self, table: Table, columns: Columns) -> list[tuple[str, ...]]:
        """Each question and its text."""
        return [(q.question, q.context) for q in asked_questions(table, columns)]

    def describe(self, model: Answerer, columns: Columns) -> Block:
        """Columns."""
        return {"text": columns.text, "label": columns.answer}


def asked_questions(table: Table, columns: Columns) -> list[Question]:
    """The questions of a table, with their texts and answers."""
    assert columns.pair is not None, "a text has a question"
    named = QuestionColumns(columns.pair, columns.text, columns.answer, find_starts(table))
    return questions_of(table, named)
