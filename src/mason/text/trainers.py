"""Learning a vocabulary from text, in the four ways the field uses."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple, get_args

from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend
from tokenizers import trainers as library

from mason.errors import TokenizerError
from mason.text.building import bert_template
from mason.text.infilling import NAMES
from mason.text.tokenizers import Tokenizer

Kind = Literal["wordpiece", "bpe", "byte-bpe", "unigram"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_NUM_SENTINELS = 100


class _Way(NamedTuple):
    """One kind of tokenizer before it has learned."""

    special: dict[str, str]
    backend: Callable[[bool], Backend]
    trainer: Callable[..., Any]
    template: Callable[[Backend], Any]


def train_tokenizer(
    texts: Iterable[str],
    *,
    kind: Kind = "wordpiece",
    vocab_size: int = 30_000,
    lowercase: bool = True,
    max_tokens: int | None = 512,
) -> Tokenizer:
    """Learn a vocabulary of ``vocab_size`` pieces, special ones included.

    Args:
        texts: What to learn from; read once.
        kind: ``wordpiece`` (Schuster & Nakajima 2012, as in BERT; Chinese characters stand
            alone), ``bpe`` (Sennrich et al. 2016, with bytes for what is unknown, as in
            Llama 2), ``byte-bpe`` (Radford et al. 2019), ``unigram`` (Kudo 2018, with T5's
            sentinels).
        vocab_size: Pieces; a small corpus may give fewer.
        lowercase: Whether ``wordpiece`` forgets capitals and accents. The others keep both.
        max_tokens: Longest text the model will read, for the files.

    Raises:
        TokenizerError: The vocabulary has no room for characters beside the special pieces,
            or there is no text.
    """
    way = _WAYS[kind]
    special = [*way.special.values(), *_extra(kind)]
    least = len(special) + 256
    if vocab_size < least:
        raise TokenizerError(
            "A vocabulary of {size} pieces has no room for text beside {special} special pieces; "
            "give --vocab-size at least {least}.",
            size=vocab_size,
            special=len(special),
            least=least,
        )
    backend = way.backend(lowercase)
    counted = _Counted(texts)
    backend.train_from_iterator(
        counted, way.trainer(vocab_size=vocab_size, special_tokens=special, show_progress=False)
    )
    if not counted.num:
        raise TokenizerError("There is no text to learn a vocabulary from; name files with text.")
    backend.post_processor = way.template(backend)
    if kind != "wordpiece":
        mask = way.special.get("mask")
        if mask:
            backend.add_special_tokens([AddedToken(mask, lstrip=True, special=True)])
    config: dict[str, Any] = {f"{role}_token": token for role, token in way.special.items()}
    config |= {"tokenizer_class": "PreTrainedTokenizerFast"}
    if max_tokens is not None:
        config["model_max_length"] = max_tokens
    if kind == "wordpiece":
        config["do_lower_case"] = lowercase
    # Read back: the scores of pieces lose their last digit to the first reader of the file, and
    # a model must know the tokenizer that will be loaded.
    return Tokenizer(Backend.from_str(backend.to_str()), config)


class _Counted:
    """Texts, counted as they are read; empty ones are left out."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts, self.num = texts, 0

    def __iter__(self) -> Iterator[str]:
        for text in self.texts:
            if text.strip():
                self.num += 1
                yield text


def _extra(kind: Kind) -> list[str]:
    if kind == "unigram":
        return [f"<extra_id_{i}>" for i in range(_NUM_SENTINELS)]
    return list(NAMES) if kind == "byte-bpe" else []


def _wordpiece(lowercase: bool) -> Backend:
    backend = Backend(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=lowercase)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    return backend


def _bpe(lowercase: bool) -> Backend:
    backend = Backend(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Metaspace(), decoders.Fuse()]
    )
    return backend


def _byte_bpe(lowercase: bool) -> Backend:
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return backend


def _unigram(lowercase: bool) -> Backend:
    backend = Backend(models.Unigram())
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    return backend


def _train_bpe(*, special_tokens: list[str], **options: Any) -> Any:
    # The 256 bytes are pieces of their own, for characters the corpus did not have.
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    return library.BpeTrainer(special_tokens=[*special_tokens, *bytes_], **options)


def _train_byte_bpe(**options: Any) -> Any:
    return library.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **options)


def _train_unigram(**options: Any) -> Any:
    return library.UnigramTrainer(unk_token="<unk>", **options)


def _around(first: str | None, last: str) -> Callable[[Backend], Any]:
    def template(backend: Backend) -> Any:
        opening = f"{first} " if first else ""
        named = [token for token in (first, last) if token]
        return processors.TemplateProcessing(
            single=f"{opening}$A {last}",
            pair=f"{opening}$A {last} $B:0 {last}:0",
            special_tokens=[(token, backend.token_to_id(token)) for token in named],
        )

    return template


_BERT = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
_ROBERTA = {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>", "mask": "<mask>"}
_WAYS: dict[Kind, _Way] = {
    "wordpiece": _Way(
        _BERT,
        _wordpiece,
        library.WordPieceTrainer,
        lambda backend: bert_template(backend.get_vocab(), _BERT),
    ),
    "bpe": _Way(
        {"unk": "<unk>", "bos": "<s>", "eos": "</s>"}, _bpe, _train_bpe, _around("<s>", "</s>")
    ),
    "byte-bpe": _Way(_ROBERTA, _byte_bpe, _train_byte_bpe, _around("<s>", "</s>")),
    "unigram": _Way(
        {"pad": "<pad>", "eos": "</s>", "unk": "<unk>"},
        _unigram,
        _train_unigram,
        _around(None, "</s>"),
    ),
}
