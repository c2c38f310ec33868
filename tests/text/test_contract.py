"""A tokenizer and a model are held against each other before the first step."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mason.errors import CheckpointError, TokenizerError
from mason.text import InputContract, Tokenizer, check_contract, load_contract, save_contract

MINE = {"pad": 0, "bos": None, "eos": None, "cls": 101, "sep": 102}


def test_a_model_and_its_own_tokenizer_agree(minilm: Tokenizer) -> None:
    assert check_contract(minilm, vocab_size=30522, max_positions=512, special_in_config=MINE) == []
    more = check_contract(minilm, vocab_size=30592, max_positions=None, special_in_config={})
    assert more == []  # spare rows are usual


def test_a_token_without_a_row_is_named(minilm: Tokenizer) -> None:
    with pytest.raises(TokenizerError) as caught:
        check_contract(minilm, vocab_size=30520, max_positions=512, special_in_config=MINE)
    token = minilm.pieces([30520])[0]
    assert f"The token {token!r} has the id 30520" in str(caught.value)
    assert "30520 rows" in str(caught.value) and "2 of the tokenizer's ids" in str(caught.value)


def test_special_tokens_at_odds(minilm: Tokenizer) -> None:
    sizes = dict(vocab_size=30522, max_positions=512)
    notices = check_contract(minilm, **sizes, special_in_config={"pad": 1})
    assert notices == [
        "config.json says pad_token_id is 1 ('[unused0]'); the tokenizer's 0 ('[PAD]') is used."
    ]
    with pytest.raises(TokenizerError, match=r"mask_token_id is 7 \('\[unused6\]'\), but the tok"):
        check_contract(minilm, **sizes, special_in_config={"mask": 7})
    for id in (30522, -1):
        with pytest.raises(TokenizerError, match=f"eos_token_id is {id}, but the embedding has"):
            check_contract(minilm, **sizes, special_in_config={"eos": id})


def test_a_tokenizer_that_allows_longer_texts_is_told(minilm: Tokenizer) -> None:
    notices = check_contract(minilm, vocab_size=30522, max_positions=128, special_in_config={})
    assert notices == ["The tokenizer allows 512 tokens and the model 128; texts are cut to 128."]


def test_a_contract_is_kept_with_the_model(smollm2: Tokenizer, tmp_path: Path) -> None:
    assert load_contract(tmp_path) is None
    (tmp_path / "mason.json").write_text('{"task": "classification"}')
    assert load_contract(tmp_path) is None
    contract = InputContract.of(smollm2, max_tokens=128, labels=["差", "好"])
    assert contract.special == {"pad": 2, "unk": 0, "bos": 1, "eos": 2}
    assert contract.template is not None and len(contract.template) == 64
    save_contract(tmp_path, contract)
    assert load_contract(tmp_path) == contract
    assert json.loads((tmp_path / "mason.json").read_text())["task"] == "classification"
    contract.check(InputContract.of(smollm2, max_tokens=128, labels=["差", "好"]))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"tokenizer": "0" * 64}, "for tokenizer and is given 0000"),
        ({"special": {"pad": 3}}, "for special and is given {'pad': 3}"),
        ({"template": None}, "for template and is given None"),
        ({"max_tokens": 64}, "with 128 for max_tokens and is given 64"),
        ({"labels": ("b", "a")}, r"with \('a', 'b'\) for labels and is given \('b', 'a'\)"),
    ],
)
def test_what_differs_is_named(change: dict, sentence: str, smollm2: Tokenizer) -> None:
    contract = InputContract.of(smollm2, max_tokens=128, labels=["a", "b"])
    with pytest.raises(TokenizerError, match=sentence):
        contract.check(replace(contract, **change))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"tokenizer": None}, "tokenizer"),
        ({"special": {"pad": "0"}}, "special"),
        ({"max_tokens": True}, "max_tokens"),
        ({"labels": "ab"}, "labels"),
        ({"labels": [1]}, "labels"),
        ({"surplus": 1}, "surplus"),
    ],
)
def test_a_damaged_contract_is_refused(
    change: dict, name: str, minilm: Tokenizer, tmp_path: Path
) -> None:
    values = InputContract.of(minilm).to_dict() | change
    (tmp_path / "mason.json").write_text(json.dumps({"input": values}))
    with pytest.raises(CheckpointError, match=f"mason.json: the member '{name}' of the input"):
        load_contract(tmp_path)
