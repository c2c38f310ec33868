"""Every family, topology and head as a small random model: the rows of the parity table.

Sizes are distinct primes where the architecture allows it, so that no two axes can be
swapped unseen. A family without rows here must not be listed in ``families/``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """One class of transformers with a small config, and the heads to compare."""

    model: str
    """Name of the class in transformers; its ``config_class`` reads ``config``."""
    config: Mapping[str, Any]
    heads: Mapping[str, str] = field(default_factory=dict)
    """Our head and the name of its output in transformers; none: hidden states only."""
    note: str = ""
    """What sets this row apart from others of the same class."""
    token_types: int = 0
    """Number of token types to give; 0: none are passed."""
    last_token: int | None = None
    """Token every sequence ends with, where transformers pools at it."""

    lost: tuple[str, ...] = ()
    """Weights of the class that no hidden state or head here reads: BERT's unused pooler."""

    @property
    def name(self) -> str:
        """Name of the row."""
        return f"{self.model} ({self.note})" if self.note else self.model


LANGUAGE = {"language": "logits"}
CLASSIFICATION = {"classification": "logits"}

BERT = {
    "vocab_size": 61,
    "hidden_size": 26,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 37,
    "max_position_embeddings": 31,
}
LLAMA = {
    "vocab_size": 61,
    "hidden_size": 30,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 10,
    "intermediate_size": 37,
    "max_position_embeddings": 31,
    "pad_token_id": 0,
}
T5 = {
    "vocab_size": 61,
    "d_model": 23,
    "d_kv": 7,
    "d_ff": 37,
    "num_layers": 3,
    "num_decoder_layers": 2,
    "num_heads": 5,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 13,
}

POOLER = ("pooler.dense.bias", "pooler.dense.weight")

CASES = (
    Case("BertModel", {**BERT, "type_vocab_size": 3}, token_types=3, lost=POOLER),
    Case("BertForMaskedLM", BERT, LANGUAGE, token_types=2),
    Case("BertForSequenceClassification", {**BERT, "num_labels": 5}, CLASSIFICATION, token_types=2),
    Case("BertForNextSentencePrediction", BERT, {"next_sentence": "logits"}, token_types=2),
    Case(
        "BertForPreTraining",
        BERT,
        {"language": "prediction_logits", "next_sentence": "seq_relationship_logits"},
        token_types=2,
    ),
    Case("LlamaModel", LLAMA),
    Case("LlamaForCausalLM", {**LLAMA, "tie_word_embeddings": True}, LANGUAGE, "tied"),
    Case(
        "LlamaForCausalLM", {**LLAMA, "attention_bias": True, "mlp_bias": True}, LANGUAGE, "biases"
    ),
    Case("LlamaForSequenceClassification", {**LLAMA, "num_labels": 5}, CLASSIFICATION),
    Case("T5Model", T5),
    Case("T5ForConditionalGeneration", T5, LANGUAGE, "tied"),
    Case(
        "T5ForConditionalGeneration",
        {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
        LANGUAGE,
        "version 1.1",
    ),
    Case("T5ForSequenceClassification", {**T5, "num_labels": 5}, CLASSIFICATION, last_token=1),
)
