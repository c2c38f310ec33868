"""Small tokenizers of each kind, learned here, for tests that must work with all of them."""

from functools import cache

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from mason.text import Tokenizer

TOKENIZERS = ("wordpiece", "bytes", "unigram", "characters")
TEXT = [
    "the cat sat on the mat, didn't it?",
    "a dog ran off with John Smith's hat in New York",
    "Paris is the capital of France. It has 2,102,650 people (2023).",
    "the tar command extracts files; the --list option shows them",
    "我爱北京天安门，天安门上太阳升。",
    "他在上海的复旦大学学习自然语言处理。",
]
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


@cache
def tiny(name: str) -> Tokenizer:
    """The tokenizer of a kind.

    BERT's word pieces, RoBERTa's bytes, SentencePiece's unigrams without a template, or single
    characters.
    """
    backend, trainer = _made(name)
    backend.train_from_iterator(TEXT * 3, trainer)
    first, last = (backend.token_to_id(token) for token in ("[CLS]", "[SEP]"))
    if name == "bytes":
        backend.post_processor = processors.RobertaProcessing(
            ("[SEP]", last), ("[CLS]", first), trim_offsets=True, add_prefix_space=False
        )
    elif name != "unigram":
        backend.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", first), ("[SEP]", last)],
        )
    roles = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]"}
    return Tokenizer(backend, {f"{role}_token": token for role, token in roles.items()})


def _made(name: str) -> tuple[Backend, trainers.Trainer]:
    if name == "bytes":
        backend = Backend(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        return backend, trainers.BpeTrainer(
            vocab_size=400, special_tokens=_SPECIAL, initial_alphabet=alphabet
        )
    if name == "unigram":
        backend = Backend(models.Unigram())
        backend.pre_tokenizer = pre_tokenizers.Metaspace()
        return backend, trainers.UnigramTrainer(
            vocab_size=220, special_tokens=_SPECIAL, unk_token="[UNK]"
        )
    if name == "characters":
        backend = Backend(models.WordLevel(unk_token="[UNK]"))
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split("", "isolated")]
        )
        return backend, trainers.WordLevelTrainer(special_tokens=_SPECIAL)
    backend = Backend(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return backend, trainers.WordPieceTrainer(vocab_size=160, special_tokens=_SPECIAL)
