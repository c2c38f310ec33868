"""From a name to a model ready to predict or to train."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mason.errors import CheckpointError, SettingsError
from mason.models.checkpoints import load_model
from mason.models.files import MANIFEST, is_ours, verify_manifest
from mason.models.files.strict_json import read_json
from mason.models.spec import ModelSpec
from mason.models.transformer import set_dropout
from mason.sources import find_model
from mason.tasks.classification import HEAD
from mason.text import InputContract, Tokenizer, check_contract, load_contract, load_tokenizer
from mason.workflows.model import FACTS_FILE, Model

TASKS = ("classification",)
DEFAULT_MAX_TOKENS = 512
"""Where texts are cut when neither the user nor the model says."""


def load(
    source: str | Path,
    *,
    task: str | None = None,
    labels: Sequence[str] | None = None,
    max_tokens: int | None = None,
    revision: str | None = None,
    dropout: float | None = None,
) -> Model:
    """Load a model by path, hub id, ``modelscope:`` id, package or short name.

    Args:
        source: See ``mason.sources.find_model``.
        task: What it shall do; "classification" so far. None: what it was trained for.
        labels: Names of the classes. None: those saved with the model.
        max_tokens: Where texts are cut. None: as saved with the model, or its limit.
        revision: A hub's branch, tag or commit.
        dropout: Rate of every dropout while training. None: the model's own.

    Raises:
        MasonError: It cannot be found, read, or used for this task.
    """
    _check_task(task)
    path = find_model(str(source), revision=revision)
    _check_whole(path)
    tokenizer = load_tokenizer(path)
    found = load_model(path, heads=(HEAD,), labels=labels)
    if dropout is not None:
        set_dropout(found.model, dropout)
    spec = found.model.spec
    _check_labels(spec, found.fresh, source, asked=labels is not None)
    check_contract(
        tokenizer,
        vocab_size=spec.vocab_size,
        max_positions=spec.max_tokens,
        special_in_config={"pad": spec.special.pad},
    )
    folder = path if path.is_dir() else path.parent
    contract = load_contract(folder)
    cut = max_tokens or (contract.max_tokens if contract else None)
    limit = cut_for(cut, spec, tokenizer)
    if contract and labels is None and max_tokens is None:
        contract.check(InputContract.of(tokenizer, max_tokens=limit, labels=spec.labels))
    facts = _Facts.of(folder) if labels is None else _Facts()
    return Model(
        found.model,
        tokenizer,
        found.family,
        str(source),
        limit,
        facts.temperature,
        found.fresh,
        found.dropped,
        facts.pairs,
    )


def _check_task(task: str | None) -> None:
    if task not in (None, *TASKS):
        raise SettingsError(
            "There is no task called {task!r}; choose one of {known}.",
            task=task,
            known=", ".join(TASKS),
        )


def _check_whole(path: Path) -> None:
    """Hold what a model of Mason's is read from against its checksums; its card may be edited."""
    if (path / MANIFEST).is_file() and (is_ours(path) or (path / FACTS_FILE).is_file()):
        verify_manifest(path, lambda name: "/" not in name and name != "README.md")


def _check_labels(spec: ModelSpec, fresh: Sequence[str], source: object, *, asked: bool) -> None:
    if asked and len(set(spec.labels)) < 2:
        raise SettingsError(
            "A classifier needs at least two different labels, but these are {labels}.",
            labels=list(spec.labels),
        )
    if not asked and any(name.startswith(f"heads.{HEAD}.output") for name in fresh):
        raise CheckpointError(
            "{source} has not been trained to classify, so it has no labels; "
            "train it first with mason train, or name the labels.",
            source=source,
        )


def cut_for(cut: int | None, spec: ModelSpec, tokenizer: Tokenizer | None) -> int:
    """Where texts are cut: as asked, but never beyond the model's positions.

    Raises:
        SettingsError: More is asked than the model has positions.
    """
    hard = spec.max_tokens
    if cut is not None and hard is not None and cut > hard:
        raise SettingsError(
            "model.max-tokens is {asked}, but the model has {limit} positions; "
            "choose at most {limit}.",
            asked=cut,
            limit=hard,
        )
    if cut is not None:
        return cut
    known = tokenizer.max_tokens if tokenizer else None
    return min(n for n in (hard, known, DEFAULT_MAX_TOKENS) if n)


@dataclass(frozen=True)
class _Facts:
    """What training learned of a model beside its weights."""

    temperature: float = 1.0
    pairs: bool | None = None

    @classmethod
    def of(cls, folder: Path) -> "_Facts":
        """Those a folder of Mason's holds, else none."""
        file = folder / FACTS_FILE
        told = read_json(file) if file.is_file() else {}
        calibration, pairs = told.get("calibration", {}), told.get("pairs")
        if not isinstance(calibration, dict) or not isinstance(pairs, bool | None):
            raise _damaged(file)
        temperature = calibration.get("temperature", 1.0)
        if type(temperature) not in (int, float) or not 0 < temperature < math.inf:
            raise _damaged(file)
        return cls(float(temperature), pairs)


def _damaged(file: Path) -> CheckpointError:
    return CheckpointError(
        "{file}: its calibration is no temperature above 0, or pairs is neither true nor false; "
        "fetch the model again.",
        file=file,
    )
