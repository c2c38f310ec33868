"""The tokens that mean something to a model rather than to a reader."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The order in which transformers appends the ones a vocabulary lacks.
ROLES = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")


@dataclass(frozen=True)
class SpecialTokens:
    """The id of each role, or None where the tokenizer has no such token."""

    pad: int | None = None
    unk: int | None = None
    bos: int | None = None
    eos: int | None = None
    cls: int | None = None
    sep: int | None = None
    mask: int | None = None


BERT = {"unk": "[UNK]", "sep": "[SEP]", "pad": "[PAD]", "cls": "[CLS]", "mask": "[MASK]"}
ROBERTA = {"bos": "<s>", "eos": "</s>", "unk": "<unk>", "sep": "</s>"}
ROBERTA |= {"pad": "<pad>", "cls": "<s>", "mask": "<mask>"}
GPT2 = {"bos": "<|endoftext|>", "eos": "<|endoftext|>", "unk": "<|endoftext|>"}
QWEN2 = {role: "<|endoftext|>" for role in ("eos", "unk", "pad")}
T5 = {"eos": "</s>", "unk": "<unk>", "pad": "<pad>"}
ALBERT = BERT | {"bos": "[CLS]", "eos": "[SEP]", "unk": "<unk>", "pad": "<pad>"}

# What transformers assumes for a class of tokenizers whose files name no special tokens.
_BY_CLASS = {
    "Bert": BERT,
    "DistilBert": BERT,
    "Electra": BERT,
    "Roberta": ROBERTA,
    "Bart": ROBERTA,
    "GPT2": GPT2,
    "Qwen2": QWEN2,
    "T5": T5,
    "Albert": ALBERT,
}


def class_name(config: Mapping[str, Any]) -> str:
    """The family of ``tokenizer_class``: "Bert" for BertTokenizer and BertTokenizerFast."""
    return str(config.get("tokenizer_class", "")).removesuffix("Fast").removesuffix("Tokenizer")


def named_tokens(config: Mapping[str, Any]) -> dict[str, str]:
    """The text of the token in each role that ``config``, or its class of tokenizer, fills.

    Args:
        config: the merged tokenizer_config.json and special_tokens_map.json; a token is its
            text, or an object with its text under "content", or null for none.
    """
    found = dict(_BY_CLASS.get(class_name(config), {}))
    for role in ROLES:
        if f"{role}_token" in config:
            text = token_text(config[f"{role}_token"])
            found.pop(role, None)
            if text is not None:
                found[role] = text
    return {role: found[role] for role in ROLES if role in found}


def token_text(value: object) -> str | None:
    """The text of a token as the JSON files spell it; None for none."""
    if isinstance(value, Mapping):
        value = value.get("content")
    return value if isinstance(value, str) else None
