"""Tokenizers from older vocabulary files give the ids of transformers and SentencePiece."""

import json
from pathlib import Path

import pytest
import sentencepiece
import transformers
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers, trainers

from mason.errors import TokenizerError
from mason.text import load_tokenizer
from mason.text.building import words
from mason.text.gguf_vocabulary import from_gguf
from mason.text.tokenizers import Tokenizer
from tests.text.conftest import diverse

WORDS = """the of and hello world cafe café naive naïve train trains mason def return x
你 好 世 界 ，。 ! ? ' , . ##s ##ing ##o ##ef a b d e é ä 😀 1 2 3 ##2 ##3 ( ) : [ ] cls sep
""".split()
BERT = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(WORDS), "\u2028"]


def _bert(folder: Path, config: dict | None = None, newline: str = "\n") -> None:
    (folder / "vocab.txt").write_bytes((newline.join(BERT) + newline).encode())
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"do_lower_case": False},
        {"do_lower_case": True, "strip_accents": False},
        {"do_lower_case": False, "strip_accents": True},
        {"tokenize_chinese_chars": False},
        {"tokenizer_class": "BertTokenizer", "model_max_length": 512},
    ],
)
def test_vocab_txt_is_berts(config: dict, tmp_path: Path) -> None:
    _bert(tmp_path, config)
    tokenizer = load_tokenizer(tmp_path)
    oracle = transformers.BertTokenizerFast.from_pretrained(tmp_path, split_special_tokens=True)
    texts = diverse(200)
    assert tokenizer.encode_ids(texts) == oracle(texts)["input_ids"]
    wanted = oracle(texts, texts[::-1], truncation=True, max_length=17)
    found = tokenizer.encode(texts, texts[::-1], max_tokens=17)
    assert [e.ids for e in found] == wanted["input_ids"]
    assert [e.type_ids for e in found] == wanted["token_type_ids"]
    assert tokenizer.special.mask == BERT.index("[MASK]")
    assert tokenizer.num_tokens == len(BERT)


def test_vocab_txt_of_windows(tmp_path: Path) -> None:
    _bert(tmp_path, newline="\r\n")
    assert load_tokenizer(tmp_path).encode_ids(["hello 世界"]) == [
        [BERT.index(piece) for piece in ("[CLS]", "hello", "世", "界", "[SEP]")]
    ]


def test_a_built_tokenizer_saves_as_tokenizer_json(tmp_path: Path) -> None:
    """Its class is not BertTokenizer then: that one ignores the rules in tokenizer.json."""
    _bert(tmp_path, {"do_lower_case": False})
    tokenizer = load_tokenizer(tmp_path)
    folder = tmp_path / "saved"
    folder.mkdir()
    tokenizer.save(folder)
    oracle = transformers.AutoTokenizer.from_pretrained(folder, split_special_tokens=True)
    texts = diverse(100)
    assert oracle(texts)["input_ids"] == load_tokenizer(folder).encode_ids(texts)
    assert oracle(texts)["input_ids"] == tokenizer.encode_ids(texts)


def test_listed_tokens_keep_their_ids(tmp_path: Path) -> None:
    _bert(tmp_path)
    end = len(BERT)
    (tmp_path / "added_tokens.json").write_text(json.dumps({"[two]": end + 1, "[one]": end}))
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.num_tokens == end + 2
    assert tokenizer.encode_ids(["hello[one]x[two]"], special=False) == [
        [BERT.index("hello"), end, BERT.index("x"), end + 1]
    ]
    (tmp_path / "added_tokens.json").write_text(json.dumps({"[one]": end + 7}))
    with pytest.raises(TokenizerError, match=rf"'\[one\]' is listed with the id {end + 7}"):
        load_tokenizer(tmp_path)


