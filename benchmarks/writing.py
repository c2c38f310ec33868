"""Summaries, Python 2 to 3 and completed code, beside transformers' Trainer and simpler ways.

Both sides tune SmolLM2-135M-Instruct for the same minutes on the same tokens, the loss on the
target's tokens alone, and the same code writes greedily what they have learned. Ours: batches of
8, a peak rate of 1e-4. The Trainer has its defaults (batches of 8, 5e-5, linear decay, which
follows the clock); the Seq2SeqTrainer differs from it for encoders alone. Intervals
are bootstraps over rows, differences paired.
"""

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.report import Goal, Row
from benchmarks.understanding import _alone, _fit_trainer, _network, _padded, _split
from mason.data.tables import Table
from mason.evaluation.texts import lead_sentence
from mason.metrics.comparison import paired_bootstrap
from mason.metrics.texts import mean_estimate, rouge

MODEL, MAX_TOKENS, BATCH, RATE = "SmolLM2-135M-Instruct", 1024, 8, 1e-4
ROWS, WORST, SHOWN = 300, 10, 400
"""Test rows that are written, errors that are shown, and characters of each."""
Texts = list[str]


class Job(NamedTuple):
    """What to learn and what to write."""

    task: str
    train: tuple[Texts, Texts, Texts]
    """What is read, what follows the gap, what is to be written."""
    test: tuple[Texts, Texts, Texts]
    minutes: float


class Told(NamedTuple):
    """What a task's rows are scored by: each row 0 to 1; the first score counts."""

    scores: dict[str, Callable[[Texts], np.ndarray]]
    rivals: dict[str, Texts]


def _columns(table: Table, text: str, target: str) -> tuple[Texts, Texts, Texts]:
    names = table.frame.columns
    suffixes = table.texts("suffix") if "suffix" in names else [""] * len(table)
    read = [table.texts(text), suffixes, table.texts(target)]
    first, second, third = ([value or "" for value in column] for column in read)
    return first, second, third


def make_job(dataset: str, task: str, text: str, target: str, minutes: float) -> Job:
    """The rows of a data set, at most ``ROWS`` of the test split, the same every time."""
    train, test = _split(dataset)
    chosen = np.random.default_rng(1).permutation(len(test))[:ROWS]
    some = test.take(sorted(chosen.tolist()))
    return Job(task, _columns(train, text, target), _columns(some, text, target), minutes)


