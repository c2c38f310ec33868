"""ELECTRA (Clark et al. 2020, arXiv:2003.10555): a generator and a discriminator.

The generator has the head ``language``, the discriminator ``replaced``: one logit a token,
positive where the generator put another token there.
"""

from mason.models.families.bert import BERT, KEYS
from mason.models.families.family import Family, HeadTable
from mason.models.families.keys import ACTIVATION, Key, like, with_defaults

ELECTRA = Family(
    name="electra",
    prefix="electra.",
    special={"pad_token_id": 0},
    architectures={
        "ElectraModel": (),
        "ElectraForSequenceClassification": ("classification",),
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
        "classification": HeadTable(
            {"pool": "first", "dense": True, "activation": "gelu"},
            {
                "heads.classification.dense": "classifier.dense",
                "heads.classification.output": "classifier.out_proj",
            },
            (
                Key(
                    "classifier_dropout",
                    ("heads.classification.input_dropout", "heads.classification.dropout"),
                    like("hidden_dropout_prob", 0.1),
                ),
            ),
        ),
        "language": HeadTable(
            {"dense": True, "activation": "gelu", "tied": True},
            {
                "heads.language.dense": "generator_predictions.dense",
                "heads.language.norm": "generator_predictions.LayerNorm",
                "heads.language.output.bias": "generator_lm_head.bias",
            },
            (
                Key("embedding_size", "heads.language.dense_width", 128),
                Key("layer_norm_eps", "heads.language.norm.epsilon", 1e-12),
            ),
        ),
        "replaced": HeadTable(
            {"dense": True, "outputs": 1},
            {
                "heads.replaced.dense": "discriminator_predictions.dense",
                "heads.replaced.output": "discriminator_predictions.dense_prediction",
            },
            (Key("hidden_act", "heads.replaced.activation", "gelu", ACTIVATION),),
        ),
    },
    # Read only by transformers' head for multiple choice.
    ignored_keys=frozenset(
        "summary_type summary_use_proj summary_activation summary_last_dropout".split()
    ),
    dropped=BERT.dropped,
    copies={"generator_lm_head.weight": "encoder.embedding.tokens.weight"},
)
