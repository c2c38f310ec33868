"""Real tokenizers: the ids of transformers, spans of the text, cuts, saving."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from mason.errors import TokenizerError
from mason.text import Tokenizer, load_tokenizer
from tests.text.conftest import diverse


@pytest.fixture(scope="module")
def minilm_oracle(minilm_folder: Path):
    """transformers' tokenizer, without the parsing of control tokens in texts."""
    return AutoTokenizer.from_pretrained(minilm_folder, split_special_tokens=True)


def test_ids_of_minilm(minilm: Tokenizer, minilm_oracle) -> None:
    texts = diverse(300)
    wanted = minilm_oracle(texts)["input_ids"]
    assert minilm.encode_ids(texts) == wanted
    assert [encoding.ids for encoding in minilm.encode(texts)] == wanted


@pytest.mark.parametrize("max_tokens", [4, 5, 8, 23, 64])
def test_pairs_are_cut_as_transformers_cuts_them(
    max_tokens: int, minilm: Tokenizer, minilm_oracle
) -> None:
    texts = diverse(60)
    pairs = texts[::-1]
    wanted = minilm_oracle(texts, pairs, truncation=True, max_length=max_tokens)
    found = minilm.encode(texts, pairs, max_tokens=max_tokens)
    assert [e.ids for e in found] == wanted["input_ids"]
    assert [e.type_ids for e in found] == wanted["token_type_ids"]
    whole = minilm.encode(texts, pairs)
    assert [e.cut for e in found] == [len(e.ids) > max_tokens for e in whole]
    assert not any(e.cut for e in whole)
    ends = (minilm.special.cls, minilm.special.sep)
    assert all((e.ids[0], e.ids[-1]) == ends and len(e.ids) <= max_tokens for e in found)


def test_spans_and_parts_point_into_the_users_texts(minilm: Tokenizer) -> None:
    text, pair = "Größe 你好 matters", "so does time"
    encoding = minilm.encode([text], [pair])[0]
    read = [
        ("[]" if part < 0 else (text, pair)[part][start:end])
        for (start, end), part in zip(encoding.spans, encoding.parts, strict=True)
    ]
    assert "".join(read) == "[]" + "Größe你好matters" + "[]" + "sodoestime" + "[]"
    assert encoding.type_ids == [
        int(part == 1 or i == len(read) - 1) for i, part in enumerate(encoding.parts)
    ]


def test_padding_and_truncation_in_the_file_are_off(minilm: Tokenizer) -> None:
    """MiniLM's tokenizer.json pads to 128 tokens and cuts there."""
    short, long = minilm.encode(["a", "a " * 999])
    assert len(short.ids) == 3 and len(long.ids) == 1001


def test_limits_do_not_leak_into_the_next_call_or_thread(minilm: Tokenizer) -> None:
    text = "one two three four five six seven"
    limits = [3, 4, 5, 6, 7, 8, None] * 30

    def length(limit: int | None) -> int:
        return len(minilm.encode([text], max_tokens=limit, parse_special=limit == 5)[0].ids)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(length, limits)) == [limit or 9 for limit in limits]
    assert len(minilm.encode_ids([text])[0]) == 9


def test_no_room_for_text_is_refused(minilm: Tokenizer) -> None:
    with pytest.raises(TokenizerError, match="max_tokens is 3, but the special tokens alone are 3"):
        minilm.encode(["a"], ["b"], max_tokens=3)
    assert len(minilm.encode(["a b c"], max_tokens=1, special=False)[0].ids) == 1


def test_half_a_surrogate_pair_is_named(minilm: Tokenizer) -> None:
    with pytest.raises(TokenizerError, match="Text 1 holds half of a surrogate pair"):
        minilm.encode(["fine", "broken \ud83d"])
    with pytest.raises(TokenizerError, match="Text 0 holds half of a surrogate pair"):
        minilm.encode(["fine"], ["broken \ud83d"])
    assert minilm.encode([]) == []


def test_special_tokens_and_sizes(minilm: Tokenizer, smollm2: Tokenizer) -> None:
    assert vars(minilm.special) == dict(
        pad=0, unk=100, bos=None, eos=None, cls=101, sep=102, mask=103
    )
    assert (minilm.num_tokens, minilm.max_tokens) == (30522, 512)
    assert vars(smollm2.special) == dict(pad=2, unk=0, bos=1, eos=2, cls=None, sep=None, mask=None)
    assert (smollm2.num_tokens, smollm2.max_tokens) == (49152, 8192)
    assert smollm2.chat_template and "<|im_start|>" in smollm2.chat_template
    assert minilm.chat_template is None


