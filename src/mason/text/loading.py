"""Find a model's tokenizer among its files and read it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, models
from tokenizers import Tokenizer as Backend

from mason.errors import MasonError, TokenizerError
from mason.models.files.config import refuse_code
from mason.models.files.folders import inside
from mason.models.files.gguf import read_gguf
from mason.models.files.strict_json import read_json
from mason.text.building import byte_level_bpe, lines, read_merges, wordpiece
from mason.text.gguf_vocabulary import from_gguf
from mason.text.sentencepiece_file import unigram
from mason.text.special import BERT, class_name
from mason.text.tokenizers import Tokenizer

_MAX_BYTES = 64 * 2**20
_CAPITAL = re.compile(r"[A-Z]\w*$")
# Any of them may have caused the refusal that names them all.
_KNOWN = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model")


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder holds a tokenizer's files."""
    return any((folder / name).exists() for name in _KNOWN)


def load_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a model's folder, or of one GGUF file.

    A folder's tokenizer.json comes first, then vocab.txt (BERT and its kin), vocab.json with
    merges.txt (GPT-2, RoBERTa, BART, Qwen 2), spiece.model (T5, ALBERT), and a GGUF file.

    Raises:
        TokenizerError: there is none, or it cannot be read.
        CheckpointError: a file is unsafe, too large, or not strict JSON.
    """
    if path.is_file():
        return _from_gguf(path)
    if not path.is_dir():
        raise TokenizerError("{path} is neither a folder nor a file; check the name.", path=path)
    names = {p.name for p in path.iterdir()}
    if not has_tokenizer(path):
        files = [name for name in names if name.endswith(".gguf")]
        if len(files) == 1:
            return _from_gguf(inside(path, files[0]))
        raise TokenizerError(
            "{folder} holds no tokenizer Mason can read: no tokenizer.json, vocab.txt, "
            "vocab.json with merges.txt, spiece.model or .gguf file; add the model's "
            "tokenizer.json.",
            folder=path,
        )
    config = _config(path, names)
    with _reading(path):
        backend, config = _build(path, names, config)
        _add_listed(path, names, backend, config)
        return _tried(Tokenizer(backend, config))


def _from_gguf(path: Path) -> Tokenizer:
    if path.suffix != ".gguf":
        raise TokenizerError(
            "{file} is not a GGUF file; name a model's folder or a .gguf file.", file=path
        )
    with _reading(path):
        return _tried(Tokenizer(*from_gguf(read_gguf(path).metadata)))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say in one sentence what the tokenizers library says of damaged files.

    It raises plain ``Exception``, or a Rust panic, which is not even that.
    """
    try:
        yield
    except (MasonError, KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:
        raise TokenizerError(
            "The tokenizer in {path} cannot be read ({reason}); fetch its files again.",
            path=path,
            reason=" ".join(str(error).split()),
        ) from error


def _tried(tokenizer: Tokenizer) -> Tokenizer:
    """``tokenizer``, once it has read a little text: some faults show only then."""
    text = ["a 你 \U0001f9ff"]
    tried = (*tokenizer.encode(text), *tokenizer.encode(text, ["b"]))
    beyond = [id for encoding in tried for id in encoding.ids if id >= tokenizer.num_tokens]
    if beyond:
        raise TokenizerError(
            "The tokenizer puts the id {id} around every text, which none of its {count} tokens "
            "has; fetch its files again.",
            id=beyond[0],
            count=tokenizer.num_tokens,
        )
    return tokenizer


def _build(folder: Path, names: set[str], config: dict[str, Any]) -> tuple[Backend, dict[str, Any]]:
    """The first tokenizer there are files for, and ``config`` with its gaps filled."""
    if "tokenizer.json" in names:
        backend = Backend.from_str(_small(folder, "tokenizer.json").read_text(encoding="utf-8"))
        return backend, _named_as_bert(backend) | config
    if "vocab.txt" in names:
        said = bool(config)
        config = _of_class(config, ("Bert", "DistilBert", "Electra"), "Bert")
        pieces = lines(_small(folder, "vocab.txt"))
        # Google's folders say nothing more: what has capitals was not made of lowered texts.
        config |= {} if said else {"do_lower_case": not any(map(_CAPITAL.match, pieces))}
        return wordpiece(pieces, config), config
    if "source.spm" in names:  # Marian: two vocabularies that vocab.json numbers as one
        config = _of_class({"tokenizer_class": "MarianTokenizer"} | config, (), "")
    if "vocab.json" in names:
        ids = read_json(_small(folder, "vocab.json"), max_bytes=_MAX_BYTES)
        likely = "Roberta" if ids.keys() >= {"<s>", "</s>", "<mask>"} else "GPT2"
        config = _of_class(config, ("GPT2", "Roberta", "Bart", "Qwen2"), likely)
        return byte_level_bpe(ids, read_merges(_small(folder, "merges.txt")), config), config
    return unigram(_small(folder, "spiece.model"), config)


def _named_as_bert(backend: Backend) -> dict[str, Any]:
    """BERT's names for the special tokens of a WordPiece vocabulary, as far as it has them."""
    if not isinstance(backend.model, models.WordPiece):
        return {}
    has = {role: token for role, token in BERT.items() if backend.token_to_id(token) is not None}
    return {f"{role}_token": token for role, token in has.items()}


def _of_class(config: dict[str, Any], classes: tuple[str, ...], likely: str) -> dict[str, Any]:
    """``config`` with a class that these files can make: its own, or the likely one.

    Raises:
        TokenizerError: it names a class with rules of its own.
    """
    name = class_name(config)
    if name in classes:
        return config
    if name not in ("", "PreTrained"):
        raise TokenizerError(
            "The tokenizer class {name} has rules that its vocabulary file does not hold; put "
            "the model's tokenizer.json beside its weights.",
            name=config["tokenizer_class"],
        )
    return config | {"tokenizer_class": f"{likely}Tokenizer"}


def _config(folder: Path, names: set[str]) -> dict[str, Any]:
    """tokenizer_config.json over special_tokens_map.json, with the chat template's own file."""
    config: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if name in names:
            path = inside(folder, name)
            config |= read_json(path)
            refuse_code(config, path)
    if "chat_template.jinja" in names:
        config["chat_template"] = _small(folder, "chat_template.jinja").read_text(encoding="utf-8")
    return config


def _small(folder: Path, name: str) -> Path:
    path = inside(folder, name)
    if path.stat().st_size > _MAX_BYTES:
        raise TokenizerError(
            "{file} is larger than {limit} bytes, more than any tokenizer needs; it is not what "
            "its name says.",
            file=path,
            limit=_MAX_BYTES,
        )
    return path


def _add_listed(folder: Path, names: set[str], backend: Backend, config: dict[str, Any]) -> None:
    """Add the tokens that stand beside the vocabulary, each under the id it is listed with.

    Raises:
        TokenizerError: a token has, or would get, another id than the listed one.
    """
    listed: dict[int, AddedToken] = {}
    if "added_tokens.json" in names:
        for text, id in read_json(inside(folder, "added_tokens.json")).items():
            listed[id] = AddedToken(text, normalized=False, special=False)
    for id, token in config.get("added_tokens_decoder", {}).items():
        flags = {k: v for k, v in token.items() if k != "__type"}
        listed[int(id)] = AddedToken(**flags)
    for id, token in sorted(listed.items()):
        backend.add_tokens([token])
        if backend.token_to_id(token.content) != id:
            raise TokenizerError(
                "The added token {token} is listed with the id {listed} in {folder}, but the "
                "vocabulary gives it {found}; make the files agree.",
                token=repr(token.content),
                listed=id,
                folder=folder,
                found=backend.token_to_id(token.content),
            )
