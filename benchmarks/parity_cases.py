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
    heads: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    """Our head and its output in transformers, or those that lie side by side in ours; none:
    hidden states only."""
    note: str = ""
    """What sets this row apart from others of the same class."""
    token_types: int = 0
    """Number of token types to give; 0: none are passed."""
    last_token: int | None = None
    """Token every sequence ends with, where transformers pools at it."""
    unread: tuple[str, ...] = ()
    """Weights that transformers saves but derives or does not use, so that we write none."""
    alone: bool = False
    """Whether transformers' numbers for a sequence depend on the batch it is in and on the
    steps it was read in, so that only sequences read alone and at once can be compared."""

    @property
    def name(self) -> str:
        """Name of the row."""
        return f"{self.model} ({self.note})" if self.note else self.model


OWN = "ModernBertForPreTraining"
"""transformers has no such class; it reads such a folder as one for masked tokens."""

LANGUAGE = {"language": "logits"}
CLASSIFICATION = {"classification": "logits"}
POOLED = {"pooled": "pooler_output"}
TAGGING = {"tagging": "logits"}
ANSWERING = {"answering": ("start_logits", "end_logits")}

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
GPT2 = {
    "vocab_size": 61,
    "n_embd": 26,
    "n_layer": 3,
    "n_head": 2,
    "n_positions": 53,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GPT_NEO = {
    "vocab_size": 61,
    "hidden_size": 26,
    "num_layers": 3,
    "num_heads": 2,
    "attention_types": [[["global", "local"], 1], [["local"], 1]],
    "window_size": 5,
    "max_position_embeddings": 53,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
WINDOWED = {**LLAMA, "sliding_window": 5}
QWEN = {**WINDOWED, "use_sliding_window": True, "max_window_layers": 1}
BART = {
    "vocab_size": 61,
    "d_model": 26,
    "encoder_layers": 3,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 13,
    "encoder_ffn_dim": 37,
    "decoder_ffn_dim": 41,
    "max_position_embeddings": 53,
}
MARIAN = {**BART, "pad_token_id": 60, "decoder_start_token_id": 60, "activation_function": "swish"}
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

SCALINGS: tuple[dict[str, Any], ...] = (
    {"rope_type": "linear", "factor": 3.0},
    {"rope_type": "dynamic", "factor": 3.0},
    {"rope_type": "yarn", "factor": 3.0, "original_max_position_embeddings": 7},
    {
        "rope_type": "llama3",
        "factor": 3.0,
        "original_max_position_embeddings": 7,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
    },
)

CASES = (
    Case("BertModel", {**BERT, "type_vocab_size": 3}, POOLED, token_types=3),
    Case("BertForTokenClassification", {**BERT, "num_labels": 5}, TAGGING, token_types=2),
    Case("BertForQuestionAnswering", BERT, ANSWERING, token_types=2),
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
    Case("RobertaForTokenClassification", {**ROBERTA, "num_labels": 5}, TAGGING),
    Case("RobertaForQuestionAnswering", ROBERTA, ANSWERING),
    Case("RobertaForMaskedLM", {**ROBERTA, "hidden_act": "relu"}, LANGUAGE),
    Case("RobertaForSequenceClassification", {**ROBERTA, "num_labels": 5}, CLASSIFICATION),
    Case("DistilBertModel", DISTILBERT),
    Case("DistilBertForTokenClassification", {**DISTILBERT, "num_labels": 5}, TAGGING),
    Case("DistilBertForQuestionAnswering", DISTILBERT, ANSWERING),
    Case("DistilBertForMaskedLM", {**DISTILBERT, "activation": "relu"}, LANGUAGE),
    Case("DistilBertForSequenceClassification", {**DISTILBERT, "num_labels": 5}, CLASSIFICATION),
    Case("ElectraModel", {**BERT, "embedding_size": 26}, note="one width", token_types=2),
    Case("ElectraForTokenClassification", {**FACTORISED, "num_labels": 5}, TAGGING, token_types=2),
    Case("ElectraForQuestionAnswering", FACTORISED, ANSWERING, token_types=2),
    Case("ElectraForMaskedLM", {**FACTORISED, "hidden_act": "relu"}, LANGUAGE, token_types=2),
    Case("ElectraForPreTraining", FACTORISED, {"replaced": "logits"}, token_types=2),
    Case("ElectraForSequenceClassification", {**FACTORISED, "num_labels": 5}, CLASSIFICATION),
    Case("AlbertModel", FACTORISED, POOLED, token_types=2),
    Case("AlbertForTokenClassification", {**FACTORISED, "num_labels": 5}, TAGGING, token_types=2),
    Case("AlbertForQuestionAnswering", FACTORISED, ANSWERING, token_types=2),
    Case("AlbertForMaskedLM", {**BERT, "embedding_size": 26}, LANGUAGE, note="one width"),
    Case("AlbertForSequenceClassification", {**FACTORISED, "num_labels": 5}, CLASSIFICATION),
    Case(
        "AlbertForPreTraining",
        FACTORISED,
        {"language": "prediction_logits", "sentence_order": "sop_logits"},
        token_types=2,
    ),
    Case("ModernBertModel", {**MODERNBERT, "norm_bias": True}),
    Case("ModernBertForTokenClassification", {**MODERNBERT, "num_labels": 5}, TAGGING),
    Case("ModernBertForQuestionAnswering", MODERNBERT, ANSWERING),
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
    Case("GPT2Model", GPT2),
    Case("GPT2LMHeadModel", GPT2, LANGUAGE, "tied"),
    Case(
        "GPT2LMHeadModel",
        {**GPT2, "n_inner": 37, "scale_attn_weights": False, "tie_word_embeddings": False},
        LANGUAGE,
        "unscaled, not tied",
    ),
    Case("GPT2ForSequenceClassification", {**GPT2, "num_labels": 5}, CLASSIFICATION),
    Case("GPT2ForTokenClassification", {**GPT2, "num_labels": 5}, TAGGING),
    Case("GPT2ForQuestionAnswering", GPT2, ANSWERING),
    Case("GPTNeoModel", GPT_NEO),
    Case("GPTNeoForCausalLM", GPT_NEO, LANGUAGE, "tied"),
    Case(
        "GPTNeoForCausalLM",
        {**GPT_NEO, "intermediate_size": 37, "tie_word_embeddings": False},
        LANGUAGE,
        "not tied",
    ),
    Case("GPTNeoForSequenceClassification", {**GPT_NEO, "num_labels": 5}, CLASSIFICATION),
    Case("GPTNeoForTokenClassification", {**GPT_NEO, "num_labels": 5}, TAGGING),
    Case("GPTNeoForQuestionAnswering", GPT_NEO, ANSWERING),
    Case("LlamaModel", LLAMA),
    Case("LlamaForCausalLM", {**LLAMA, "tie_word_embeddings": True}, LANGUAGE, "tied"),
    Case(
        "LlamaForCausalLM", {**LLAMA, "attention_bias": True, "mlp_bias": True}, LANGUAGE, "biases"
    ),
    Case("LlamaForSequenceClassification", {**LLAMA, "num_labels": 5}, CLASSIFICATION),
    Case("LlamaForTokenClassification", {**LLAMA, "num_labels": 5}, TAGGING),
    Case("LlamaForQuestionAnswering", LLAMA, ANSWERING),
    *(
        Case(
            "LlamaForCausalLM",
            {
                **LLAMA,
                "max_position_embeddings": 7,
                "rope_parameters": {"rope_theta": 1009.0, **scaling},
            },
            LANGUAGE,
            note=scaling["rope_type"],
            alone=scaling["rope_type"] == "dynamic",
        )
        for scaling in SCALINGS
    ),
    Case("MistralModel", WINDOWED),
    Case("MistralForCausalLM", {**WINDOWED, "tie_word_embeddings": True}, LANGUAGE, "tied"),
    Case("MistralForCausalLM", {**LLAMA, "sliding_window": None}, LANGUAGE, "no window"),
    Case("MistralForSequenceClassification", {**WINDOWED, "num_labels": 5}, CLASSIFICATION),
    Case("MistralForTokenClassification", {**WINDOWED, "num_labels": 5}, TAGGING),
    Case("MistralForQuestionAnswering", WINDOWED, ANSWERING),
    Case("Qwen2Model", QWEN),
    Case("Qwen2ForCausalLM", {**LLAMA, "tie_word_embeddings": True}, LANGUAGE, "tied"),
    Case("Qwen2ForCausalLM", QWEN, LANGUAGE, "windows"),
    Case("Qwen2ForSequenceClassification", {**LLAMA, "num_labels": 5}, CLASSIFICATION),
    Case("Qwen2ForTokenClassification", {**QWEN, "num_labels": 5}, TAGGING),
    Case("Qwen2ForQuestionAnswering", QWEN, ANSWERING),
    Case("Qwen3Model", QWEN),
    Case("Qwen3ForCausalLM", {**LLAMA, "tie_word_embeddings": True}, LANGUAGE, "tied"),
    Case("Qwen3ForCausalLM", {**QWEN, "attention_bias": True}, LANGUAGE, "windows, biases"),
    Case("Qwen3ForSequenceClassification", {**LLAMA, "num_labels": 5}, CLASSIFICATION),
    Case("Qwen3ForTokenClassification", {**QWEN, "num_labels": 5}, TAGGING),
    Case("Qwen3ForQuestionAnswering", QWEN, ANSWERING),
    Case("Gemma2Model", {**WINDOWED, "query_pre_attn_scalar": 7}),
    Case("Gemma2ForCausalLM", WINDOWED, LANGUAGE, "tied"),
    Case(
        "Gemma2ForCausalLM",
        {
            **WINDOWED,
            "tie_word_embeddings": False,
            "attention_bias": True,
            "attn_logit_softcapping": None,
            "final_logit_softcapping": None,
            "layer_types": ["full_attention", "sliding_attention", "sliding_attention"],
        },
        LANGUAGE,
        "not tied, not capped",
    ),
    Case("Gemma2ForSequenceClassification", {**WINDOWED, "num_labels": 5}, CLASSIFICATION),
    Case("Gemma2ForTokenClassification", {**WINDOWED, "num_labels": 5}, TAGGING),
    Case("Gemma3TextModel", {**WINDOWED, "sliding_window_pattern": 2}),
    Case(
        "Gemma3ForCausalLM",
        {**WINDOWED, "sliding_window_pattern": 2, "final_logit_softcapping": 2.0},
        LANGUAGE,
        "tied",
    ),
    Case(
        "Gemma3ForCausalLM",
        {**WINDOWED, "sliding_window_pattern": 2, "tie_word_embeddings": False},
        LANGUAGE,
        "not tied",
    ),
    Case("Gemma3TextForSequenceClassification", {**WINDOWED, "num_labels": 5}, CLASSIFICATION),
    Case("T5Model", T5),
    Case("T5ForConditionalGeneration", T5, LANGUAGE, "tied"),
    Case(
        "T5ForConditionalGeneration",
        {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
        LANGUAGE,
        "version 1.1",
    ),
    Case("T5ForSequenceClassification", {**T5, "num_labels": 5}, CLASSIFICATION, last_token=1),
    Case("T5ForTokenClassification", {**T5, "num_labels": 5}, TAGGING),
    Case("T5ForQuestionAnswering", T5, ANSWERING),
    Case("BartModel", BART),
    Case("BartForConditionalGeneration", {**BART, "scale_embedding": True}, LANGUAGE, "tied"),
    Case(
        "BartForConditionalGeneration",
        {**BART, "tie_word_embeddings": False},
        LANGUAGE,
        "not tied",
        unread=("model.shared.weight",),
    ),
    Case("BartForSequenceClassification", {**BART, "num_labels": 5}, CLASSIFICATION, last_token=2),
    Case("BartForQuestionAnswering", BART, ANSWERING),
    Case(
        "MarianModel",
        MARIAN,
        unread=("decoder.embed_positions.weight", "encoder.embed_positions.weight"),
    ),
    Case("MarianMTModel", {**MARIAN, "scale_embedding": True}, LANGUAGE, "tied"),
    Case(
        "MarianMTModel",
        {**MARIAN, "share_encoder_decoder_embeddings": False, "decoder_vocab_size": 67},
        LANGUAGE,
        "two vocabularies",
    ),
)
