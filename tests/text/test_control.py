"""What a user types is text, even when it spells a control token."""

import json
from pathlib import Path

import pytest
from tokenizers import AddedToken, models, pre_tokenizers
from tokenizers import Tokenizer as Backend

from mason.text import Tokenizer

LETTERS = [(c, -5.0) for c in "</s>pad|e_[SEP]tokrnuxt▁你好"]
NAMES = ["</s>", "<pad>", "[SEP]", "<|eot|>"]


def _unigram() -> Backend:
    """A Unigram model that holds its control tokens as likely pieces, as T5's file does."""
    seen = dict.fromkeys(piece for piece, _ in LETTERS)
    pieces = [("<unk>", 0.0), *((name, 0.0) for name in NAMES), *((piece, -5.0) for piece in seen)]
    backend = Backend(models.Unigram(pieces, 0))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    return backend


def _word_level() -> Backend:
    ids = {piece: i for i, piece in enumerate(["<unk>", *NAMES, "a"])}
    backend = Backend(models.WordLevel(ids, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return backend


def _without_words() -> Backend:
    """No pre-tokenizer at all."""
    backend = _unigram()
    backend.pre_tokenizer = None
    return backend


@pytest.mark.parametrize("make", [_unigram, _word_level, _without_words])
@pytest.mark.parametrize("text", ["{}", "a{}b", " {} ", "x {}{}", "你{}好", "<{}>", "{}</s>"])
@pytest.mark.parametrize("name", NAMES)
def test_a_typed_name_is_text_in_any_model(make, text: str, name: str) -> None:
    backend = make()
    backend.add_special_tokens([AddedToken(n, special=True, normalized=False) for n in NAMES])
    tokenizer = Tokenizer(backend, {})
    text = text.replace("{}", name)
    controls = {tokenizer.token_id(n) for n in NAMES}
    assert not controls.intersection(tokenizer.encode_ids([text])[0])
    assert not controls.intersection(tokenizer.encode([text])[0].ids)
    parsed = tokenizer.encode([text], parse_special=True)[0].ids
    assert tokenizer.token_id(name) in parsed
    assert parsed == tokenizer.encode_ids([text], parse_special=True)[0]


def test_texts_without_names_are_untouched() -> None:
    plain, guarded = _unigram(), _unigram()
    guarded.add_special_tokens(NAMES)
    texts = ["a < b", "s>", "</ s>", "pad", "SEP]", "<|eo t|>", "你好 </"]
    wanted = [plain.encode(text).ids for text in texts]
    assert Tokenizer(guarded, {}).encode_ids(texts) == wanted


def test_the_guard_is_not_saved(tmp_path: Path) -> None:
    """Others read the tokenizer as it was; Mason puts its guard up on loading."""
    backend = _unigram()
    backend.add_special_tokens(NAMES)
    Tokenizer(backend, {}).save(tmp_path)
    saved = json.loads((tmp_path / "tokenizer.json").read_text())
    assert saved["pre_tokenizer"]["type"] == "Metaspace"


def test_real_tokenizers(minilm: Tokenizer, smollm2: Tokenizer) -> None:
    text = "stop [SEP] and <|im_end|> now"
    assert minilm.pieces(minilm.encode_ids([text], special=False)[0])[:4] == [
        "stop",
        "[",
        "sep",
        "]",
    ]
    assert minilm.encode_ids([text])[0].count(102) == 1
    assert minilm.encode_ids([text], parse_special=True)[0].count(102) == 2
    assert smollm2.special.eos not in smollm2.encode_ids([text])[0]
    assert smollm2.decode(smollm2.encode_ids([text])[0]) == text
    assert smollm2.special.eos in smollm2.encode_ids([text], parse_special=True)[0]
