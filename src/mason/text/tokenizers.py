"""Text to ids and back: one class over the ``tokenizers`` library."""

import copy
import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import AddedToken
from tokenizers import Tokenizer as Backend

from mason.errors import TokenizerError
from mason.models.files import write_json
from mason.text.cleaners import CLEANERS, SPELLING, Cleaner
from mason.text.cleaning import Cleaned
from mason.text.control import disarm
from mason.text.special import SpecialTokens, named_tokens
from mason.text.usage import NO_USAGE, USAGE_FILE, Usage

# transformers writes 10**30 for "no limit".
_SANE_MAX_TOKENS = 10**9
# Where a file lay on somebody's disk says nothing about the tokenizer.
_PATHS = ("name_or_path", "tokenizer_file", "vocab_file", "special_tokens_map_file")


class Encoding(NamedTuple):
    """One encoded text, or pair of texts.

    ``ids``, ``type_ids``, ``spans`` and ``parts`` have one item a token. A span is the
    (start, end) of the token in its own text, in characters; ``parts`` says which text that
    is: 0, 1, or -1 for a token of the template. ``cut``: the text was longer.
    """

    ids: list[int]
    type_ids: list[int]
    spans: list[tuple[int, int]]
    parts: list[int]
    cut: bool


class Tokenizer:
    """A vocabulary with the rules that cut a text into its pieces.

    Mason never pads, so padding in the file is switched off. Names of special tokens inside
    a text are ordinary characters unless `encode` is told to parse them.

    Attributes:
        cleaner: Which of ``mason.text.cleaners.CLEANERS`` every text goes through first; None:
            texts are read as they are.
        usage: Of words, for the cleaners that put them right.
    """

    cleaner: str | None = None
    usage: Usage = NO_USAGE

    def __init__(self, backend: Backend, config: Mapping[str, Any]) -> None:
        """Take over ``backend``; ``config`` is what tokenizer_config.json says, or would."""
        backend.no_padding()
        backend.no_truncation()
        self.config = dict(config)
        named = named_tokens(self.config)
        _register(backend, named)
        self._json = backend.to_str()
        self.special = SpecialTokens(**{r: backend.token_to_id(t) for r, t in named.items()})
        self.num_tokens = 1 + max(backend.get_vocab().values(), default=-1)
        """One more than the highest id: the rows an embedding needs."""
        disarm(backend)
        self._backend = backend
        self._lock = threading.Lock()

    def encode(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        *,
        max_tokens: int | None = None,
        special: bool = True,
        parse_special: bool = False,
    ) -> list[Encoding]:
        """Encode every text, or every text with its pair, on all threads.

        Args:
            texts: what to encode.
            pairs: second texts, as many as ``texts``.
            max_tokens: cut to this many tokens, special ones included and kept; of a pair the
                longer is cut first, as BERT does.
            special: put the tokens of the model's template around the text.
            parse_special: let names of special tokens inside a text stand for those tokens.
                For text that Mason wrote (a chat template), never for a user's.

        Raises:
            TokenizerError: ``max_tokens`` leaves no room for text, or a text holds half a
                surrogate pair.
        """
        first, second = self._clean(texts), None if pairs is None else self._clean(pairs)
        texts, pairs = _texts_of(texts, first), None if pairs is None else _texts_of(pairs, second)
        inputs = texts if pairs is None else list(zip(texts, pairs, strict=True))
        room = 0 if not special else self.num_special_tokens(pair=pairs is not None)
        if max_tokens is not None and max_tokens <= room:
            raise TokenizerError(
                "max_tokens is {max_tokens}, but the special tokens alone are {room}; raise it.",
                max_tokens=max_tokens,
                room=room,
            )
        backend = self._parsing if parse_special else self._backend
        with self._lock:  # the limit is part of the backend's state
            _limit(backend, max_tokens)
            found = _guarded(backend.encode_batch, inputs, special)
        read = [
            Encoding(
                encoding.ids,
                encoding.type_ids,
                encoding.offsets,
                [-1 if part is None else part for part in encoding.sequence_ids],
                bool(encoding.overflowing),
            )
            for encoding in found
        ]
        if first is None:
            return read
        sides = zip(first, second or first, strict=True)
        return [_as_given(one, both) for one, both in zip(read, sides, strict=True)]

    def encode_ids(
        self, texts: Sequence[str], *, special: bool = True, parse_special: bool = False
    ) -> list[list[int]]:
        """The ids of every text, uncut: what `encode` gives, without the rest, sooner."""
        backend = self._parsing if parse_special else self._backend
        read = _texts_of(texts, self._clean(texts))
        with self._lock:
            _limit(backend, None)
            found = _guarded(backend.encode_batch_fast, read, special)
        return [encoding.ids for encoding in found]

    def num_special_tokens(self, *, pair: bool = False) -> int:
        """How many tokens the template adds to a text, or to a pair."""
        return self._backend.num_special_tokens_to_add(pair)

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        """The text that ``ids`` spell; an id outside the vocabulary spells nothing."""
        return self._backend.decode(list(ids), skip_special_tokens=skip_special)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The pieces as the vocabulary spells them; ``#7`` for an id 7 that has none."""
        found = ((id, self._backend.id_to_token(id)) for id in ids)
        return [f"#{id}" if piece is None else piece for id, piece in found]

    def token_id(self, piece: str) -> int | None:
        """The id of ``piece``, or None if the vocabulary lacks it."""
        return self._backend.token_to_id(piece)

    @cached_property
    def special_names(self) -> tuple[str, ...]:
        """The spellings of the special tokens, the template's marks among them."""
        return tuple(token["content"] for token in self.rules["added_tokens"] if token["special"])

    @property
    def rules(self) -> dict[str, Any]:
        """What tokenizer.json says, parsed anew."""
        found: dict[str, Any] = json.loads(self._json)
        return found

    def vocabulary(self) -> dict[str, int]:
        """Every piece, added ones included, and its id."""
        return self._backend.get_vocab()

    @property
    def max_tokens(self) -> int | None:
        """The longest text the model was made for, in tokens, where the files say so."""
        length = self.config.get("model_max_length")
        if isinstance(length, int | float) and 0 < length < _SANE_MAX_TOKENS:
            return int(length)
        return None

    @property
    def chat_template(self) -> str | None:
        """The Jinja template that turns a conversation into text, where the files have one."""
        template = self.config.get("chat_template")
        return template if isinstance(template, str) else None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that decides which ids a text gets."""
        rules = self.rules
        del rules["decoder"]
        text = json.dumps(_without_defaults(rules), sort_keys=True, separators=(",", ":"))
        text += self.cleaner or ""
        text += self.usage.digest if self.cleaner == SPELLING else ""
        return hashlib.sha256(text.encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Write tokenizer.json, tokenizer_config.json and special_tokens_map.json.

        Beside them lies ``spelling.json`` where words are put right. transformers reads the first
        three with AutoTokenizer or PreTrainedTokenizerFast.
        """
        named = {f"{role}_token": text for role, text in named_tokens(self.config).items()}
        config = {key: value for key, value in self.config.items() if key not in _PATHS}
        config |= named
        # The classes named after families build their rules anew and ignore tokenizer.json.
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
        inputs = ["input_ids", "attention_mask"]
        # Only models with a [CLS] have segments, whatever the library numbers the second text.
        if self.special.cls is not None and any(self.encode(["a"], ["b"])[0].type_ids):
            inputs.insert(1, "token_type_ids")
        config.setdefault("model_input_names", inputs)
        (folder / "tokenizer.json").write_text(self._json, encoding="utf-8")
        write_json(folder / "tokenizer_config.json", config)
        write_json(folder / "special_tokens_map.json", named)
        if self.cleaner == SPELLING:
            write_json(folder / USAGE_FILE, self.usage.to_dict())

    def cleaning(self, cleaner: str | None, usage: Usage = NO_USAGE) -> "Tokenizer":
        """The same tokenizer behind another cleaner, or behind none.

        Args:
            cleaner: One of ``CLEANERS``.
            usage: Of words, for the one that puts them right.

        Raises:
            TokenizerError: This version of Mason has no cleaner of that name.
        """
        if cleaner is not None and cleaner not in CLEANERS:
            raise TokenizerError(
                "The model's texts go through the cleaner {name!r}, which this version of Mason "
                "does not know; use a newer version.",
                name=cleaner,
            )
        other = copy.copy(self)
        for derived in ("fingerprint", "_reads"):
            other.__dict__.pop(derived, None)
        other.cleaner, other.usage = cleaner, usage
        return other

    def _clean(self, texts: Sequence[str]) -> list[Cleaned] | None:
        """Texts as they are read; None: just as they are."""
        return None if self._reads is None else list(map(self._reads, texts))

    @cached_property
    def _reads(self) -> Cleaner | None:
        """What ``cleaner`` names."""
        if self.cleaner is None:
            return None
        return CLEANERS[self.cleaner](self.usage)

    @cached_property
    def whole_words(self) -> dict[str, int]:
        """English words that are one token, in small letters, with it; the lowest token first."""
        # As they are: the cleaner may itself ask for these words.
        first = self.cleaning(None).encode_ids(["a"], special=False)[0]
        marked = self.pieces(first)[0].removesuffix("a")  # Ġ or ▁, where spaces are marked
        words: dict[str, int] = {}
        for piece, token in sorted(self.vocabulary().items(), key=lambda item: item[1]):
            word = piece.removeprefix(marked) if piece.startswith(marked) else ""
            if word.isalpha() and word.isascii():
                words.setdefault(word.lower(), token)
        return words

    @cached_property
    def _parsing(self) -> Backend:
        """The backend that lets names of special tokens act; most users never need it."""
        return Backend.from_str(self._json)


