"""ModernBERT (Warner et al. 2024, arXiv:2412.13663): local and global layers alternate."""

from mason.models.families.bert import BERT
from mason.models.families.entries import LayerTypes, Rope
from mason.models.families.family import Family, HeadTable
from mason.models.families.keys import ACTIVATION, Code, Fixed, Key, Names

OURS, THEIRS = "encoder.layers.{i}.", ".layers.{i}."
NORMS = ("encoder.norm", "encoder.embedding.norm")
# Half of the window lies to each side, and the row itself is seen too.
WINDOW = Code(lambda width: width // 2 + 1, lambda window: 2 * (window - 1))
TRANSFORM_KEYS = (
    Key("classifier_activation", "activation", "gelu", ACTIVATION),
    Key("classifier_bias", "dense_bias", False),
    Key("norm_eps", "norm.epsilon", 1e-5),
    Key("norm_bias", "norm.bias", False),
)
POOLS = Names({"cls": "first", "mean": "mean"})
DROPOUT = Key("classifier_dropout", "dropout", 0.0)


def transformed(output: str, *keys: Key, outputs: object = None) -> HeadTable:
    """A head behind the dense map and norm that all of this family's share."""
    table = {"dense": "head.dense", "norm": "head.norm", "output": output}
    return HeadTable({"dense": True, "outputs": outputs}, table, (*TRANSFORM_KEYS, *keys))


MODERNBERT = Family(
    name="modernbert",
    prefix="model.",
    special={"pad_token_id": 50283, "bos_token_id": 50281, "eos_token_id": 50282},
    architectures={
        "ModernBertModel": (),
        "ModernBertForSequenceClassification": ("classification",),
        "ModernBertForTokenClassification": ("tagging",),
        "ModernBertForQuestionAnswering": ("answering",),
        "ModernBertForMaskedLM": ("language",),
        "ModernBertForPreTraining": ("language", "next_sentence"),  # ours: read as …ForMaskedLM
    },
    keys=(
        Key("vocab_size", "encoder.embedding.vocab_size", 50368),
        Key("hidden_size", "width", 768),
        Key("intermediate_size", "encoder.feed_forward.width", 1152),
        Key("num_hidden_layers", "encoder.depth", 22),
        Key("num_attention_heads", "encoder.attention.num_heads", 12),
        Key("hidden_activation", "encoder.feed_forward.activation", "gelu", ACTIVATION),
        Key("max_position_embeddings", "encoder.embedding.num_positions", 8192),
        Key("initializer_range", "initial_std", 0.02),
        Key("norm_eps", tuple(f"{norm}.epsilon" for norm in NORMS), 1e-5),
        Key("norm_bias", tuple(f"{norm}.bias" for norm in NORMS), False),
        Key("attention_bias", ("encoder.attention.bias", "encoder.attention.output_bias"), False),
        Key("attention_dropout", "encoder.attention.dropout", 0.0),
        Key("embedding_dropout", "encoder.embedding.dropout", 0.0),
        Key("mlp_bias", "encoder.feed_forward.bias", False),
        Key("mlp_dropout", "encoder.feed_forward.dropout", 0.0),
        Key("local_attention", "encoder.window", 128, WINDOW),
        LayerTypes(lambda c, i: i % c.get("global_attn_every_n_layers", 3) > 0, stack="encoder"),
        Rope(
            "encoder.attention.rotary", 1.6e5, kind="full_attention", old_theta="global_rope_theta"
        ),
        Rope("encoder.local_rotary", kind="sliding_attention", old_theta="local_rope_theta"),
        Fixed("rope_scaling", (None,)),
    ),
    constants={"encoder.placement": "pre", "encoder.first_norm": False}
    | {"encoder.final_norm": True, "encoder.feed_forward.gated": True},
    weights={
        "encoder.embedding.tokens": ".embeddings.tok_embeddings",
        "encoder.embedding.norm": ".embeddings.norm",
        OURS + "attention.before": THEIRS + "attn_norm",
        OURS + "attention.block.query_key_value": THEIRS + "attn.Wqkv",
        OURS + "attention.block.output": THEIRS + "attn.Wo",
        OURS + "feed_forward.before": THEIRS + "mlp_norm",
        OURS + "feed_forward.block.input": THEIRS + "mlp.Wi",
        OURS + "feed_forward.block.output": THEIRS + "mlp.Wo",
        "encoder.norm": ".final_norm",
    },
    heads={
        "classification": transformed(
            "classifier", Key("classifier_pooling", "pool", "cls", POOLS), DROPOUT
        ),
        "tagging": transformed("classifier", DROPOUT, outputs="labels"),
        "answering": transformed("classifier", DROPOUT, outputs=2),
        "language": transformed(
            "decoder", Key("decoder_bias", "bias", True), Key("tie_word_embeddings", "tied", True)
        ),
        "next_sentence": BERT.heads["next_sentence"],
    },
    aliases={"layer_norm_eps": "norm_eps"},
    ignored_keys=frozenset(
        # The first is read by the rule of the layer types; the others do not change a sum.
        """global_attn_every_n_layers cls_token_id deterministic_flash_attn
        initializer_cutoff_factor position_embedding_type reference_compile
        repad_logits_with_grad sparse_prediction sparse_pred_ignore_index""".split()
    ),
    copies={"decoder.weight": "encoder.embedding.tokens.weight"},
)
