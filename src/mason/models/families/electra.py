"""ELECTRA (Clark et al. 2020, arXiv:2003.10555): a generator and a discriminator.

The generator has the head ``language``, the discriminator ``replaced``: one logit a token,
positive where the generator put another token there.
"""

from mason.models.families.bert import BERT, DROPOUT, KEYS, TAGGING
from mason.models.families.family import Family, HeadTable
from mason.models.families.heads import ANSWERING, dense_classification, masked_language
from mason.models.families.keys import ACTIVATION, Key, with_defaults

ELECTRA = Family(
    name="electra",
    prefix="electra.",
    special={"pad_token_id": 0},
    architectures={
        "ElectraModel": (),
        "ElectraForSequenceClassification": ("classification",),
        "ElectraForTokenClassification": ("tagging",),
        "ElectraForQuestionAnswering": ("answering",),
        "ElectraForMaskedLM": ("language",),
        "ElectraForPreTraining": ("replaced",),
    },
    keys=(
        *with_defaults(KEYS, hidden_size=256, num_attention_heads=4, intermediate_size=1024),
        Key("embedding_size", "encoder.embedding.width", 128),
    ),
    constants=BERT.constants,
    weights={**BERT.weights, "encoder.embedding.project": ".embeddings_project"},
    heads={
        "classification": dense_classification(
            "classifier", "first", activation="gelu", dropout=DROPOUT
        ),
        "tagging": TAGGING,
        "answering": ANSWERING,
        "language": masked_language(
            "generator_predictions.dense",
            "generator_predictions.LayerNorm",
            "generator_lm_head.bias",
            Key("embedding_size", "dense_width", 128),
            Key("layer_norm_eps", "norm.epsilon", 1e-12),
            activation="gelu",
        ),
        "replaced": HeadTable(
            {"dense": True, "outputs": 1},
            {
                "dense": "discriminator_predictions.dense",
                "output": "discriminator_predictions.dense_prediction",
            },
            (Key("hidden_act", "activation", "gelu", ACTIVATION),),
        ),
    },
    # Read only by transformers' head for multiple choice.
    ignored_keys=frozenset(
        "summary_type summary_use_proj summary_activation summary_last_dropout".split()
    ),
    dropped=BERT.dropped,
    copies={"generator_lm_head.weight": "encoder.embedding.tokens.weight"},
)
