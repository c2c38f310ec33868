"""The attack by words of like use beside textattack's TextFooler, at the same constraints.

    pip install --no-deps --target PEER textattack lru-dict editdistance terminaltables
    python -m benchmarks.textfooler --peer PEER [--rows N] [--steps N] [--save]

textattack is no dependency: it wants flair, which pins what Mason stands on. It is read from a
folder of its own, and what of it tags words or speaks other languages is left empty, for nothing
here uses that. Both sides attack the same classifier and texts with the same words of like use
(50 at most, cosine 0.3 or more), the same sentence encoder (cosine 0.8 or more beside the text as
it was), 40 % of the words at most, words of grammar kept, and 2,000 questions: all-MiniLM-L6-v2
stands for counter-fitted vectors and the Universal Sentence Encoder, and parts of speech may
change. What is compared is the search: each ranks words, and takes substitutes, in its own code.
"""

import argparse
import importlib
import importlib.abc
import importlib.machinery
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

import mason
from benchmarks.defences import MODEL, divided, fitted
from benchmarks.report import Goal, Row, collect, publish
from mason.data.tables import read
from mason.metrics import paired_bootstrap
from mason.security.attacks import ATTACKS, Means
from mason.security.limits import Limits
from mason.security.summary import wilson
from mason.security.victims import Victim
from mason.workflows import Classifier
from mason.workflows.attacking import ENCODER, means_of

EMPTY = (
    "flair language_tool_python OpenHowNet pinyin bert_score num2words word2number lemminflect "
    "Levenshtein stanza tensorflow_hub langdetect nltk"
).split()
MOST, LEAST = 50, 0.3
CASES = (str.lower, str.capitalize, str.upper)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--data", nargs="+", default=("trec", "amazon-sentiment"))
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        rows = collect({name: partial(_rows, name, Path(place), chosen) for name in chosen.data})
    publish("textfooler", rows, notes=f"Fine-tuned from {MODEL}.", save=chosen.save)


def _rows(name: str, place: Path, chosen: argparse.Namespace) -> Iterator[Row]:
    folder = divided(name, place / name)
    model = mason.load(fitted(folder, place / f"{name}-model", chosen.steps))
    assert isinstance(model, Classifier), "it was trained to classify"
    test = read(folder / "test.csv")
    texts = [text or "" for text in test.texts("text")][: chosen.rows]
    numbers = {label: i for i, label in enumerate(model.labels)}
    labels = [numbers[str(label)] for label in test.texts("label")][: chosen.rows]
    yield from _compared(name, model, texts, labels, chosen.peer)


def _compared(
    name: str, model: Classifier, texts: list[str], labels: list[int], peer: Path
) -> list[Row]:
    """Both on the texts that both were given because the model was right before."""
    attack = ATTACKS["words"]
    means = means_of(model, [attack], ENCODER, 0, texts)
    ours = attack.run(Victim(model.probabilities), texts, labels, means)
    theirs = _Peer(peer, model, means)
    found = [theirs.attack(text, label) for text, label in zip(texts, labels, strict=True)]
    both = [(a, b) for a, b in zip(ours, found, strict=True) if a.tried and b is not None]
    turned = [a.success for a, _ in both], [success for _, (success, _) in both]
    queries = [np.mean([a.queries for a, _ in both]), np.mean([asked for _, (_, asked) in both])]
    share, other = (wilson(sum(side), len(both)) for side in turned)
    apart = paired_bootstrap(turned[1], turned[0])
    return [
        Row(f"{name}: texts answered rightly", len(both)),
        Row.of(f"{name}: turned", asdict(share), peer=other.value),
        Row(f"{name}: shares apart", abs(apart.value), None, Goal("≤", 0.05)),
        Row.of(f"{name}: ours less theirs", asdict(apart)),
        Row(f"{name}: questions a text", float(queries[0]), float(queries[1])),
    ]


