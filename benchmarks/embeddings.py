"""Debian synopses and the descriptions they belong to: how often the right one is found.

MiniLM was made for such work, so what it does untrained stands beside what both sides make of
it in the same minutes; transformers' side is its Trainer with a loss written out, since
transformers has none for pairs. BM25 and TF-IDF need no training.
"""

from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch
import torch.nn.functional as F

from benchmarks.report import Row
from benchmarks.understanding import MODEL, Job, _alone, _fit_ours, _fit_trainer, _padded
from mason.catalog import find
from mason.evaluation.retrieval import retrieval_baselines
from mason.metrics.retrieval import ranks_of, retrieval_scores
from mason.sources import find_model
from mason.text import load_tokenizer

BATCH = 256
"""Pairs that compete: ours in passes (GradCache); the Trainer at what it does at once."""
TRAINER_BATCH = 32
MAX_TOKENS = 128
NUM_TEST = 2000
NUM_ERRORS = 10
_TEMPERATURE = 0.05
_SCORES = ("recall_at_1", "recall_at_10", "mrr", "ndcg")


class Pairs(NamedTuple):
    """Synopses and descriptions."""

    queries: list[str]
    documents: list[str]


def untrained(job: Job) -> tuple[list[np.ndarray], int]:
    """The model as it comes."""
    from mason.workflows import Embedder, load

    model = load(MODEL, task="embedding", max_tokens=MAX_TOKENS)
    assert isinstance(model, Embedder)
    return [model.predict(side) for side in job.test], 0


def ours(job: Job) -> tuple[list[np.ndarray], int]:
    """In-batch negatives, a large batch."""
    from mason.runtime import keep_freed_memory, seed_everything
    from mason.tasks.embedding import EmbeddingObjective, Examples
    from mason.workflows import Embedder, load

    keep_freed_memory()
    seed_everything(1)
    model = load(MODEL, task="embedding", max_tokens=MAX_TOKENS)
    assert isinstance(model, Embedder)
    examples = Examples(tuple(model.encode(side) for side in job.train), model.how)
    objective = EmbeddingObjective(examples, temperature=_TEMPERATURE)
    steps = _fit_ours(model, objective, job, batch_size=BATCH)
    return [model.predict(side) for side in job.test], steps


class Siamese(torch.nn.Module):
    """What the Trainer trains: both sides, mean pooling, cross-entropy of cosines."""

    def __init__(self, base: Any) -> None:
        super().__init__()
        self.base = base

    def embed(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden = self.base(input_ids=ids, attention_mask=mask).last_hidden_state
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return F.normalize(mean, dim=1)

    def forward(
        self, a: torch.Tensor, a_mask: torch.Tensor, b: torch.Tensor, b_mask: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        cosines = self.embed(a, a_mask) @ self.embed(b, b_mask).T / _TEMPERATURE
        return {"loss": F.cross_entropy(cosines, torch.arange(len(cosines)))}


def trainer(job: Job) -> tuple[list[np.ndarray], int]:
    """The Trainer on the same tokens and the same loss."""
    from transformers import AutoModel

    folder = find_model(MODEL)
    tokenizer = load_tokenizer(folder)

    def ids(texts: list[str]) -> list[list[int]]:
        return [e.ids for e in tokenizer.encode(texts, max_tokens=MAX_TOKENS)]

    rows = [
        {"a": a, "a_mask": [1] * len(a), "b": b, "b_mask": [1] * len(b)}
        for a, b in zip(*(ids(side) for side in job.train), strict=True)
    ]
    model = Siamese(AutoModel.from_pretrained(folder))
    collate = _padded({"a": 0, "a_mask": 0, "b": 0, "b_mask": 0})
    steps = _fit_trainer(model, rows, collate, job, batch=TRAINER_BATCH)
    model.eval()
    found = []
    with torch.inference_mode():
        for side in job.test:
            vectors = [
                model.embed(torch.tensor([row]), torch.ones(1, len(row), dtype=torch.long))
                for row in ids(side)
            ]
            found.append(torch.cat(vectors).numpy())
    return found, steps


def embedding_rows(minutes: float) -> tuple[list[Row], str]:
    """Recall, MRR and nDCG among the descriptions of held-out source packages."""
    frame = pl.read_csv(find("debian-retrieval").build())
    sides = [
        Pairs(part["query"].to_list(), part["document"].to_list())
        for part in (frame.filter(split=name) for name in ("train", "test"))
    ]
    train, test = sides[0], Pairs(*(side[:NUM_TEST] for side in sides[1]))
    job, right = Job(train, test, (), minutes), np.arange(len(test.queries))
    found, notes, ranks, vectors = {}, "", right, [np.zeros(0)]
    for name, method in (("untrained", untrained), ("trainer", trainer), ("ours", ours)):
        vectors, steps = _alone(method, job)
        ranks = ranks_of(vectors[0], vectors[1], right)
        found[name] = retrieval_scores(ranks).overall
        notes += f"{name}, {steps} steps: " + _shown(found[name])
    for rival in retrieval_baselines(test.queries, test.documents, right):
        found[rival.name] = dict(rival.scores)
        notes += f"{rival.name}: " + _shown(found[rival.name])
    rows = [
        Row(f"debian-retrieval, {kind} over {name}", found["ours"][kind].value, told[kind].value)
        for kind in ("recall_at_1", "mrr")
        for name, told in found.items()
        if name != "ours"
    ]
    notes += f"{minutes:g} minutes a side, {len(right)} descriptions to choose from.\n\n"
    print(_worst(test, ranks, vectors))
    return rows, notes


def _shown(told: dict[str, Any]) -> str:
    parts = (f"{k} {told[k].value:.4f} ({told[k].low:.4f} to {told[k].high:.4f})" for k in _SCORES)
    return ", ".join(parts) + ". "


def _worst(test: Pairs, ranks: np.ndarray, vectors: list[np.ndarray]) -> str:
    nearest = (vectors[0] @ vectors[1].T).argmax(1)
    chosen = np.argsort(-ranks)[:NUM_ERRORS]
    return "Found last by ours:\n\n" + "".join(
        f"- {test.queries[i]} (place {ranks[i]}): {test.documents[i][:120]} … Nearest instead: "
        f"{test.documents[nearest[i]][:120]} …\n"
        for i in chosen
    )