def test_pieces_and_back(minilm: Tokenizer, smollm2: Tokenizer) -> None:
    ids = minilm.encode_ids(["unaffable"], special=False)[0]
    assert minilm.pieces(ids) == ["una", "##ffa", "##ble"]
    assert minilm.pieces([30522]) == ["#30522"] and minilm.token_id("[MASK]") == 103
    assert minilm.token_id("no such piece") is None
    text = "Grüße, 世界!\n\tx = 1  # 😀"
    ids = smollm2.encode_ids([text])[0]
    assert smollm2.decode(ids) == text
    assert smollm2.decode([*ids, 2]) == text
    assert smollm2.decode([*ids, 2], skip_special=False) == text + "<|im_end|>"


@pytest.mark.slow
def test_ids_of_smollm2_from_gguf(smollm2: Tokenizer, smollm2_file: Path) -> None:
    """transformers reads the same file, but forgets that SmolLM cuts digits off first.

    llama.cpp and the published tokenizer.json cut them, and so does Mason; the two agree on
    all texts without a digit after white space.
    """
    oracle = AutoTokenizer.from_pretrained(
        smollm2_file.parent, gguf_file=smollm2_file.name, split_special_tokens=True
    )
    texts = [text for text in diverse(600) if not re.search(r"\s[\d½²]", text)]
    assert len(texts) > 500
    assert smollm2.encode_ids(texts) == oracle(texts)["input_ids"]
    assert smollm2.pieces(smollm2.encode_ids(["a  12"])[0]) == ["a", "ĠĠ", "1", "2"]


def _reload(tokenizer: Tokenizer, folder: Path):
    tokenizer.save(folder)
    return load_tokenizer(folder), AutoTokenizer.from_pretrained(folder, split_special_tokens=True)


@pytest.mark.parametrize("name", ["minilm", "smollm2"])
def test_saved_tokenizers_give_the_same_ids(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    tokenizer: Tokenizer = request.getfixturevalue(name)
    again, oracle = _reload(tokenizer, tmp_path)
    texts = diverse(200)
    wanted = tokenizer.encode(texts)
    assert again.encode(texts) == wanted
    assert oracle(texts)["input_ids"] == [e.ids for e in wanted]
    pairs = oracle(texts, texts[::-1])
    assert [e.ids for e in tokenizer.encode(texts, texts[::-1])] == pairs["input_ids"]
    assert ("token_type_ids" in pairs) == (name == "minilm")
    assert again.special == tokenizer.special and again.fingerprint == tokenizer.fingerprint
    assert again.max_tokens == tokenizer.max_tokens == oracle.model_max_length
    assert again.chat_template == tokenizer.chat_template == oracle.chat_template
    for role, id in vars(tokenizer.special).items():
        assert getattr(oracle, f"{role}_token_id") == id


def test_no_path_of_somebodys_disk_is_saved(minilm: Tokenizer, tmp_path: Path) -> None:
    tokenizer = Tokenizer(
        minilm._parsing,
        minilm.config | {"vocab_file": "/elsewhere/vocab.txt", "name_or_path": "/b"},
    )
    tokenizer.save(tmp_path)
    saved = (tmp_path / "tokenizer_config.json").read_text()
    assert "/elsewhere" not in saved and '"/b"' not in saved


def test_the_fingerprint_changes_with_what_changes_ids(small_rules: dict, tmp_path: Path) -> None:
    def fingerprint(**changes: object) -> str:
        (tmp_path / "tokenizer.json").write_text(json.dumps(small_rules | changes))
        return load_tokenizer(tmp_path).fingerprint

    plain = fingerprint()
    same = [{"padding": None}, {"truncation": None}, {"decoder": None}]
    assert {fingerprint(**change) for change in same} == {plain}
    vocabulary = dict(small_rules["model"]["vocab"])
    vocabulary["hello"], vocabulary["[unused7]"] = vocabulary["[unused7]"], vocabulary["hello"]
    other = [
        {"normalizer": small_rules["normalizer"] | {"lowercase": False}},
        {"pre_tokenizer": {"type": "Whitespace"}},
        {"post_processor": None},
        {"model": small_rules["model"] | {"vocab": vocabulary}},
    ]
    changed = {fingerprint(**change) for change in other}
    assert len(changed) == 4 and plain not in changed
