"""A table of sixty rows and a model of a few thousand parameters, for documentation to run on."""

import json
from pathlib import Path

PRAISE = ("worth every penny", "works well", "a fine gift", "it lasts for years", "well made")
BLAME = ("it broke at once", "a waste of money", "it never worked", "poorly made", "too loud")
THINGS = ("radio", "kettle", "lamp", "phone", "chair", "clock", "pan", "knife", "bag", "toy")


def write_tables(folder: Path) -> None:
    """Write ``reviews.csv`` (60 rows) and ``test.csv`` (20 rows), disjoint, two labels."""
    rows = [
        (f"The {thing}: {verdict} ({number}).", label)
        for number, thing in enumerate(THINGS)
        for verdicts, label in ((PRAISE, "good"), (BLAME, "bad"))
        for verdict in verdicts[:4]
    ]
    _write(folder / "reviews.csv", rows[:60])
    _write(folder / "test.csv", rows[60:])


def _write(path: Path, rows: list[tuple[str, str]]) -> None:
    lines = ["text,label", *(f'"{text}",{label}' for text, label in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_model(folder: Path) -> Path:
    """Write a BERT folder with random weights and a word-piece tokenizer of its own."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel

    words = sorted({w for v in (*PRAISE, *BLAME, *THINGS) for w in v.split()} | {"the"})
    pieces = [c for c in "abcdefghijklmnopqrstuvwxyz0123456789.,:()'?!"]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    vocabulary += [p for p in (*pieces, *(f"##{p}" for p in pieces)) if p not in vocabulary]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    tokenizer = BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    special |= {"unk_token": "[UNK]", "mask_token": "[MASK]", "model_max_length": 64}
    (folder / "tokenizer_config.json").write_text(json.dumps(special), encoding="utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=34,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=46,
        max_position_embeddings=64,
    )
    BertModel(config, add_pooling_layer=True).save_pretrained(folder)
    return folder
