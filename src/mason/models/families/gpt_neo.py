"""GPT-Neo (Black et al. 2021, doi:10.5281/zenodo.5297715): GPT-3's alternating windows."""

from mason.models.families.family import Family
from mason.models.families.gpt2 import CONSTANTS, HEADS, KEYS, SUMMARIES
from mason.models.families.keys import Code, Each, Key, Names, times
from mason.models.families.weights import concat

LAYER, THEIRS = "decoder.layers.{i}.", ".h.{i}."
KINDS = Each(Names({"global": "full", "local": "local"}))
RUNS = Code(
    # [[["global", "local"], 12]] is those two layers twelve times.
    lambda runs: KINDS.read([kind for run, n in runs for kind in run * n], "attention_types"),
    lambda pattern: [[KINDS.write(pattern), 1]],
)

GPT_NEO = Family(
    name="gpt_neo",
    prefix="transformer.",
    special={"bos_token_id": 50256, "eos_token_id": 50256},
    architectures={
        "GPTNeoModel": (),
        "GPTNeoForCausalLM": ("language",),
        "GPTNeoForSequenceClassification": ("classification",),
        "GPTNeoForTokenClassification": ("tagging",),
        "GPTNeoForQuestionAnswering": ("answering",),
    },
    keys=(
        *KEYS,
        Key("hidden_size", "width", 2048),
        Key("num_layers", "decoder.depth", 24),
        Key("num_heads", "decoder.attention.num_heads", 16),
        Key("intermediate_size", "decoder.feed_forward.width", times("hidden_size", 4, 2048)),
        Key("max_position_embeddings", "decoder.embedding.num_positions", 2048),
        Key("attention_types", "decoder.pattern", [[["global", "local"], 12]], RUNS),
        Key("window_size", "decoder.window", 256),
        Key("embed_dropout", "decoder.embedding.dropout", 0.0),
        Key("attention_dropout", "decoder.attention.dropout", 0.0),
        Key("resid_dropout", "decoder.dropout", 0.0),
    ),
    constants=CONSTANTS
    | {
        "decoder.attention.scale": 1.0,
        "decoder.attention.bias": False,
        "decoder.attention.output_bias": True,
    },
    weights={
        "decoder.embedding.tokens": ".wte",
        "decoder.embedding.positions": ".wpe",
        LAYER + "attention.before": THEIRS + "ln_1",
        LAYER + "attention.block.query_key_value": concat(
            THEIRS + "attn.attention.{}_proj", "q", "k", "v"
        ),
        LAYER + "attention.block.output": THEIRS + "attn.attention.out_proj",
        LAYER + "feed_forward.before": THEIRS + "ln_2",
        LAYER + "feed_forward.block.input": THEIRS + "mlp.c_fc",
        LAYER + "feed_forward.block.output": THEIRS + "mlp.c_proj",
        "decoder.norm": ".ln_f",
    },
    heads=HEADS,
    aliases={"num_hidden_layers": "num_layers", "num_attention_heads": "num_heads"},
    ignored_keys=SUMMARIES | {"attention_layers"},  # which repeats attention_types
    dropped=("*.attn.attention.bias", "*.attn.attention.masked_bias"),
    copies={"lm_head.weight": "heads.language.output.weight"},
)
