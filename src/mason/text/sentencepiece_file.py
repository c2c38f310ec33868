"""``spiece.model``: the Unigram vocabularies of T5 and ALBERT.

The file is a protobuf message. The few fields a tokenizer needs are read here, so that no
protobuf library, and no second tokenizer, has to be installed. Field numbers are those of
SentencePiece's sentencepiece_model.proto (Kudo and Richardson 2018).
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend

from mason.errors import TokenizerError
from mason.text.building import bert_template
from mason.text.special import named_tokens

_NORMAL, _CONTROL, _USER_DEFINED = 1, 3, 4
_UNIGRAM = 1


@dataclass(frozen=True)
class _Model:
    pieces: list[tuple[str, float, int]]  # text, log probability, kind
    is_unigram: bool
    unk_id: int
    charsmap: bytes


def unigram(path: Path, config: Mapping[str, Any]) -> tuple[Backend, dict[str, Any]]:
    """The tokenizer of T5 or ALBERT in ``path``, and its settings with its special tokens.

    Raises:
        TokenizerError: the file is damaged, or holds another kind of model.
    """
    model = _read(path)
    texts = [text for text, _, _ in model.pieces]
    is_albert = "[CLS]" in texts
    config = {**config, "tokenizer_class": "AlbertTokenizer" if is_albert else "T5Tokenizer"}
    if not model.is_unigram or not (is_albert or texts[:2] == ["<pad>", "</s>"]):
        raise TokenizerError(
            "{file} is not the vocabulary of a T5 or an ALBERT; put the model's tokenizer.json "
            "beside its weights.",
            file=path,
        )
    scores = [(text, score) for text, score, _ in model.pieces]
    extra = [] if is_albert else _sentinels(config)
    backend = Backend(models.Unigram(scores + [(text, 0.0) for text in extra], model.unk_id))
    cleaning = _albert_cleaning(config) if is_albert else []
    if model.charsmap:
        cleaning.append(normalizers.Precompiled(model.charsmap))
    spaces = [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    backend.normalizer = normalizers.Sequence(cleaning + spaces)
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    ids = {text: i for i, text in enumerate(texts)}
    special = named_tokens(config)
    if is_albert:
        backend.post_processor = bert_template(ids, special)
    else:
        end = special["eos"]
        backend.post_processor = processors.TemplateProcessing(
            single=f"$A {end}", pair=f"$A {end} $B {end}", special_tokens=[(end, ids[end])]
        )
    backend.add_special_tokens([t for t, _, kind in model.pieces if kind == _CONTROL] + extra)
    backend.add_tokens(
        [AddedToken(t, normalized=False) for t, _, kind in model.pieces if kind == _USER_DEFINED]
    )
    return backend, config


def _sentinels(config: Mapping[str, Any]) -> list[str]:
    """T5's ``<extra_id_…>``, which count down so that the last of them is the last row."""
    return [f"<extra_id_{i}>" for i in reversed(range(config.get("extra_ids", 100)))]


def _albert_cleaning(config: Mapping[str, Any]) -> list[normalizers.Normalizer]:
    steps: list[normalizers.Normalizer] = [
        normalizers.Replace("``", '"'),
        normalizers.Replace("''", '"'),
    ]
    if not config.get("keep_accents", False):
        steps += [normalizers.NFKD(), normalizers.StripAccents()]
    if config.get("do_lower_case", True):
        steps.append(normalizers.Lowercase())
    return steps


def _read(path: Path) -> _Model:
    pieces, trainer, cleaning = [], {}, {}
    try:
        for number, value in _fields(path.read_bytes()):
            if number == 1:
                piece = dict(_fields(value))
                score = struct.unpack("<f", piece.get(2, bytes(4)))[0]
                pieces.append((piece[1].decode("utf-8"), score, piece.get(3, _NORMAL)))
            elif number == 2:
                trainer = dict(_fields(value))
            elif number == 3:
                cleaning = dict(_fields(value))
    except (ValueError, KeyError, TypeError, AttributeError, struct.error):
        raise TokenizerError(
            "{file} is damaged: it is not a SentencePiece model; fetch the file again.", file=path
        ) from None
    return _Model(
        pieces,
        is_unigram=trainer.get(3, _UNIGRAM) == _UNIGRAM,
        unk_id=trainer.get(40, 0),
        charsmap=cleaning.get(2, b""),
    )


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The numbered values of a protobuf message: integers, or bytes not yet read further."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == 2:
            length, at = _varint(message, at)
        else:
            length = {1: 8, 5: 4}[wire]
        if length > len(message) - at:
            raise ValueError("cut short")
        yield number, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError("cut short")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number of more than 10 bytes")
