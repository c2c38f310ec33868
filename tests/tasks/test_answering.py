"""Answering: windows and spans by hand, and the loss beside transformers'."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from mason.data.questions import Question
from mason.models.checkpoints import load_model
from mason.models.transformer import Transformer
from mason.tasks.answering import (
    Answer,
    AnsweringObjective,
    Answers,
    decide,
    examples_of,
    find_answers,
    trimmed,
)
from tests.text.tiny import TOKENIZERS, tiny

PARIS = "Paris is the capital of France. It has 2,102,650 people (2023)."
PEKING = "他在上海的复旦大学学习自然语言处理。"


def ask(question: str, context: str, *answers: str) -> Question:
    places = [(context.index(a), context.index(a) + len(a)) for a in answers]
    return Question(question, context, tuple(places))


QUESTIONS = [
    ask("What is the capital?", PARIS, "Paris", "the capital of France"),
    ask("How many people?", PARIS, "2,102,650"),
    ask("他在哪儿？", PEKING, "复旦大学"),
    ask("Who ran off?", "a dog ran off with John Smith's hat in New York", "dog"),
    ask("Is there a cat?", PARIS),
]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_an_answer_comes_back_from_its_rows(name: str) -> None:
    examples = examples_of(QUESTIONS, tiny(name), with_targets=True)
    assert len(examples) == len(QUESTIONS) and examples.targets is not None
    for i, question in enumerate(QUESTIONS):
        begin, end = examples.targets[i]
        if not question.answers:
            assert (begin, end) == (0, 0)
            continue
        first = examples.firsts[i]
        start, stop = examples.places[i][begin - first][0], examples.places[i][end - first][1]
        found, wanted = question.context[start:stop], question.texts[0]
        # Pieces of several Chinese characters may hold more than the answer, never less.
        assert wanted in found and len(found) <= len(wanted) + 4
        if name in ("wordpiece", "characters"):
            assert found == wanted


def test_the_template_holds_question_and_text() -> None:
    tokenizer = tiny("wordpiece")
    examples = examples_of(QUESTIONS[:1], tokenizer)
    whole = tokenizer.encode([QUESTIONS[0].question], [PARIS])[0]
    assert list(examples.tokens[0]) == whole.ids
    assert examples.token_types is not None and list(examples.token_types[0]) == whole.type_ids
    assert examples.targets is None
    assert examples_of(QUESTIONS[:1], tokenizer, typed=False).token_types is None


def test_spaces_at_the_ends_of_a_span_are_no_part_of_it() -> None:
    assert trimmed("a  cat ", (1, 7)) == (3, 6)
    assert trimmed("a cat", (2, 5)) == (2, 5)
    assert trimmed("a  b", (1, 3)) == (3, 3)


def test_long_texts_in_windows_keep_every_answer_whole_somewhere() -> None:
    context = " ".join(f"the cat{i % 4} sat on mat {i}" for i in range(60))
    question = ask("Which?", context, "mat 41")
    examples = examples_of([question], tiny("wordpiece"), max_tokens=41, with_targets=True)
    assert examples.targets is not None and len(examples) > 5
    assert max(examples.lengths) <= 41
    holding = [i for i, target in enumerate(examples.targets) if target != (0, 0)]
    assert 1 <= len(holding) < len(examples)
    for i in holding:
        begin, end = (row - examples.firsts[i] for row in examples.targets[i])
        start, stop = examples.places[i][begin][0], examples.places[i][end][1]
        assert context[start:stop] == "mat 41"
    covered = {p for places in examples.places for a, b in places for p in range(a, b)}
    assert covered == {p for p, c in enumerate(context) if not c.isspace()}


def _models() -> tuple[Transformer, torch.nn.Module]:
    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=tiny("wordpiece").num_tokens,
        hidden_size=26,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=37,
        max_position_embeddings=96,
        initializer_range=0.3,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    theirs = transformers.BertForQuestionAnswering(config)
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        ours = load_model(Path(folder)).model
    return ours, theirs.eval()


def test_loss_logits_and_gradients_are_those_of_transformers() -> None:
    """One at a time: in a padded batch transformers' softmax counts the padding."""
    ours, theirs = _models()
    examples = examples_of(QUESTIONS, tiny("wordpiece"), with_targets=True)
    objective = AnsweringObjective(examples)
    run = [4, 2, 0, 1, 3]
    loss = objective.loss(ours, run) / objective.count(run)
    loss.backward()
    assert examples.token_types is not None and examples.targets is not None
    total = torch.zeros(())
    for i in run:
        begin, end = examples.targets[i]
        out = theirs(
            input_ids=torch.tensor([examples.tokens[i]]),
            token_type_ids=torch.tensor([examples.token_types[i]]),
            start_positions=torch.tensor([begin]),
            end_positions=torch.tensor([end]),
        )
        total = total + out.loss
    (total / len(run)).backward()
    assert loss.item() == pytest.approx(total.item() / len(run), rel=1e-6)
    for mine, peer in (
        (ours.heads["answering"].output.weight, theirs.qa_outputs.weight),
        (ours.encoder.embedding.tokens.weight, theirs.bert.embeddings.word_embeddings.weight),
    ):
        assert (mine.grad - peer.grad).abs().max() <= 1e-5 * peer.grad.abs().max()


