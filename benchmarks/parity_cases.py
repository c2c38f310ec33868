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

    @property
    def name(self) -> str:
        """Name of the row."""
        return f"{self.model} ({self.note})" if self.note else self.model


LANGUAGE = {"language": "logits"}
CLASSIFICATION = {"classification": "logits"}
POOLED = {"pooled": "pooler_output"}

BERT = {
    "vocab_size": 61,
    "hidden_size": 26,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 37,
    "max_position_embeddings": 31,
}
ROBERTA = {**BERT, "pad_token_id": 1}
DISTILBERT = {
    "vocab_size": 61,
    "dim": 26,
    "n_layers": 3,
    "n_heads": 2,
    "hidden_dim": 37,
    "max_position_embeddings": 31,
}
FACTORISED = {**BERT, "embedding_size": 19}
MODERNBERT = {
    "vocab_size": 61,
    "hidden_size": 28,
    "num_hidden_layers": 5,
    "num_attention_heads": 2,
    "intermediate_size": 37,
    "max_position_embeddings": 31,
    "local_attention": 6,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "cls_token_id": 1,
    "eos_token_id": 2,
    "sep_token_id": 2,
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

CASES = (
    Case("BertModel", {**BERT, "type_vocab_size": 3}, POOLED, token_types=3),
    Case("BertForMaskedLM", BERT, LANGUAGE, token_types=2),
    Case("BertForSequenceClassification", {**BERT, "num_labels": 5}, CLASSIFICATION, token_types=2),
    Case("BertForNextSentencePrediction", BERT, {"next_sentence": "logits"}, token_types=2),
    Case(
        "BertForPreTraining",
        BERT,
        {"language": "prediction_logits", "next_sentence": "seq_relationship_logits"},
        token_types=2,
    ),
    Case("RobertaModel", ROBERTA, POOLED, token_types=2),
    Case("RobertaForMaskedLM", {**ROBERTA, "hidden_act": "relu"}, LANGUAGE),
    Case("RobertaForSequenceClassification", {**ROBERTA, "num_labels": 5}, CLASSIFICATION),
    Case("DistilBertModel", DISTILBERT),
    Case("DistilBertForMaskedLM", {**DISTILBERT, "activation": "relu"}, LANGUAGE),
    Case("DistilBertForSequenceClassification", {**DISTILBERT, "num_labels": 5}, CLASSIFICATION),
    Case("ElectraModel", {**BERT, "embedding_size": 26}, note="one width", token_types=2),
    Case("ElectraForMaskedLM", {**FACTORISED, "hidden_act": "relu"}, LANGUAGE, token_types=2),
    Case("ElectraForPreTraining", FACTORISED, {"replaced": "logits"}, token_types=2),
    Case("ElectraForSequenceClassification", {**FACTORISED, "num_labels": 5}, CLASSIFICATION),
    Case("AlbertModel", FACTORISED, POOLED, token_types=2),
    Case("AlbertForMaskedLM", {**BERT, "embedding_size": 26}, LANGUAGE, note="one width"),
    Case("AlbertForSequenceClassification", {**FACTORISED, "num_labels": 5}, CLASSIFICATION),
    Case(
        "AlbertForPreTraining",
        FACTORISED,
        {"language": "prediction_logits", "sentence_order": "sop_logits"},
        token_types=2,
    ),
    Case("ModernBertModel", {**MODERNBERT, "norm_bias": True}),
    Case("ModernBertForMaskedLM", MODERNBERT, LANGUAGE),
    Case(
        "ModernBertForMaskedLM",
        {
            **MODERNBERT,
            "attention_bias": True,
            "mlp_bias": True,
            "classifier_bias": True,
            "decoder_bias": False,
            "tie_word_embeddings": False,
            "layer_types": ["sliding_attention", "full_attention", *["sliding_attention"] * 3],
        },
        LANGUAGE,
        note="biases, not tied",
    ),
    Case("ModernBertForSequenceClassification", {**MODERNBERT, "num_labels": 5}, CLASSIFICATION),
    Case(
        "ModernBertForSequenceClassification",
        {**MODERNBERT, "num_labels": 5, "classifier_pooling": "mean"},
        CLASSIFICATION,
        note="mean",
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
