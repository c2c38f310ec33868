"""Models and data sets of the Hugging Face hub, the local cache first.

``HF_ENDPOINT`` (a mirror), ``HF_HUB_OFFLINE``, ``HF_HOME`` and a stored login work as
in every tool built on ``huggingface_hub``. One request with a short time-out asks what
the repository holds; without a network that request fails in seconds, and only its
success starts a download.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from mason.errors import SourceError
from mason.sources.model_files import chosen_files, is_complete

CONNECT_SECONDS = 8
DATA_SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".txt")
NOT_DATA = ("dataset_info.json", "dataset_infos.json", "requirements.txt")

Kind = Literal["model", "dataset"]

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_ADDRESS = re.compile(
    rf"(?P<id>{_PART}(/{_PART})?)(/(?P<file>[^:]+\.(gguf|csv|tsv|jsonl?|parquet|txt)))?"
)


def parse(address: str) -> tuple[str, str | None] | None:
    """Split ``owner/name`` or ``owner/name/file`` into id and file; None for other forms."""
    match = _ADDRESS.fullmatch(address)
    return (match["id"], match["file"]) if match and ".." not in address else None


def cached_model(model: str, revision: str | None = None) -> Path | None:
    """A complete folder of the model in the hub's local cache, or None. No network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            model,
            revision=revision,
            local_files_only=True,
            allow_patterns=["config.json", "*.safetensors"],
            ignore_patterns=["*/*"],
        )
    except (LocalEntryNotFoundError, OSError, ValueError):
        return None
    return Path(folder) if is_complete(Path(folder)) else None


def find_hub_model(model: str, file: str | None = None, *, revision: str | None = None) -> Path:
    """The folder of a model, or one GGUF file of it.

    Args:
        model: ``owner/name``, or a plain name such as ``bert-base-uncased``.
        file: one file wanted alone.
        revision: a branch, tag or commit.

    Raises:
        SourceError: no network, no such repository or file, or no safe weights.
    """
    if file is not None:
        return _file("model", model, file, revision)
    if found := cached_model(model, revision):
        return found
    return _folder("model", model, revision, lambda names: chosen_files(model, names))


def find_hub_data(data: str, file: str | None = None) -> Path:
    """The folder of a data set's tables, or the one file where it is one. Never its scripts.

    Raises:
        SourceError: no network, no such repository or file, or no data files.
    """

    def chosen(names: list[str]) -> list[str]:
        kept = [name for name in names if name.endswith(DATA_SUFFIXES)]
        kept = [name for name in kept if name.rsplit("/", 1)[-1] not in NOT_DATA]
        if not kept:
            raise SourceError(
                "The data set {data} holds no csv, jsonl, parquet or text files (scripts are "
                "never run); look for a copy that does.",
                data=data,
            )
        return kept

    if file is not None:
        return _file("dataset", data, file, None)
    folder = _folder("dataset", data, None, chosen)
    files = [found for found in folder.rglob("*") if found.suffix in DATA_SUFFIXES]
    return files[0] if len(files) == 1 else folder


def _file(kind: Kind, name: str, file: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    cached = try_to_load_from_cache(name, file, revision=revision, repo_type=kind)
    if isinstance(cached, str):
        return Path(cached)
    sizes = _listing(kind, name, revision)
    suffix = Path(file).suffix
    if file not in sizes:
        raise SourceError(
            "{name} holds no file {file}; it has {files}.",
            name=name,
            file=file,
            files=", ".join(known for known in sorted(sizes) if Path(known).suffix == suffix),
        )
    _check_room(name, sizes[file])
    with _explained(name):
        return Path(hf_hub_download(name, file, revision=revision, repo_type=kind))


def _folder(
    kind: Kind, name: str, revision: str | None, choose: Callable[[list[str]], list[str]]
) -> Path:
    from huggingface_hub import snapshot_download

    try:
        sizes = _listing(kind, name, revision)
    except SourceError:
        if kind == "dataset" and (cached := _cached_data(name)):
            return cached
        raise
    files = choose(sorted(sizes))
    _check_room(name, sum(sizes[file] for file in files))
    with _explained(name):
        return Path(
            snapshot_download(name, revision=revision, repo_type=kind, allow_patterns=files)
        )


def _cached_data(name: str) -> Path | None:
    """What the cache holds of a data set: used only when the hub cannot be asked."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    patterns = [f"*{suffix}" for suffix in DATA_SUFFIXES]
    try:
        return Path(
            snapshot_download(
                name, repo_type="dataset", local_files_only=True, allow_patterns=patterns
            )
        )
    except (LocalEntryNotFoundError, OSError, ValueError):
        return None


def _listing(kind: Kind, name: str, revision: str | None) -> dict[str, int]:
    """The repository's file names and sizes in bytes."""
    from huggingface_hub import HfApi

    with _explained(name):
        ask = HfApi().model_info if kind == "model" else HfApi().dataset_info
        found = ask(name, revision=revision, timeout=CONNECT_SECONDS, files_metadata=True)
        return {file.rfilename: file.size or 0 for file in found.siblings or ()}


def _check_room(name: str, num_bytes: int) -> None:
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if num_bytes > free:
        raise SourceError(
            "{name} takes {needed:.1f} GB and {folder} has {free:.1f} GB free; free some room or "
            "point HF_HOME at a larger disk.",
            name=name,
            needed=num_bytes / 1e9,
            folder=folder,
            free=free / 1e9,
        )


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn the hub library's exceptions into one sentence each."""
    from huggingface_hub import errors

    try:
        yield
    except SourceError:
        raise
    except errors.RevisionNotFoundError as error:
        raise SourceError(
            "{name} has no such revision; check the revision's name.", name=name
        ) from error
    except errors.GatedRepoError as error:
        raise SourceError(
            "{name} is open only to those who have accepted its terms; accept them on its page, "
            "then log in with `hf auth login`.",
            name=name,
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise SourceError(
            "There is no {name}, neither here nor on the hub; check the spelling, or, if it is "
            "private, log in with `hf auth login`.",
            name=name,
        ) from error
    except Exception as error:
        if not isinstance(error, OSError) and not _from_network(error):
            raise
        raise unreachable(name, "HF_ENDPOINT", error) from error


def _from_network(error: Exception) -> bool:
    """The hub library's transport has changed over time: requests, httpx, httpx2."""
    return type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "requests", "httpcore")


def unreachable(name: str, variable: str, error: Exception) -> SourceError:
    """The error for a hub that cannot be reached, whose address ``variable`` sets."""
    return SourceError(
        "{name} is not here and its hub cannot be reached ({reason}); check the network, set "
        "{variable} to a mirror (in China, for instance), or give a local folder.",
        name=name,
        variable=variable,
        reason=_brief(error),
    )


def _brief(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0].rstrip(".")
    return text if 0 < len(text) <= 120 else type(error).__name__
