"""Damaged tokenizers get one sentence each."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mason.errors import CheckpointError, TokenizerError
from mason.text import load_tokenizer

Change = Callable[[dict], object]


def _without_unk(rules: dict) -> None:
    del rules["model"]["vocab"]["[UNK]"]


def _bad_regex(rules: dict) -> None:
    rules["pre_tokenizer"] = {
        "type": "Split",
        "pattern": {"Regex": "(["},
        "behavior": "Isolated",
        "invert": False,
    }


def _bad_charsmap(rules: dict) -> None:
    rules["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": "AAAA"}


def _template_beyond(rules: dict) -> None:
    rules["post_processor"]["special_tokens"]["[SEP]"]["ids"] = [2**31]


def _template_unknown(rules: dict) -> None:
    rules["post_processor"]["single"][-1]["SpecialToken"]["id"] = "[SSEP]"


CHANGES: dict[str, Change] = {
    "no model": lambda rules: rules.pop("model"),
    "unknown model": lambda rules: rules["model"].update(type="Evil"),
    "id is a text": lambda rules: rules["model"]["vocab"].update(hello="7"),
    "id below zero": lambda rules: rules["model"]["vocab"].update(hello=-1),
    "template token has no id": lambda rules: rules["post_processor"].update(special_tokens={}),
    "template id beyond the vocabulary": _template_beyond,
    "template of an unknown token": _template_unknown,
    "unknown version": lambda rules: rules.update(version="9.9"),
    "bad regular expression": _bad_regex,
    "bad character map": _bad_charsmap,
    "no unknown token": _without_unk,
}


SENTENCE = r"The tokenizer in .* cannot be read \(|puts the id 2147483648 around every text"


@pytest.mark.parametrize("name", CHANGES)
def test_a_damaged_tokenizer_json(name: str, small_rules: dict, tmp_path: Path) -> None:
    changed = json.loads(json.dumps(small_rules))
    (tmp_path / "tokenizer.json").write_text(json.dumps(changed))
    assert load_tokenizer(tmp_path).num_tokens == 111
    CHANGES[name](changed)
    (tmp_path / "tokenizer.json").write_text(json.dumps(changed))
    with pytest.raises(TokenizerError, match=SENTENCE) as caught:
        load_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)


FILES: dict[str, tuple[dict[str, bytes], type[Exception], str]] = {
    "nothing": ({}, TokenizerError, "holds no tokenizer Mason can read"),
    "not JSON": ({"tokenizer.json": b"hello"}, TokenizerError, "cannot be read"),
    "nested": ({"tokenizer.json": b'{"a":' * 99_999}, TokenizerError, "cannot be read"),
    "not UTF-8": ({"tokenizer.json": b"\xff\xfe"}, TokenizerError, "cannot be read"),
    "too large": ({"tokenizer.json": b" " * (2**26 + 1)}, TokenizerError, "is larger than"),
    "vocab.txt too large": ({"vocab.txt": b"\n" * (2**26 + 1)}, TokenizerError, "is larger than"),
    "vocab.txt without [CLS]": ({"vocab.txt": b"[UNK]\na\n"}, TokenizerError, "cannot be read"),
    "merges missing": ({"vocab.json": b"{}"}, CheckpointError, "merges.txt is missing"),
    "marian": (
        {"vocab.json": b"{}", "source.spm": b""},
        TokenizerError,
        "class MarianTokenizer has rules",
    ),
    "vocab.json key twice": (
        {"vocab.json": b'{"a":0,"a":1}', "merges.txt": b""},
        CheckpointError,
        "'a' stands twice",
    ),
    "merge of three": (
        {"vocab.json": b'{"a":0}', "merges.txt": b"#version: 0.2\na b c\n"},
        TokenizerError,
        "merges.txt, line 2: a merge is two pieces",
    ),
    "merge unknown": (
        {"vocab.json": b'{"a":0}', "merges.txt": b"a b\n"},
        TokenizerError,
        "cannot be read",
    ),
    "code": (
        {"tokenizer.json": b"{}", "tokenizer_config.json": b'{"auto_map": {}}'},
        CheckpointError,
        "the key 'auto_map' asks for code",
    ),
    "spiece cut short": ({"spiece.model": b"\x0a\xff\xff\x01"}, TokenizerError, "is damaged"),
    "spiece endless": ({"spiece.model": b"\xff" * 99}, TokenizerError, "is damaged"),
    "spiece is text": ({"spiece.model": b"hello world"}, TokenizerError, "spiece.model"),
    "gguf": ({"a.gguf": b"GGUF"}, CheckpointError, "too short"),
}


@pytest.mark.parametrize("name", FILES)
def test_damaged_files(name: str, tmp_path: Path) -> None:
    contents, error, sentence = FILES[name]
    for file, content in contents.items():
        (tmp_path / file).write_bytes(content)
    start = time.perf_counter()
    with pytest.raises(error, match=sentence) as caught:
        load_tokenizer(tmp_path)
    assert time.perf_counter() - start < 2
    assert "\n" not in str(caught.value)


def test_links_lead_nowhere_else(tmp_path: Path, minilm_folder: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "tokenizer.json").symlink_to(minilm_folder / "tokenizer.json")
    with pytest.raises(CheckpointError, match="symbolic link out of its folder"):
        load_tokenizer(folder)


def test_neither_folder_nor_gguf(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match="neither a folder nor a file"):
        load_tokenizer(tmp_path / "absent")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(TokenizerError, match="is not a GGUF file"):
        load_tokenizer(tmp_path / "a.txt")
