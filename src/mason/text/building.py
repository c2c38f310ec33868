"""Tokenizers put together from the vocabulary files that older models come with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend

from mason.errors import TokenizerError
from mason.text.special import class_name, named_tokens

# How words are cut before byte-level BPE; llama.cpp names these in tokenizer.ggml.pre.
_LLAMA_3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN_2_WORDS = _LLAMA_3_WORDS.replace(r"\p{N}{1,3}", r"\p{N}")
WORD_PATTERNS = (_LLAMA_3_WORDS, _QWEN_2_WORDS)
"""Patterns of a word; none has a space in it but before its first character."""


def wordpiece(vocabulary: list[str], config: Mapping[str, Any]) -> Backend:
    """BERT's tokenizer (Devlin et al. 2019): cleaning, word by word, then WordPiece."""
    special = named_tokens(config)
    ids = {piece: i for i, piece in enumerate(vocabulary)}
    backend = Backend(models.WordPiece(ids, unk_token=special["unk"]))
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=config.get("tokenize_chinese_chars", True),
        strip_accents=config.get("strip_accents"),
        lowercase=config.get("do_lower_case", True),
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    backend.post_processor = bert_template(ids, special)
    return backend


def bert_template(ids: Mapping[str, int], special: Mapping[str, str]) -> processors.PostProcessor:
    """``[CLS] A [SEP]`` and ``[CLS] A [SEP] B [SEP]``, with B in the second segment."""
    cls, sep = special["cls"], special["sep"]
    return processors.TemplateProcessing(
        single=f"{cls}:0 $A:0 {sep}:0",
        pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
        special_tokens=[(token, ids[token]) for token in (cls, sep)],
    )


def byte_level_bpe(
    ids: dict[str, int], merges: list[tuple[str, str]], config: Mapping[str, Any]
) -> Backend:
    """GPT-2's tokenizer (Radford et al. 2019), with the ends RoBERTa and BART put on it."""
    family = class_name(config)
    prefix_space = bool(config.get("add_prefix_space", False))
    backend = Backend(models.BPE(ids, merges))
    if family == "Qwen2":
        backend.normalizer = normalizers.NFC()
        backend.pre_tokenizer = words("qwen2")
    else:
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    backend.decoder = decoders.ByteLevel()
    if family in ("Roberta", "Bart"):
        special = named_tokens(config)
        backend.post_processor = processors.RobertaProcessing(
            (special["sep"], ids[special["sep"]]),
            (special["cls"], ids[special["cls"]]),
            add_prefix_space=prefix_space,
        )
        backend.add_special_tokens([AddedToken(special["mask"], lstrip=True, special=True)])
    else:
        backend.post_processor = processors.ByteLevel(trim_offsets=True)
    return backend


def words(name: str) -> pre_tokenizers.PreTokenizer:
    """The way to cut words that llama.cpp calls ``name``.

    Raises:
        TokenizerError: Mason does not know it.
    """
    if name == "gpt-2":
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    if name == "smollm":
        return pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        )
    if name in ("llama-bpe", "qwen2"):
        pattern = _LLAMA_3_WORDS if name == "llama-bpe" else _QWEN_2_WORDS
        return pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(pattern), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    raise TokenizerError(
        "The GGUF file cuts words the way {name}, which Mason does not know; put the model's "
        "tokenizer.json beside its weights.",
        name=repr(name),
    )


def lines(path: Path) -> list[str]:
    """The lines of a vocabulary; its pieces may hold every line break but a line feed."""
    text = path.read_bytes().decode("utf-8").replace("\r\n", "\n")
    return text.removesuffix("\n").split("\n")


def read_merges(path: Path) -> list[tuple[str, str]]:
    """The pairs of ``merges.txt``, first merged first.

    Raises:
        TokenizerError: a line is not two pieces with a space between.
    """
    merges = []
    for number, line in enumerate(lines(path), 1):
        if number == 1 and line.startswith("#version"):
            continue
        left, space, right = line.partition(" ")
        if not space or not left or not right or " " in right:
            raise TokenizerError(
                "{file}, line {number}: a merge is two pieces with one space between; fetch the "
                "file again.",
                file=path,
                number=number,
            )
        merges.append((left, right))
    return merges