def test_a_named_token_that_is_missing_goes_to_the_end(minilm_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes((minilm_folder / "tokenizer.json").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": {"content": "<end>"}}')
    tokenizer = load_tokenizer(tmp_path)
    assert (tokenizer.special.eos, tokenizer.num_tokens) == (30522, 30523)
    assert tokenizer.special.cls == 101  # a WordPiece vocabulary's own names are known


@pytest.fixture(scope="module")
def bpe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """vocab.json and merges.txt of a small byte-level BPE with all the special tokens."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(diverse(300), trainer)
    folder = tmp_path_factory.mktemp("bpe")
    backend.model.save(str(folder))
    return folder


@pytest.mark.parametrize(
    ("name", "prefix_space"),
    [
        ("GPT2Tokenizer", False),
        ("GPT2Tokenizer", True),
        ("RobertaTokenizer", False),
        ("RobertaTokenizer", True),
        ("BartTokenizer", False),
        ("Qwen2Tokenizer", False),
    ],
)
def test_vocab_json_is_byte_level_bpe(
    name: str, prefix_space: bool, bpe: Path, tmp_path: Path
) -> None:
    config = {"tokenizer_class": name, "add_prefix_space": prefix_space}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    for file in ("vocab.json", "merges.txt"):
        (tmp_path / file).write_bytes((bpe / file).read_bytes())
    tokenizer = load_tokenizer(tmp_path)
    oracle = getattr(transformers, name).from_pretrained(tmp_path, split_special_tokens=True)
    texts = diverse(200)
    assert tokenizer.encode_ids(texts) == oracle(texts)["input_ids"]
    pairs = oracle(texts, texts[::-1])["input_ids"]
    assert [e.ids for e in tokenizer.encode(texts, texts[::-1])] == pairs
    for role, id in vars(tokenizer.special).items():
        assert id == getattr(oracle, f"{role}_token_id"), role
    assert tokenizer.decode(tokenizer.encode_ids(["x 世界 😀"])[0]).strip() == "x 世界 😀"


def test_a_class_with_rules_of_its_own_needs_tokenizer_json(bpe: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "CLIPTokenizer"}')
    (tmp_path / "vocab.json").write_bytes((bpe / "vocab.json").read_bytes())
    with pytest.raises(TokenizerError, match="class CLIPTokenizer has rules"):
        load_tokenizer(tmp_path)


def _gguf(bpe: Path, **more: object) -> dict:
    ids = json.loads((bpe / "vocab.json").read_text())
    tokens = sorted(ids, key=ids.__getitem__)
    return {
        "general.architecture": "llama",
        "llama.context_length": 64,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3] * 6 + [1] * (len(tokens) - 6),
        "tokenizer.ggml.merges": (bpe / "merges.txt").read_text().split("\n")[1:-1],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 2,
        **{f"tokenizer.ggml.{k}": v for k, v in more.items()},
    }


def test_gguf_holds_the_same_tokenizer(bpe: Path) -> None:
    plain = load_tokenizer(bpe)
    texts = diverse(100)
    wanted = plain.encode_ids(texts, special=False)
    tokenizer = Tokenizer(*from_gguf(_gguf(bpe)))
    assert tokenizer.encode_ids(texts) == wanted
    both = Tokenizer(*from_gguf(_gguf(bpe, add_bos_token=True, add_eos_token=True)))
    assert both.encode_ids(texts) == [[0, *ids, 2] for ids in wanted]
    assert both.encode_ids(texts, special=False) == wanted
    start = Tokenizer(*from_gguf(_gguf(bpe, pre="llama-bpe")))
    assert start.encode_ids(["x"])[0][0] == 0  # as llama.cpp does unless told not to


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("gpt-2", ["it", "'s", "ĠX", "123", "Ġ", "Ġ9", "ĊĊ", "Ġy"]),
        ("smollm", ["it", "'s", "ĠX", "1", "2", "3", "ĠĠ", "9", "ĊĊ", "Ġy"]),
        ("llama-bpe", ["it", "'s", "ĠX", "123", "Ġ", "Ġ", "9", "ĊĊ", "Ġy"]),
        ("qwen2", ["it", "'s", "ĠX", "1", "2", "3", "Ġ", "Ġ", "9", "ĊĊ", "Ġy"]),
    ],
)
def test_words_are_cut_as_llama_cpp_cuts_them(name: str, pieces: list[str]) -> None:
    found = [piece for piece, _ in words(name).pre_tokenize_str("it's X123  9\n\n y")]
    assert found == pieces


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model": "llama"}, "of the kind 'llama'"),
        ({"pre": "poro-chat"}, "the way 'poro-chat'"),
        ({"tokens": ["a", "a"]}, "holds a token twice"),
        ({"token_type": [1]}, "of another length"),
    ],
)
def test_a_gguf_vocabulary_that_cannot_be_read(change: dict, sentence: str, bpe: Path) -> None:
    with pytest.raises(TokenizerError, match=sentence):
        from_gguf(_gguf(bpe, **change))


def _train_spm(folder: Path, **options: object) -> sentencepiece.SentencePieceProcessor:
    (folder / "corpus.txt").write_text("\n".join(t.replace("\n", " ") for t in diverse(400)))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"),
        model_prefix=str(folder / "spiece"),
        vocab_size=400,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "spiece.model"))


def test_t5_vocabularies_cut_as_sentencepiece_does(tmp_path: Path) -> None:
    """T5's layout: <pad>, </s>, <unk>, the pieces, then a hundred sentinels.

    Where a mark combines with white space, the tokenizers library cleans otherwise than
    SentencePiece, in transformers as here.
    """
    oracle = _train_spm(tmp_path, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    tokenizer = load_tokenizer(tmp_path)
    texts = [text for text in diverse(500) if "</s>" not in text]
    fast = transformers.T5Tokenizer.from_pretrained(tmp_path, split_special_tokens=True)
    assert tokenizer.encode_ids(texts) == fast(texts)["input_ids"]
    plain = [text for text in texts if "\u0301" not in text]
    assert len(plain) >= 150
    assert tokenizer.encode_ids(plain) == [[*oracle.encode(text), 1] for text in plain]
    assert tokenizer.num_tokens == oracle.get_piece_size() + 100
    assert tokenizer.token_id("<extra_id_0>") == tokenizer.num_tokens - 1
    assert (tokenizer.special.pad, tokenizer.special.eos, tokenizer.special.unk) == (0, 1, 2)
    assert tokenizer.decode(tokenizer.encode_ids(["the of and Mason"])[0]) == "the of and Mason"


def test_albert_vocabularies(tmp_path: Path) -> None:
    _train_spm(
        tmp_path,
        pad_id=0,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        control_symbols=["[CLS]", "[SEP]"],
        user_defined_symbols=["[MASK]"],
    )
    tokenizer = load_tokenizer(tmp_path)
    oracle = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "spiece.model"))
    plain = ["the of and mason", "trains it's", "你好世界"]
    assert tokenizer.encode_ids(plain) == [[2, *oracle.encode(text), 3] for text in plain]
    assert tokenizer.encode_ids(["The OF"]) == tokenizer.encode_ids(["the of"])
    encoding = tokenizer.encode(["the"], ["of"])[0]
    assert encoding.type_ids[0] == 0 and encoding.type_ids[-1] == 1
    assert vars(tokenizer.special)["mask"] == 4


def test_another_sentencepiece_model_is_refused(tmp_path: Path) -> None:
    _train_spm(tmp_path, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, model_type="bpe")
    with pytest.raises(TokenizerError, match="not the vocabulary of a T5 or an ALBERT"):
        load_tokenizer(tmp_path)