def test_the_gradient_knows_of_matching_and_the_loss_does_not() -> None:
    model, _ = _models()
    examples = examples_of(QUESTIONS, tiny("wordpiece"), with_targets=True)
    run, losses, gradients = list(range(len(QUESTIONS))), [], []
    for matching in (False, True):
        model.zero_grad()
        loss = AnsweringObjective(examples, matching=matching).loss(model, run)
        loss.backward()
        losses.append(float(loss.detach()))
        gradients.append({n: p.grad.clone() for n, p in model.named_parameters() if _has(p)})
    assert losses[0] == losses[1]
    # What is added is the gradient of pointing there, weighed by the mean loss, at most 1.
    model.zero_grad()
    packed = examples.pack(run)
    weight = min(1.0, losses[0] / len(run))
    (weight * examples.matching.loss(model(packed), run, packed.lengths)).backward()
    added = {n: p.grad for n, p in model.named_parameters() if _has(p)}
    assert max(float(gradient.abs().max()) for gradient in added.values()) > 1e-3
    for name, both in gradients[1].items():
        wanted = gradients[0][name] + added.get(name, torch.zeros(()))
        torch.testing.assert_close(both, wanted, rtol=1e-4, atol=1e-5)


def _has(parameter: torch.nn.Parameter) -> bool:
    return parameter.grad is not None and bool(parameter.grad.any())


def test_the_best_spans_are_those_of_a_search_through_all() -> None:
    ours, _ = _models()
    examples = examples_of(QUESTIONS, tiny("wordpiece"), max_tokens=24)
    found = find_answers(ours, examples, num_best=7, max_answer=5)
    for number, question in enumerate(QUESTIONS):
        scores: dict[tuple[int, int], float] = {}
        nulls = []
        for i in range(len(examples)):
            if examples.numbers[i] != number:
                continue
            with torch.no_grad():
                rows = ours.logits("answering", examples.pack([i])).numpy()
            nulls.append(rows[0].sum())
            places, first = examples.places[i], examples.firsts[i]
            for a in range(len(places)):
                for b in range(a, min(a + 5, len(places))):
                    span = places[a][0], places[b][1]
                    score = float(rows[first + a, 0] + rows[first + b, 1])
                    scores[span] = max(score, scores.get(span, -np.inf))
        best = sorted(scores.items(), key=lambda item: -item[1])[:7]
        told = found[number].best
        assert [a.score for a in told] == pytest.approx([s for _, s in best], rel=1e-4)
        assert [(a.start, a.end) for a in told[:3]] == [span for span, _ in best[:3]]
        assert all(a.text == question.context[a.start : a.end] for a in told)
        assert found[number].null_score == pytest.approx(min(nulls), rel=1e-4)
        assert sum(a.probability for a in told) == pytest.approx(1)


def test_no_answer_wins_above_the_threshold_alone() -> None:
    best = Answer("cat", 0, 3, 5.0, 0.9)
    answers = Answers([best], null_score=6.5)
    assert decide(answers, None) == best
    assert decide(answers, 2.0) == best
    assert decide(answers, 1.0).text == ""
    assert decide(Answers([], 0.0), None).text == ""
