"""Text and tokens: load a model's tokenizer, and hold it against the model."""

from mason.text.loading import load_tokenizer
from mason.text.special import SpecialTokens
from mason.text.tokenizers import Encoding, Tokenizer

__all__ = ["Encoding", "SpecialTokens", "Tokenizer", "load_tokenizer"]