def _started(job: Job) -> tuple[Any, Any]:
    """The model as a user's run would start it, and its examples."""
    from mason.workflows import load
    from mason.workflows.coder import CodeCompleter, with_infill

    model: Any = load(MODEL, task=job.task, max_tokens=MAX_TOKENS)
    texts, suffixes, targets = job.train
    longest = 1 + max(map(len, model.tokenizer.encode_ids(targets)))
    model.max_new_tokens = min(longest, MAX_TOKENS // 2)
    if isinstance(model, CodeCompleter):
        model = with_infill(model)
        return model, model.exchanges(texts, targets, suffixes)
    return model, model.exchanges(texts, targets)


def _write(model: Any, job: Job) -> Texts:
    from mason.workflows.coder import CodeCompleter

    texts, suffixes, _ = job.test
    found: Texts = (
        model.predict(texts, suffixes) if isinstance(model, CodeCompleter) else model.predict(texts)
    )
    return found


def ours(job: Job) -> tuple[Texts, int]:
    """What our model writes, and the steps it took."""
    from mason.runtime import keep_freed_memory, seed_everything
    from mason.settings import TrainingSettings
    from mason.tasks.text_to_text import TextToText
    from mason.training.defaults import recipe_for
    from mason.training.loop import fit
    from mason.training.pacing import Pacing

    keep_freed_memory()
    seed_everything(1)
    model, examples = _started(job)
    settings = TrainingSettings(batch_size=BATCH, learning_rate=RATE, label_smoothing=0.0)
    recipe = recipe_for(settings, num_parameters=10**9, num_examples=len(examples))
    # As many steps as an epoch for a start; the pace then says how many there are.
    steps = max(10, len(examples) // BATCH)
    recipe = replace(recipe, epochs=1e9, max_steps=steps, probe_rows=0)
    objective, pacing = TextToText(examples), Pacing(60 * job.minutes)
    history = fit(model.network, objective, recipe, fresh=model.fresh, pacing=pacing)
    return _write(model, job), history.step


def trainer(job: Job) -> tuple[Texts, int]:
    """The same by transformers, from the same tokens, written by the same code."""
    from transformers import AutoModelForCausalLM

    model, examples = _started(job)
    # By way of a plain folder: a GGUF file's model is no model to train there.
    with tempfile.TemporaryDirectory() as place:
        model.write(Path(place))
        peer: Any = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32)
    rows = [
        {
            "input_ids": [*source, *target],
            "attention_mask": [1] * (len(source) + len(target)),
            "labels": [*[-100] * len(source), *target],
        }
        for source, target in zip(examples.sources, examples.targets, strict=True)
    ]
    collate = _padded({"input_ids": 0, "attention_mask": 0, "labels": -100})
    # Eight texts at once, padded, took 21 GB where some have 1,024 tokens.
    steps = _fit_trainer(peer, rows, collate, job, passes=4)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as place:
        learned = replace(model, network=_network(peer, place).eval())
    return _write(learned, job), steps


def nearest(job: Job, *, characters: bool) -> Texts:
    """What was written for the most alike text of training, by TF-IDF."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    kinds: dict[bool, dict[str, Any]] = {
        True: {"analyzer": "char", "ngram_range": (2, 5)},
        False: {"ngram_range": (1, 2)},
    }
    maker = TfidfVectorizer(sublinear_tf=True, min_df=2, **kinds[characters])
    # Of a program the end counts, which is what goes on.
    cut = (lambda text: text[-200:]) if characters else (lambda text: text)
    known = maker.fit_transform(map(cut, job.train[0]))
    found: Texts = []
    for start in range(0, len(job.test[0]), 50):
        asked = maker.transform(map(cut, job.test[0][start : start + 50]))
        best = np.asarray((asked @ known.T).argmax(axis=1)).ravel()
        found += [job.train[2][int(i)] for i in best]
    return found


def _rows(title: str, job: Job, told: Told, goal: float, *, above: bool) -> tuple[list[Row], str]:
    """Both sides and the rivals; the goal is for the first score, ``above`` the first rival's."""
    written, steps = dict(told.rivals), dict[str, int]()
    for name, method in (("transformers", trainer), ("ours", ours)):
        written[name], steps[name] = _alone(method, job)  # type: ignore[arg-type]
    rows, notes = [], f"\n### {title}\n\n"
    for score, of in told.scores.items():
        values = {name: of(texts) for name, texts in written.items()}
        for name, each in values.items():
            mean = mean_estimate(each)
            notes += f"- {score}, {name}: {mean.value:.4f} ({mean.low:.4f} to {mean.high:.4f})"
            if name in steps:
                notes += f", {steps[name]} steps"
            if name != "ours":
                gain = paired_bootstrap(each, values["ours"])
                notes += f"; ours is {gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"
                limit = Goal("≥", goal + mean.value if above else goal)
                asked = None if rows else limit
                ratio = float(values["ours"].mean()), mean.value
                rows.append(Row(f"{title}: {score}, over {name}", *ratio, asked))
            notes += "\n"
    first = next(iter(told.scores.values()))
    print(_errors(job, written["ours"], first(written["ours"])))
    return rows, notes + f"\n{job.minutes:g} minutes a side, {len(job.test[0])} rows.\n"


def _errors(job: Job, written: Texts, each: np.ndarray) -> str:
    """The worst of ours, for a person to read."""
    worst = [int(i) for i in np.argsort(each, kind="stable")[:WORST] if each[i] < 1]
    parts = ["\nThe worst of ours:\n"]
    for number, i in enumerate(worst, start=1):
        parts.append(f"\n{number}. Score {each[i]:.3f}\n")
        named = ("read", job.test[0][i]), ("wanted", job.test[2][i]), ("written", written[i])
        for name, text in named:
            # Of a prompt the end is what matters.
            cut = text[-SHOWN:] if name == "read" and job.test[1][i] else text[:SHOWN]
            parts.append(f"\n{name}:\n\n````\n{cut.rstrip()}\n````\n")
    return "".join(parts)


def _exact(right: Texts) -> Callable[[Texts], np.ndarray]:
    return lambda texts: np.array(
        [float(a.strip() == b.strip()) for a, b in zip(texts, right, strict=True)]
    )


def _alike(right: Texts) -> Callable[[Texts], np.ndarray]:
    from mason.metrics.texts import match_scores

    return lambda texts: match_scores(texts, right).each


def summarisation_rows(minutes: float) -> tuple[list[Row], str]:
    """Synopses of packages whose sources training has not shown."""
    job = make_job("debian-synopses", "summarisation", "text", "summary", minutes)
    right = job.test[2]
    scores: dict[str, Callable[[Texts], np.ndarray]] = {
        "ROUGE-L": lambda texts: rouge(texts, right).each,
        "exact match": _exact(right),
    }
    rivals = {
        "the first sentence": [lead_sentence(text) for text in job.test[0]],
        "the nearest by TF-IDF": nearest(job, characters=False),
    }
    return _rows("Debian synopses", job, Told(scores, rivals), 0.05, above=True)


def code_translation_rows(minutes: float) -> tuple[list[Row], str]:
    """Python 2 to 3, in files that training has not shown; copying is always wrong."""
    from mason.catalog.datasets.python2_to_3 import translator
    from mason.metrics.code import compiles, tree_of

    job = make_job("python2-to-3", "code-translation", "python2", "python3", minutes)
    right = job.test[2]
    trees = [tree_of(text) for text in right]
    translate = translator()
    scores: dict[str, Callable[[Texts], np.ndarray]] = {
        "same tree": lambda texts: np.array(
            [float(tree_of(a) == b) for a, b in zip(texts, trees, strict=True)]
        ),
        "compiles": lambda texts: np.array([float(compiles(text)) for text in texts]),
        "exact match": _exact(right),
        "edit similarity": _alike(right),
    }
    rivals = {
        "copying": list(job.test[0]),
        "lib2to3, by which the pairs were chosen": [translate(t) or "" for t in job.test[0]],
        "the nearest by TF-IDF": nearest(job, characters=True),
    }
    return _rows("Python 2 to 3", job, Told(scores, rivals), 0.6, above=False)


def code_completion_rows(minutes: float) -> tuple[list[Row], str]:
    """Lines, bodies and gaps of functions in files that training has not shown."""
    from mason.metrics.code import compiles

    job = make_job("python-functions", "code-completion", "prompt", "completion", minutes)
    before, after, right = job.test
    whole = [a + b + c for a, b, c in zip(before, right, after, strict=True)]
    tried = [i for i, text in enumerate(whole) if compiles(text)]
    usual = Counter(job.train[2]).most_common(1)[0][0]
    scores: dict[str, Callable[[Texts], np.ndarray]] = {
        "edit similarity": _alike(right),
        "exact match": _exact(right),
        "compiles": lambda texts: np.array(
            [float(compiles(before[i] + texts[i] + after[i])) for i in tried]
        ),
    }
    rivals = {
        "the most frequent": [usual] * len(right),
        "the nearest by TF-IDF": nearest(job, characters=True),
    }
    return _rows("Python functions", job, Told(scores, rivals), 0.0, above=True)
