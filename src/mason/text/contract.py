"""What goes into a model: checked before the first step, kept with the model, checked again.

A token id without an embedding row is the most reported tokenizer fault there is, and it
otherwise surfaces as a CUDA assertion (transformers #1848, #24698; FIELD §2.5).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from mason.errors import CheckpointError, TokenizerError
from mason.language import say
from mason.models.files import write_json
from mason.models.files.folders import inside
from mason.models.files.strict_json import read_json
from mason.text.cleaners import SPELLING
from mason.text.tokenizers import Tokenizer
from mason.text.usage import USAGE_FILE, Usage

CONTRACT_FILE = "mason.json"
_KEY = "input"
# Chat models often end a turn with another token than their base model's config names.
_MAY_DIFFER = ("bos", "eos", "pad")


def check_contract(
    tokenizer: Tokenizer,
    *,
    vocab_size: int,
    max_positions: int | None,
    special_in_config: Mapping[str, int | None],
) -> list[str]:
    """Hold a tokenizer against the model it feeds.

    Args:
        tokenizer: the tokenizer.
        vocab_size: rows of the model's token embedding.
        max_positions: tokens the model has positions for, or None for no limit.
        special_in_config: the model's own id for each role ("pad", "eos", …), None for none.

    Returns:
        Sentences for the user about what differs and does no harm.

    Raises:
        TokenizerError: an id has no embedding row, or the two disagree on a token that means
            something to the model.
    """
    _check_rows(tokenizer, vocab_size)
    notices = [
        _difference(tokenizer, role, id, vocab_size)
        for role, id in special_in_config.items()
        if id is not None
    ]
    if max_positions is not None and (tokenizer.max_tokens or 0) > max_positions:
        notices.append(
            say(
                "The tokenizer allows {tokens} tokens and the model {positions}; texts are cut "
                "to {positions}.",
                tokens=tokenizer.max_tokens,
                positions=max_positions,
            )
        )
    return [notice for notice in notices if notice]


def _check_rows(tokenizer: Tokenizer, vocab_size: int) -> None:
    if tokenizer.num_tokens <= vocab_size:
        return
    beyond = {id: piece for piece, id in tokenizer.vocabulary().items() if id >= vocab_size}
    id = min(beyond)
    raise TokenizerError(
        "The token {token} has the id {id}, but the model's embedding has {rows} rows, and "
        "{count} of the tokenizer's ids lie beyond them; use the model's own tokenizer, or add "
        "rows to the embedding.",
        token=repr(beyond[id]),
        id=id,
        rows=vocab_size,
        count=len(beyond),
    )


def _difference(tokenizer: Tokenizer, role: str, id: int, vocab_size: int) -> str | None:
    """How ``config.json`` and the tokenizer differ about one special token."""
    if not 0 <= id < vocab_size:
        raise TokenizerError(
            "config.json says {role}_token_id is {id}, but the embedding has {rows} rows; "
            "correct config.json.",
            role=role,
            id=id,
            rows=vocab_size,
        )
    found = getattr(tokenizer.special, role)
    if found in (None, id):
        return None
    values = {"role": role, "id": id, "piece": repr(tokenizer.pieces([id])[0])}
    values |= {"found": found, "token": repr(tokenizer.pieces([found])[0])}
    if role in _MAY_DIFFER:
        return say(
            "config.json says {role}_token_id is {id} ({piece}); the tokenizer's {found} "
            "({token}) is used.",
            **values,
        )
    raise TokenizerError(
        "config.json says {role}_token_id is {id} ({piece}), but the tokenizer says {found} "
        "({token}); one of the two belongs to another model.",
        **values,
    )


# What each member looks like in JSON.
_SHAPES: dict[str, Callable[[Any], bool]] = {
    "tokenizer": lambda v: isinstance(v, str),
    "special": lambda v: isinstance(v, dict) and all(type(i) is int for i in v.values()),
    "template": lambda v: v is None or isinstance(v, str),
    "max_tokens": lambda v: v is None or (type(v) is int and v > 0),
    "cleaner": lambda v: v is None or isinstance(v, str),
    "labels": lambda v: isinstance(v, list) and all(isinstance(label, str) for label in v),
}


@dataclass(frozen=True)
class InputContract:
    """What a trained model expects of its input.

    ``tokenizer`` and ``template`` are SHA-256 of the tokenizer's rules and of the chat
    template; ``special`` holds the id of each role that is filled; ``max_tokens`` is the
    length texts were cut to; ``labels`` are the label names in the order of the outputs;
    ``cleaner`` is what texts go through before the tokenizer.
    """

    tokenizer: str
    special: dict[str, int] = field(default_factory=dict)
    template: str | None = None
    max_tokens: int | None = None
    labels: tuple[str, ...] = ()
    cleaner: str | None = None

    @classmethod
    def of(
        cls, tokenizer: Tokenizer, *, max_tokens: int | None = None, labels: Sequence[str] = ()
    ) -> "InputContract":
        """The contract of a model that is fed by ``tokenizer``."""
        special = {k: v for k, v in asdict(tokenizer.special).items() if v is not None}
        template = tokenizer.chat_template
        digest = None if template is None else hashlib.sha256(template.encode()).hexdigest()
        return cls(
            tokenizer.fingerprint, special, digest, max_tokens, tuple(labels), tokenizer.cleaner
        )

    def to_dict(self) -> dict[str, Any]:
        """The contract as JSON holds it."""
        return asdict(self) | {"labels": list(self.labels)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], file: object = CONTRACT_FILE) -> "InputContract":
        """The contract in ``values``, which come from ``file``.

        Raises:
            CheckpointError: a member is missing, unknown, or of another type.
        """
        wrong = next((name for name, fits in _SHAPES.items() if not fits(values.get(name))), None)
        wrong = wrong or next((name for name in values if name not in _SHAPES), None)
        if wrong:
            raise CheckpointError(
                "{file}: the member {name} of the input contract is missing, unknown or of the "
                "wrong type; fetch the model again.",
                file=file,
                name=repr(wrong),
            )
        return cls(**{**values, "labels": tuple(values["labels"])})

    def check(self, found: "InputContract") -> None:
        """Hold what a model is about to be fed against this, its own contract.

        Raises:
            TokenizerError: the two differ.
        """
        for member in fields(self):
            wanted, given = getattr(self, member.name), getattr(found, member.name)
            if wanted != given:
                raise TokenizerError(
                    "The model was trained with {wanted} for {name} and is given {given}; use "
                    "the tokenizer and settings it was saved with.",
                    name=member.name,
                    wanted=wanted,
                    given=given,
                )


def save_contract(folder: Path, contract: InputContract) -> None:
    """Put ``contract`` into ``folder``'s mason.json, beside what else stands there."""
    file = folder / CONTRACT_FILE
    kept = read_json(file) if file.is_file() else {}
    write_json(file, kept | {_KEY: contract.to_dict()})


def load_contract(folder: Path) -> InputContract | None:
    """The contract in ``folder``'s mason.json; None for a model that has none.

    Raises:
        CheckpointError: mason.json is damaged.
    """
    if not (folder / CONTRACT_FILE).exists():
        return None
    file = inside(folder, CONTRACT_FILE)
    values = read_json(file).get(_KEY)
    if values is None:
        return None
    return InputContract.from_dict(values if isinstance(values, dict) else {"": values}, file)


def behind_its_cleaner(
    tokenizer: Tokenizer, contract: InputContract | None, folder: Path
) -> Tokenizer:
    """The tokenizer of a folder behind the cleaner that its contract names.

    Raises:
        MasonError: There is no such cleaner, or what it needs is missing or damaged.
    """
    cleaner = contract.cleaner if contract else None
    if cleaner != SPELLING:
        return tokenizer.cleaning(cleaner)
    file = inside(folder, USAGE_FILE)
    return tokenizer.cleaning(cleaner, Usage.from_dict(read_json(file), file))
