"""Text and tokens: load a model's tokenizer, and hold it against the model."""

from mason.text.contract import (
    InputContract,
    behind_its_cleaner,
    check_contract,
    load_contract,
    save_contract,
)
from mason.text.loading import has_tokenizer, load_tokenizer
from mason.text.special import SpecialTokens
from mason.text.tokenizers import Encoding, Tokenizer

__all__ = [
    "Encoding",
    "InputContract",
    "SpecialTokens",
    "Tokenizer",
    "behind_its_cleaner",
    "check_contract",
    "has_tokenizer",
    "load_contract",
    "load_tokenizer",
    "save_contract",
]