class _Peer:
    """textattack's search with our words, encoder and victim."""

    def __init__(self, folder: Path, model: Classifier, means: Means) -> None:
        sys.path.append(str(folder))
        sys.meta_path.insert(0, _Empty())
        from textattack import Attack
        from textattack.constraints.pre_transformation import (
            RepeatModification,
            StopwordModification,
        )
        from textattack.goal_functions import UntargetedClassification
        from textattack.search_methods import GreedyWordSwapWIR
        from textattack.transformations import WordSwapEmbedding

        limits = ATTACKS["words"].limits
        self._attack = Attack(
            UntargetedClassification(_wrapped(model), query_budget=limits.max_queries),
            [
                RepeatModification(),
                # It tells "What" from "what".
                StopwordModification({f(word) for word in ENGLISH_STOP_WORDS for f in CASES}),
                _bound(limits),
                _encoder(limits.min_similarity or -1.0),
            ],
            WordSwapEmbedding(max_candidates=MOST, embedding=_embedding(means)),
            GreedyWordSwapWIR(wir_method="delete"),
        )

    def attack(self, text: str, label: int) -> tuple[bool, int] | None:
        """Whether it was turned, and questions asked; None: it was answered wrongly before."""
        found = self._attack.attack(text, label)
        kind = type(found).__name__
        return None if kind.startswith("Skipped") else (kind.startswith("Succ"), found.num_queries)


def _wrapped(model: Classifier) -> Any:
    from textattack.models.wrappers import ModelWrapper

    class Wrapped(ModelWrapper):
        def __init__(self) -> None:
            self.model = model

        def __call__(self, texts: Sequence[str]) -> np.ndarray:
            return model.probabilities(list(texts))

    return Wrapped()


def _bound(limits: Limits) -> Any:
    """Words that may change; textattack's own rounds their number up, ours down."""
    from textattack.constraints import Constraint

    class Bound(Constraint):
        def _check_constraint(self, text: Any, reference: Any) -> bool:
            most = limits.max_changes(len(reference.words))
            return len(text.all_words_diff(reference)) <= most

    return Bound(compare_against_original=True)


def _encoder(least: float) -> Any:
    from textattack.constraints.semantics.sentence_encoders import SentenceEncoder

    model = mason.load(ENCODER, task="embedding")

    class Encoder(SentenceEncoder):
        def encode(self, texts: Sequence[str]) -> torch.Tensor:
            return torch.as_tensor(np.asarray(model.predict(list(texts))))

    return Encoder(threshold=least, metric="cosine", compare_against_original=True)


def _embedding(means: Means) -> Any:
    from textattack.shared import AbstractWordEmbedding

    vectors = means.like_words

    class Embedding(AbstractWordEmbedding):
        def word2index(self, word: str) -> int:
            return vectors.places[word]

        def index2word(self, index: int) -> str:
            return vectors.words[index]

        def nearest_neighbours(self, index: int, topn: int) -> list[int]:
            near = vectors.near(vectors.words[index], topn, LEAST)
            return [vectors.places[word] for word in near]

        def __getitem__(self, index: Any) -> torch.Tensor:
            place = vectors.places[index] if isinstance(index, str) else index
            return vectors.vectors[place]

        def get_cos_sim(self, a: Any, b: Any) -> float:
            return float(self[a] @ self[b])

        def get_mse_dist(self, a: Any, b: Any) -> float:
            return float((self[a] - self[b]).square().sum())

    return Embedding()


class _Hollow(ModuleType):
    """A module in which everything is there, and nothing in it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name[:1].isupper():
            return type(name, (), {})
        return importlib.import_module(f"{self.__name__}.{name}")

    def __call__(self, *_given: Any, **_options: Any) -> tuple[()]:
        return ()


class _Empty(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds what textattack imports and nothing here uses."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name.split(".")[0] not in EMPTY:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: Any) -> ModuleType:
        return _Hollow(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing in it."""


if __name__ == "__main__":
    main()
