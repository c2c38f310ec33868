"""Parts of speech on Brown and questions to manual pages, beside transformers' Trainer.

Both sides get the same words and windows of the same tokenizer, and the same minutes. The
Trainer has its defaults (batches of 8, 5e-5, linear decay, which follows the clock).
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import chain
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.report import Goal, Row
from mason.catalog import find
from mason.data.questions import find_question_columns, questions_of
from mason.data.tables import Table, read
from mason.data.tagged import Sentence, find_tagged_columns, sentences_of
from mason.evaluation.answering import answer_baselines, judge_answers
from mason.evaluation.tagging import judge_tags, named, tag_baselines
from mason.models.transformer import Transformer, num_parameters
from mason.sources import find_model
from mason.tasks import answering, tagging
from mason.text import load_tokenizer

MODEL = "all-MiniLM-L6-v2"
MAX_TOKENS = 384


class Job(NamedTuple):
    """What to learn and what to answer; ``labels`` of tagging."""

    train: Any
    test: Any
    labels: tuple[str, ...]
    minutes: float
    model: str = MODEL


def _split(name: str) -> tuple[Table, Table]:
    table = read(find(name).build())
    sides = table.texts("split")
    train, test = (
        table.take([i for i, side in enumerate(sides) if side == wanted])
        for wanted in ("train", "test")
    )
    return train, test


def _alone(method: Callable[[Job], Any], job: Job) -> Any:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(method, job).result()


def _fit_ours(
    model: Any,
    objective: Any,
    job: Job,
    *,
    batch_size: int | None = None,
    learning_rate: float | None = None,
) -> int:
    """Train for the job's minutes; the steps taken."""
    from mason.settings import TrainingSettings
    from mason.training.defaults import recipe_for
    from mason.training.loop import fit
    from mason.training.pacing import Pacing
    from mason.training.used_rows import training_used_rows

    num = len(objective.lengths)
    size = num_parameters(model.network)
    settings = TrainingSettings(batch_size=batch_size, learning_rate=learning_rate)
    recipe = recipe_for(settings, num_parameters=size, num_examples=num)
    # As many steps as two epochs for a start; the pace then says how many there are.
    recipe = replace(recipe, max_steps=max(40, 2 * num // recipe.batch_size))
    tokens = chain(*objective.examples.tokens)
    with training_used_rows(model.network, tokens):
        pacing = Pacing(60 * job.minutes)
        history = fit(model.network, objective, recipe, fresh=model.fresh, pacing=pacing)
    return history.step


def _fit_trainer(
    model: Any,
    rows: list[dict[str, Any]],
    collate: Any,
    job: Job,
    *,
    batch: int = 8,
    passes: int = 1,
) -> int:
    """The Trainer for the job's minutes, a batch in so many passes; the steps taken.

    Its defaults, with the linear decay over the minutes instead of over a number of steps that
    somebody would have to guess.
    """
    from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed

    start = time.monotonic()

    def gone() -> float:
        """Share of the time that is over."""
        return min(1.0, (time.monotonic() - start) / (60 * job.minutes))

    class Clock(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> Any:
            control.should_training_stop |= gone() >= 1
            return control

    set_seed(1)
    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        max_steps=10**6,
        per_device_train_batch_size=batch // passes,
        gradient_accumulation_steps=passes,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=arguments.learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: max(1e-3, 1 - gone()))
    peer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,  # type: ignore[arg-type]
        data_collator=collate,
        callbacks=[Clock()],
        optimizers=(optimizer, schedule),
    )
    peer.train()
    return int(peer.state.global_step)


def _network(model: Any, folder: str) -> Transformer:
    """The Trainer's model as ours, so that both are asked by the same code."""
    from pathlib import Path

    from mason.models.checkpoints import load_model

    model.save_pretrained(folder)
    return load_model(Path(folder)).model


def _padded(keys: dict[str, int]) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """A collator that fills each key's shorter rows with its value."""

    def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = {}
        for name in rows[0]:
            values = [torch.tensor(row[name]) for row in rows]
            batch[name] = (
                torch.nn.utils.rnn.pad_sequence(values, True, keys[name])
                if name in keys
                else torch.stack(values)
            )
        return batch

    return collate


def _targets(sentences: Sequence[Sentence], labels: Sequence[str]) -> list[list[int]]:
    numbers = {label: i for i, label in enumerate(labels)}
    return [[numbers.get(tag, -1) for tag in s.tags or ()] for s in sentences]


def tag_ours(job: Job) -> tuple[np.ndarray, int]:
    """Tags of the test words, and steps taken."""
    from mason.runtime import keep_freed_memory, seed_everything
    from mason.workflows import Tagger, load

    keep_freed_memory()
    seed_everything(1)
    model = load(job.model, task="tagging", labels=job.labels)
    assert isinstance(model, Tagger)
    words = [s.words for s in job.train]
    examples = model.encode(words, _targets(job.train, job.labels))
    steps = _fit_ours(model, tagging.TaggingObjective(examples, label_smoothing=0.1), job)
    return tagging.predict_logits(model.network, model.encode([s.words for s in job.test])), steps


def tag_trainer(job: Job) -> tuple[np.ndarray, int]:
    """The same by transformers, from the same pieces and targets."""
    from transformers import AutoModelForTokenClassification

    folder = find_model(job.model)
    tokenizer = load_tokenizer(folder)
    words = [s.words for s in job.train]
    targets = _targets(job.train, job.labels)
    made = tagging.examples_of(words, tokenizer, max_tokens=256, targets=targets)
    examples = made.learnable()
    rows = []
    for tokens, places, wanted in zip(
        examples.tokens, examples.rows, examples.targets or (), strict=True
    ):
        labels = [-100] * len(tokens)
        for place, target in zip(places, wanted, strict=True):
            labels[place] = target if target >= 0 else labels[place]
        rows.append({"input_ids": tokens, "attention_mask": [1] * len(tokens), "labels": labels})
    model = AutoModelForTokenClassification.from_pretrained(folder, num_labels=len(job.labels))
    collate = _padded({"input_ids": 0, "attention_mask": 0, "labels": -100})
    steps = _fit_trainer(model, rows, collate, job)
    test = tagging.examples_of([s.words for s in job.test], tokenizer, max_tokens=256)
    with tempfile.TemporaryDirectory() as place:
        return tagging.predict_logits(_network(model, place).eval(), test), steps


def pos_rows(minutes: float) -> tuple[list[Row], str]:
    """Accuracy of words on Brown's held-out texts."""
    return tag_rows("Brown POS", "brown-pos", minutes, goal=Goal("≥", 0.96))


def zh_pos_rows(minutes: float) -> tuple[list[Row], str]:
    """Accuracy of words on People's Daily; the encoder has as many minutes of its own."""
    return _zh_rows("Chinese POS", "peoples-daily-pos", minutes)


def zh_ner_rows(minutes: float) -> tuple[list[Row], str]:
    """Entity F1 on People's Daily, likewise."""
    return _zh_rows("Chinese NER", "peoples-daily-ner", minutes)


def _zh_rows(title: str, name: str, minutes: float) -> tuple[list[Row], str]:
    from pathlib import Path

    from benchmarks.polarity import pretrained

    train, _ = _split(name)
    texts = ["".join(s.words) for s in sentences_of(train, find_tagged_columns(train))]
    with tempfile.TemporaryDirectory() as place:
        encoder = pretrained(texts, Path(place), minutes)
        return tag_rows(title, name, minutes, model=str(encoder))


def tag_rows(
    title: str, name: str, minutes: float, *, model: str = MODEL, goal: Goal | None = None
) -> tuple[list[Row], str]:
    """Accuracy of words, or F1 of entities, beside the Trainer and each word's usual tag."""
    train, test = (sentences_of(t, find_tagged_columns(t)) for t in _split(name))
    labels = tuple(sorted({tag for s in train for tag in s.tags or ()}))
    job = Job(train, test, labels, minutes, model)
    words, right = [s.words for s in test], [s.tags or [] for s in test]
    found, notes, worst = {}, "", ""
    for side, method in (("ours", tag_ours), ("trainer", tag_trainer)):
        logits, steps = _alone(method, job)
        likely = np.exp(logits - logits.max(1, keepdims=True))
        sure = (likely / likely.sum(1, keepdims=True)).max(1)
        tags = iter([(labels[i], float(p)) for i, p in zip(logits.argmax(1), sure, strict=True)])
        judged = judge_tags(words, right, [[next(tags) for _ in some] for some in words])
        told = named(judged.scores)
        kind = "entity_f1" if "entity_f1" in told else "word_accuracy"
        score = found[side] = told[kind]
        notes += f"{side}: {score.value:.4f} ({score.low:.4f} to {score.high:.4f}), {steps} steps. "
        worst = worst or "".join(
            f"- {m.label}, said {m.predicted} ({m.probability:.3f}): {m.text}\n"
            for m in judged.mistakes
        )
    rivals = tag_baselines([s.words for s in train], [s.tags or [] for s in train], words, right)
    usual = rivals[1].scores[kind].value
    score_name = kind.replace("_", " ")
    rows = [
        Row(
            f"{title}, {score_name} over Trainer", found["ours"].value, found["trainer"].value, goal
        ),
        Row(f"{title}, over each word's most frequent tag", found["ours"].value, usual),
    ]
    notes += f"{minutes:g} minutes a side, {len(test)} sentences to tell.\n\n"
    print(f"Most confidently wrong of {title}:\n\n{worst}")
    return rows, notes


def qa_ours(job: Job) -> tuple[list[answering.Answer], int]:
    """Answers to the test questions, and steps taken."""
    from mason.runtime import keep_freed_memory, seed_everything
    from mason.sources import find_model as found
    from mason.workflows import Answerer
    from mason.workflows.opening import Chosen
    from mason.workflows.tasks.answering import Answering

    keep_freed_memory()
    seed_everything(1)
    model = Answering()._open(found(MODEL), Chosen(MODEL, max_tokens=MAX_TOKENS))
    assert isinstance(model, Answerer)
    model.max_answer = 80
    examples = model.encode(job.train, with_targets=True)
    objective = answering.AnsweringObjective(examples, matching=True)
    steps = _fit_ours(model, objective, job, batch_size=8, learning_rate=3e-4)
    return [best[0] for best in model.answers(job.test)], steps


def qa_trainer(job: Job) -> tuple[list[answering.Answer], int]:
    """The same by transformers, from the same windows, decoded by the same code."""
    from transformers import AutoModelForQuestionAnswering

    folder = find_model(MODEL)
    tokenizer = load_tokenizer(folder)
    examples = answering.examples_of(job.train, tokenizer, max_tokens=MAX_TOKENS, with_targets=True)
    rows = [
        {
            "input_ids": tokens,
            "token_type_ids": types,
            "attention_mask": [1] * len(tokens),
            "start_positions": begin,
            "end_positions": end,
        }
        for tokens, types, (begin, end) in zip(
            examples.tokens, examples.token_types or (), examples.targets or (), strict=True
        )
    ]
    model = AutoModelForQuestionAnswering.from_pretrained(folder)
    collate = _padded({"input_ids": 0, "token_type_ids": 0, "attention_mask": 0})
    steps = _fit_trainer(model, rows, collate, job)
    test = answering.examples_of(job.test, tokenizer, max_tokens=MAX_TOKENS)
    with tempfile.TemporaryDirectory() as place:
        network = _network(model, place).eval()
        found = answering.find_answers(network, test, max_answer=80)
    return [answering.decide(one, None) for one in found], steps


def qa_rows(minutes: float) -> tuple[list[Row], str]:
    """Exact match and F1 on the manual pages of packages that training has not shown."""
    train, test = (questions_of(t, find_question_columns(t)) for t in _split("man-options"))
    job = Job(train, test, (), minutes)
    exact, f1, notes = {}, {}, ""
    for name, method in (("ours", qa_ours), ("trainer", qa_trainer)):
        answers, steps = _alone(method, job)
        judged = judge_answers(test, answers)
        told = judged.scores.overall
        exact[name], f1[name] = told["exact_match"].value, told["f1"].value
        shown = ", ".join(
            f"{k} {v.value:.3f} ({v.low:.3f} to {v.high:.3f})" for k, v in told.items()
        )
        notes += f"{name}: {shown}, {steps} steps. "
        print(f"The worst of {name}:")
        for i in judged.mistakes:
            print(f"- {test[i].question} → {answers[i].text!r}, wanted {test[i].texts!r}")
    rows = [
        Row("man-options, EM over Trainer", exact["ours"], exact["trainer"], Goal("≥", 0.6)),
        Row("man-options, F1 over Trainer", f1["ours"], f1["trainer"], Goal("≥", 0.75)),
    ]
    for rival in answer_baselines(test):
        peer = rival.scores["f1"].value
        rows.append(Row(f"man-options, F1 over {rival.name}", f1["ours"], peer))
    return rows, notes + f"{minutes:g} minutes a side, {len(test)} questions to tell.\n"
