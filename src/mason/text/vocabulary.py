"""Tokenizers with more tokens, or without those that a corpus never uses."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from tokenizers import AddedToken
from tokenizers import Tokenizer as Backend

from mason.text.tokenizers import Tokenizer


def extended(tokenizer: Tokenizer, words: Sequence[str]) -> Tokenizer:
    """A tokenizer that has each of ``words`` as a token too, behind its others.

    Only whole words are met, and a space before one stays a token of its own where the
    tokenizer marks spaces, so that the text can be got back.
    """
    backend = Backend.from_str(json.dumps(tokenizer.rules))
    backend.add_tokens([AddedToken(word, single_word=True, normalized=True) for word in words])
    return _behind(tokenizer, Tokenizer(backend, tokenizer.config))


def with_special(tokenizer: Tokenizer, names: Sequence[str]) -> Tokenizer:
    """A tokenizer that has each of ``names`` as a special token too, behind its others.

    No text can spell one, and none is shown in what is decoded.
    """
    backend = Backend.from_str(json.dumps(tokenizer.rules))
    backend.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    return _behind(tokenizer, Tokenizer(backend, tokenizer.config))


def trimmed(tokenizer: Tokenizer, used: Iterable[int]) -> tuple[Tokenizer, list[int]]:
    """A tokenizer without the pieces that nothing needs, and the old ids of those it kept.

    Kept beside ``used`` are special and added tokens, bytes, single characters, and what BPE
    builds a kept piece from. Texts of used pieces alone get the same pieces as before: the
    rules that made them are there, in the same order, and no rule is new.
    """
    rules = tokenizer.rules
    model, ids = rules["model"], tokenizer.vocabulary()
    piece_of = {id: piece for piece, id in ids.items()}
    prefix = model.get("continuing_subword_prefix") or ""
    kept = {piece_of[id] for id in used if id in piece_of}
    kept |= {token["content"] for token in rules["added_tokens"]}
    kept |= {p for p in ids if len(p.removeprefix(prefix)) == 1 or _is_byte(p)}
    if model["type"] == "Unigram":
        kept.add(model["vocab"][model["unk_id"] or 0][0])
        # What is unknown costs a little more than the dearest piece.
        kept.add(min(model["vocab"], key=lambda entry: entry[1])[0])
    elif model.get("unk_token"):
        kept.add(model["unk_token"])
    merges = model.get("merges", [])
    _add_parts(kept, merges, prefix)
    old = sorted(ids[piece] for piece in kept)
    new = {piece_of[id]: place for place, id in enumerate(old)}
    if model["type"] == "Unigram":
        unknown = model["vocab"][model["unk_id"]][0] if model["unk_id"] is not None else None
        model["vocab"] = [entry for entry in model["vocab"] if entry[0] in kept]
        model["unk_id"] = new[unknown] if unknown is not None else None
    else:
        model["vocab"] = {piece: new[piece] for piece in model["vocab"] if piece in kept}
    if merges:
        model["merges"] = [m for m in merges if {*m, _joined(m, prefix)} <= kept]
    for token in rules["added_tokens"]:
        token["id"] = new[token["content"]]
    _renumber(rules["post_processor"], new)
    places = {id: place for place, id in enumerate(old)}
    config = dict(tokenizer.config)
    if "added_tokens_decoder" in config:
        told = config["added_tokens_decoder"].items()
        config["added_tokens_decoder"] = {str(places[int(id)]): token for id, token in told}
    return _behind(tokenizer, Tokenizer(Backend.from_str(json.dumps(rules)), config)), old


def _behind(old: Tokenizer, new: Tokenizer) -> Tokenizer:
    """The new one behind the old one's cleaner: a model reads as it learned to."""
    return new.cleaning(old.cleaner, old.usage)


def _is_byte(piece: str) -> bool:
    return len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">")


def _joined(merge: Sequence[str], prefix: str) -> str:
    return merge[0] + merge[1].removeprefix(prefix)


def _add_parts(kept: set[str], merges: Sequence[Sequence[str]], prefix: str) -> None:
    """Add what the kept pieces are merged from, on every way there is."""
    ways: dict[str, list[str]] = {}
    for merge in merges:
        ways.setdefault(_joined(merge, prefix), []).extend(merge)
    todo = list(kept)
    while todo:
        parts = [part for part in ways.get(todo.pop(), ()) if part not in kept]
        kept.update(parts)
        todo += parts


def _renumber(processor: Any, new: Mapping[str, int]) -> None:
    """Give the tokens that are put around texts their new ids."""
    if not isinstance(processor, dict):
        return
    for inner in processor.get("processors", ()):
        _renumber(inner, new)
    for role in ("sep", "cls"):  # of BERT's and RoBERTa's own
        if isinstance(processor.get(role), list):
            processor[role][1] = new[processor[role][0]]
    named: Collection[dict[str, Any]] = (processor.get("special_tokens") or {}).values()
    for token in named:
        token["ids"] = [new[piece] for piece in token["tokens"]]
