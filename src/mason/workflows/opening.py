"""A model's folder as the parts of a model, each held against the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mason.errors import CheckpointError, SettingsError
from mason.models.checkpoints import load_model
from mason.models.families import Family
from mason.models.files import MANIFEST, is_ours, verify_manifest
from mason.models.files.strict_json import read_json
from mason.models.spec import ModelSpec
from mason.models.transformer import Transformer, set_dropout
from mason.text import InputContract, Tokenizer, check_contract, load_contract, load_tokenizer
from mason.workflows.model import FACTS_FILE, Model

M = TypeVar("M", bound=Model)

DEFAULT_MAX_TOKENS = 512
"""Where texts are cut when neither the user nor the model says."""


@dataclass(frozen=True)
class Chosen:
    """What a user chooses of a model, whatever its task; see ``mason.load``."""

    source: str
    labels: Sequence[str] | None = None
    max_tokens: int | None = None
    dropout: float | None = None
    values: bool = True
    """Whether weights are read; to plan a run, their shapes are enough."""


@dataclass(frozen=True)
class Opened:
    """What a model's folder holds."""

    network: Transformer
    tokenizer: Tokenizer
    family: Family
    limit: int
    """Where texts are cut."""
    fresh: tuple[str, ...]
    dropped: tuple[str, ...]
    folder: Path
    source: str
    """As the user named it."""

    def become(self, kind: type[M], **learned: Any) -> M:
        """The model it is for a task.

        Args:
            kind: Its class.
            learned: What that class knows beside the weights.
        """
        return kind(
            self.network,
            self.tokenizer,
            self.family,
            self.source,
            self.limit,
            self.fresh,
            self.dropped,
            **learned,
        )

    def facts(self) -> dict[str, Any]:
        """What training learned beside the weights, where the folder is Mason's."""
        return facts_of(self.folder)


def open_model(path: Path, chosen: Chosen, *, heads: Sequence[str]) -> Opened:
    """Read network and tokenizer, and check that they belong together.

    Args:
        path: Where ``find_model`` found it.
        chosen: What the user says of it.
        heads: What it shall answer with.

    Raises:
        MasonError: It cannot be read, or its parts do not fit each other.
    """
    if chosen.values:
        _check_whole(path)
    tokenizer = load_tokenizer(path)
    found = load_model(path, heads=tuple(heads), labels=chosen.labels, values=chosen.values)
    if chosen.dropout is not None:
        set_dropout(found.model, chosen.dropout)
    spec = found.model.spec
    check_contract(
        tokenizer,
        vocab_size=spec.vocab_size,
        max_positions=spec.max_tokens,
        special_in_config={"pad": spec.special.pad},
    )
    folder = path if path.is_dir() else path.parent
    contract = load_contract(folder)
    tokenizer = tokenizer.cleaning(contract.cleaner if contract else None)
    cut = chosen.max_tokens or (contract.max_tokens if contract else None)
    limit = cut_for(cut, spec, tokenizer)
    if contract and chosen.labels is None and chosen.max_tokens is None:
        contract.check(InputContract.of(tokenizer, max_tokens=limit, labels=spec.labels))
    return Opened(
        found.model,
        tokenizer,
        found.family,
        limit,
        found.fresh,
        found.dropped,
        folder,
        chosen.source,
    )


def facts_of(folder: Path) -> dict[str, Any]:
    """What ``Model.write`` put beside the weights; empty where it was not Mason that wrote."""
    file = folder / FACTS_FILE
    return read_json(file) if file.is_file() else {}


def facts_error(folder: Path) -> CheckpointError:
    """What to raise where ``Opened.facts`` cannot be right."""
    return CheckpointError(
        "{file} says what Mason never writes; fetch the model again.", file=folder / FACTS_FILE
    )


def _check_whole(path: Path) -> None:
    """Hold what a model of Mason's is read from against its checksums; its card may be edited."""
    if (path / MANIFEST).is_file() and (is_ours(path) or (path / FACTS_FILE).is_file()):
        verify_manifest(path, lambda name: "/" not in name and name != "README.md")


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