def _texts_of(texts: Sequence[str], cleaned: Sequence[Cleaned] | None) -> Sequence[str]:
    return texts if cleaned is None else [one.text for one in cleaned]


def _as_given(encoding: Encoding, sides: tuple[Cleaned, Cleaned]) -> Encoding:
    """``encoding`` with its spans in the texts as they were given."""
    spans = [
        span if part < 0 else sides[part].span(*span)
        for span, part in zip(encoding.spans, encoding.parts, strict=True)
    ]
    return encoding._replace(spans=spans)


def _limit(backend: Backend, max_tokens: int | None) -> None:
    now = backend.truncation
    if max_tokens is None:
        if now is not None:
            backend.no_truncation()
    elif now is None or now["max_length"] != max_tokens:
        backend.enable_truncation(max_tokens, strategy="longest_first")


def _register(backend: Backend, named: Mapping[str, str]) -> None:
    """Make the named tokens special; one the vocabulary lacks goes to its end."""
    known = {token.content for token in backend.get_added_tokens_decoder().values()}
    fresh = [token for token in dict.fromkeys(named.values()) if token not in known]
    backend.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in fresh])


def _guarded(encode: Any, inputs: Sequence[Any], special: bool) -> Any:
    try:
        return encode(inputs, add_special_tokens=special)
    except TypeError:
        for row, texts in enumerate(inputs):
            for text in [texts] if isinstance(texts, str) else texts:
                if any("\ud800" <= c <= "\udfff" for c in text):
                    raise TokenizerError(
                        "Text {row} holds half of a surrogate pair, which is no character; "
                        "read its file as UTF-8.",
                        row=row,
                    ) from None
        raise


def _without_defaults(value: Any) -> Any:
    """``value`` without null and false members, which newer versions of the library add."""
    if isinstance(value, dict):
        return {
            k: _without_defaults(v) for k, v in value.items() if v is not None and v is not False
        }
    return [_without_defaults(v) for v in value] if isinstance(value, list) else value
