"""GPT-2 (Radford et al. 2019, *Language Models are Unsupervised Multitask Learners*)."""

from mason.models.families.family import Family
from mason.models.families.heads import ANSWERING, SCORE, language, tagging
from mason.models.families.keys import ACTIVATION, Fixed, Key, Names, times
from mason.models.families.weights import Transpose

LAYER, THEIRS = "decoder.layers.{i}.", ".h.{i}."
CONSTANTS = {
    "decoder.causal": True,
    "decoder.placement": "pre",
    "decoder.final_norm": True,
    "decoder.embedding.positions": "learned",
}
KEYS = (
    Key("vocab_size", "decoder.embedding.vocab_size", 50257),
    Key("initializer_range", "initial_std", 0.02),
    Key("layer_norm_epsilon", "decoder.norm.epsilon", 1e-5),
    Key("activation_function", "decoder.feed_forward.activation", "gelu_new", ACTIVATION),
)
# They belong to a double-headed class that is not listed.
SUMMARIES = frozenset(
    f"summary_{part}" for part in "activation first_dropout proj_to_labels type use_proj".split()
)
HEADS = {
    "language": language(True),
    "classification": SCORE,
    "tagging": tagging(Key("classifier_dropout", "dropout", 0.1)),
    "answering": ANSWERING,
}

GPT2 = Family(
    name="gpt2",
    prefix="transformer.",
    special={"bos_token_id": 50256, "eos_token_id": 50256},
    architectures={
        "GPT2Model": (),
        "GPT2LMHeadModel": ("language",),
        "GPT2ForSequenceClassification": ("classification",),
        "GPT2ForTokenClassification": ("tagging",),
        "GPT2ForQuestionAnswering": ("answering",),
    },
    keys=(
        *KEYS,
        Key("n_embd", "width", 768),
        Key("n_layer", "decoder.depth", 12),
        Key("n_head", "decoder.attention.num_heads", 12),
        Key("n_inner", "decoder.feed_forward.width", times("n_embd", 4, 768)),
        Key("n_positions", "decoder.embedding.num_positions", 1024),
        Key("embd_pdrop", "decoder.embedding.dropout", 0.1),
        Key("attn_pdrop", "decoder.attention.dropout", 0.1),
        Key("resid_pdrop", "decoder.dropout", 0.1),
        Key("scale_attn_weights", "decoder.attention.scale", True, Names({True: None, False: 1.0})),
        Fixed("scale_attn_by_inverse_layer_idx", (False,)),
        Fixed("reorder_and_upcast_attn", (False,)),
        Fixed("add_cross_attention", (False,)),
    ),
    constants=CONSTANTS,
    weights={
        "decoder.embedding.tokens": ".wte",
        "decoder.embedding.positions": ".wpe",
        LAYER + "attention.before": THEIRS + "ln_1",
        LAYER + "attention.block.query_key_value": Transpose(THEIRS + "attn.c_attn"),
        LAYER + "attention.block.output": Transpose(THEIRS + "attn.c_proj"),
        LAYER + "feed_forward.before": THEIRS + "ln_2",
        LAYER + "feed_forward.block.input": Transpose(THEIRS + "mlp.c_fc"),
        LAYER + "feed_forward.block.output": Transpose(THEIRS + "mlp.c_proj"),
        "decoder.norm": ".ln_f",
    },
    heads=HEADS,
    aliases={
        "hidden_size": "n_embd",
        "num_hidden_layers": "n_layer",
        "num_attention_heads": "n_head",
        "max_position_embeddings": "n_positions",
    },
    ignored_keys=SUMMARIES | {"n_ctx"},  # which repeats n_positions
    dropped=("*.attn.bias", "*.attn.masked_bias"),
    copies={"lm_head.weight": "heads.language.output.weight"},
)
