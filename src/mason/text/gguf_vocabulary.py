"""The tokenizer inside a GGUF file: byte-level BPE, as GPT-2, Llama 3, Qwen 2 and SmolLM use."""

from collections.abc import Mapping
from typing import Any

from tokenizers import AddedToken, decoders, models, processors
from tokenizers import Tokenizer as Backend
from tokenizers.pre_tokenizers import PreTokenizer

from mason.errors import TokenizerError
from mason.text.building import words

_CONTROL, _USER_DEFINED = 3, 4
_ROLES = {
    "bos": "bos_token_id",
    "eos": "eos_token_id",
    "unk": "unknown_token_id",
    "sep": "seperator_token_id",  # so spelled in the format
    "pad": "padding_token_id",
    "cls": "cls_token_id",
    "mask": "mask_token_id",
}


def from_gguf(metadata: Mapping[str, Any]) -> tuple[Backend, dict[str, Any]]:
    """The tokenizer that a GGUF file's ``metadata`` describes, and its settings.

    Raises:
        TokenizerError: it is not byte-level BPE, or its lists do not fit together.
    """
    ggml = {k.removeprefix("tokenizer.ggml."): v for k, v in metadata.items()}
    if ggml.get("model") != "gpt2":
        raise TokenizerError(
            "The GGUF file's vocabulary is of the kind {kind}, and Mason reads only gpt2 there; "
            "put the model's tokenizer.json beside its weights.",
            kind=repr(ggml.get("model")),
        )
    tokens, types = ggml.get("tokens", []), ggml.get("token_type", [])
    ids = {token: i for i, token in enumerate(tokens)}
    if len(ids) < len(tokens) or len(types) not in (0, len(tokens)):
        raise TokenizerError(
            "The GGUF file's vocabulary holds a token twice, or its list of token types is of "
            "another length; fetch the file again."
        )
    before, ignore_merges = _words(ggml)
    merges = [tuple(merge.split(" ", 1)) for merge in ggml.get("merges", [])]
    backend = Backend(models.BPE(ids, merges, ignore_merges=ignore_merges))
    backend.pre_tokenizer = before
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(_tokens(tokens, types, _CONTROL))
    backend.add_tokens(_tokens(tokens, types, _USER_DEFINED))
    config = _settings(metadata, ggml, tokens)
    ends = _ends(ggml, config)
    backend.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), *ends])
    return backend, config


def _words(ggml: Mapping[str, Any]) -> tuple[PreTokenizer, bool]:
    """How words are cut, and whether a word that is in the vocabulary skips the merges."""
    name = str(ggml.get("pre"))
    return words(name), name == "llama-bpe"


def _tokens(tokens: list[str], types: list[int], kind: int) -> list[AddedToken]:
    return [
        AddedToken(token, normalized=False, special=kind == _CONTROL)
        for token, found in zip(tokens, types, strict=False)
        if found == kind
    ]


def _settings(
    metadata: Mapping[str, Any], ggml: Mapping[str, Any], tokens: list[str]
) -> dict[str, Any]:
    """What a tokenizer_config.json would say."""
    config: dict[str, Any] = {
        f"{role}_token": tokens[ggml[key]]
        for role, key in _ROLES.items()
        if type(ggml.get(key)) is int and ggml[key] < len(tokens)
    }
    length = metadata.get(f"{metadata.get('general.architecture')}.context_length")
    if isinstance(length, int):
        config["model_max_length"] = length
    if isinstance(metadata.get("tokenizer.chat_template"), str):
        config["chat_template"] = metadata["tokenizer.chat_template"]
    return config


def _ends(ggml: Mapping[str, Any], config: Mapping[str, Any]) -> list[processors.PostProcessor]:
    """What begins and ends a text: nothing, or the tokens the file asks for.

    llama.cpp begins a text of the llama-bpe kind with its first token unless told not to.
    """
    begin = ggml.get("add_bos_token", ggml.get("pre") == "llama-bpe") and "bos_token" in config
    end = ggml.get("add_eos_token", False) and "eos_token" in config
    if not begin and not end:
        return []
    parts = {"bos": config.get("bos_token"), "eos": config.get("eos_token")}
    used = [parts[role] for role, wanted in (("bos", begin), ("eos", end)) if wanted]

    def side(letter: str, segment: int) -> str:
        first = f"{parts['bos']}:{segment} " if begin else ""
        return first + f"${letter}:{segment}" + (f" {parts['eos']}:{segment}" if end else "")

    ids = [(token, ggml[_ROLES["bos" if token == parts["bos"] else "eos"]]) for token in used]
    return [
        processors.TemplateProcessing(
            single=side("A", 0), pair=f"{side('A', 0)} {side('B', 1)}", special_tokens=ids
        )
    ]
