"""Marian's translation models (Junczys-Dowmunt et al. 2018, arXiv:1804.00344)."""

from mason.models.families.bart import BART, KEYS
from mason.models.families.keys import Fixed, Key, both, like, with_defaults

MARIAN = BART.but(
    name="marian",
    special={
        "pad_token_id": 58100,
        "bos_token_id": None,
        "eos_token_id": 0,
        "decoder_start_token_id": 58100,
    },
    architectures={"MarianModel": (), "MarianMTModel": ("language",)},
    keys=(
        *with_defaults(KEYS, vocab_size=58101),
        Key("decoder_vocab_size", "decoder.embedding.vocab_size", like("vocab_size", 58101)),
        Key("share_encoder_decoder_embeddings", "share_embeddings", True),
        Fixed("normalize_embedding", (None, False)),
        Fixed("static_position_embeddings", (None, True)),
    ),
    constants=dict.fromkeys(both("embedding.positions"), "sinusoidal")
    | dict.fromkeys(both("embedding.position_offset", "embedding.norm.kind")),
    weights={"{stack}.embedding.positions": None, "{stack}.embedding.norm": None},
    heads=dict.fromkeys(("classification", "answering")),
    dropped=(*BART.dropped, "*.embed_positions.weight"),
)
