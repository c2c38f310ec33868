"""A model's folder as the parts of a model, each held against the others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

from mason.errors import CheckpointError, SettingsError
from mason.models.adapters import HELD_AS, Bits, hold_base
from mason.models.checkpoints import Checkpoint, load_model
from mason.models.families import Family
from mason.models.files import MANIFEST, is_ours, verify_manifest
from mason.models.files.strict_json import read_json
from mason.models.holding import Held
from mason.models.peft import CONFIG as ADAPTER_CONFIG
from mason.models.peft import is_adapter, load_adapter, read_adapter
from mason.models.spec import ModelSpec
from mason.models.transformer import Transformer, set_dropout
from mason.sources import find_base
from mason.text import (
    InputContract,
    Tokenizer,
    behind_its_cleaner,
    check_contract,
    has_tokenizer,
    load_contract,
    load_tokenizer,
)
from mason.workflows.model import FACTS_FILE, Base, Model

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
    held: Held | None = None
    """In what the layers' weights are held from the moment they are read; None: in fp32."""
    as_read: bool = False
    """Whether the rest is in the files' precision, to be rounded next."""


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
    base: Base | None = None
    """What it has adapters for."""

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
            self.base,
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
    if is_adapter(path):
        found, base, place = open_adapter(path, chosen, heads)
        # PEFT writes an adapter alone.
        tokenizer = load_tokenizer(path if has_tokenizer(path) else place)
    else:
        tokenizer, base = load_tokenizer(path), None
        found = load_model(
            path,
            heads=tuple(heads),
            labels=chosen.labels,
            values=chosen.values,
            held=chosen.held,
            as_read=chosen.as_read,
        )
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
    tokenizer = behind_its_cleaner(tokenizer, contract, folder)
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
        base,
    )


def open_adapter(path: Path, chosen: Chosen, heads: Sequence[str]) -> tuple[Checkpoint, Base, Path]:
    """The model an adapter belongs to, with the adapter on it, and where that model lies.

    Raises:
        MasonError: The folder or the model cannot be read, or they do not fit each other.
    """
    given, contract = read_adapter(path), load_contract(path)
    labels = chosen.labels or (contract.labels if contract else None) or None
    if labels is None and given.num_labels is not None:
        labels = tuple(f"LABEL_{i}" for i in range(given.num_labels))
    if not given.base:
        raise CheckpointError(
            "{file} does not say which model it belongs to; put its name or folder into "
            "base_model_name_or_path.",
            file=path / ADAPTER_CONFIG,
        )
    place = find_base(given.base, revision=given.revision)
    facts: Any = facts_of(path).get("adapter", {})
    told: Any = facts.get("base_bits", 32) if isinstance(facts, dict) else None
    if told not in get_args(Bits):
        raise facts_error(path)
    base = Base(given.base, given.revision, told)
    found = load_model(
        place,
        heads=tuple(heads),
        labels=labels,
        values=chosen.values,
        held=HELD_AS.get(base.bits),
    )
    hold_base(found.model, base.bits)
    loaded = load_adapter(found.model, found.family, given)
    fresh = tuple(name for name in found.fresh if name not in loaded)
    return replace(found, fresh=fresh), base, place


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
