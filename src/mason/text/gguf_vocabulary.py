"""The tokenizer inside a GGUF file: byte-level BPE, as GPT-2, Llama 3, Qwen 2 and SmolLM use."""

import json
from collections.abc import Mapping
from typing import Any

from tokenizers import AddedToken, decoders, models, processors
from tokenizers import Tokenizer as Backend
from tokenizers.pre_tokenizers import PreTokenizer

from mason.errors import TokenizerError
from mason.text.building import words
from mason.text.tokenizers import Tokenizer

_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5
_WAYS = ("gpt-2", "smollm", "llama-bpe", "qwen2")
"""Names of ways to cut words."""
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


def to_gguf(tokenizer: Tokenizer, num_rows: int) -> dict[str, Any]:
    """What a GGUF file says of a tokenizer; see ``from_gguf``.

    Args:
        tokenizer: Byte-level BPE.
        num_rows: Of the model's embedding; ids without a token are named as unused.

    Raises:
        TokenizerError: It is of another kind, or cuts words in a way without a name.
    """
    rules = tokenizer.rules
    way = next((name for name in _WAYS if _cuts_as(name, rules)), None)
    if rules["model"]["type"] != "BPE" or way is None:
        raise TokenizerError(
            "A GGUF file holds byte-level BPE that cuts words as {known} do, and this tokenizer is "
            "of another kind ({kind}); export a model of the Llama 3, Qwen 2 or SmolLM kind.",
            known=", ".join(_WAYS),
            kind=rules["model"]["type"],
        )
    tokens = [f"[PAD{i}]" for i in range(num_rows)]
    types = [_UNUSED] * num_rows
    for piece, id in rules["model"]["vocab"].items():
        tokens[id], types[id] = piece, _NORMAL
    for added in rules["added_tokens"]:
        tokens[added["id"]] = added["content"]
        types[added["id"]] = _CONTROL if added["special"] else _USER_DEFINED
    merges = [m if isinstance(m, str) else " ".join(m) for m in rules["model"]["merges"]]
    told: dict[str, Any] = {
        "model": "gpt2",
        "pre": way,
        "tokens": tokens,
        "token_type": types,
        "merges": merges,
    }
    special = tokenizer.special
    ids = {key: getattr(special, role) for role, key in _ROLES.items()}
    told |= {key: id for key, id in ids.items() if id is not None}
    around = tokenizer.encode_ids([""])[0]
    told["add_bos_token"] = special.bos is not None and around[:1] == [special.bos]
    told["add_eos_token"] = special.eos is not None and around[-1:] == [special.eos]
    found = {f"tokenizer.ggml.{key}": value for key, value in told.items()}
    template = tokenizer.chat_template
    return found if template is None else found | {"tokenizer.chat_template": template}


def _cuts_as(name: str, rules: Mapping[str, Any]) -> bool:
    plain = Backend(models.BPE())
    plain.pre_tokenizer = words(name)
    asked = json.loads(plain.to_str())["pre_tokenizer"]
    found = rules["pre_tokenizer"]
    normal = (rules["normalizer"] or {}).get("type")
    return bool(found == asked) and normal == ("NFC" if name == "qwen2" else None)
