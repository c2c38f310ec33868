"""``modelscope:owner/name``: models of the ModelScope hub, over its small public file API.

Two routes are used: the list of a repository's files with their sizes and SHA-256, and
the bytes of one file, which can be resumed. ``MODELSCOPE_ENDPOINT`` points elsewhere;
a folder already in ModelScope's own cache (``MODELSCOPE_CACHE``) is used as it is.
"""

import hashlib
import json
import os
import re
import time
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from mason.errors import SourceError
from mason.sources.archives import safe_path
from mason.sources.cache import cache_folder, entry
from mason.sources.hub import unreachable
from mason.sources.model_files import chosen_files, is_complete

PREFIX = "modelscope:"
ENDPOINT = "https://www.modelscope.cn"
CONNECT_SECONDS = 8
ATTEMPTS = 3

_BLOCK = 1 << 20
_CUT = (OSError, HTTPException)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")


def find_modelscope_model(model: str, *, revision: str | None = None) -> Path:
    """The local folder of ``owner/name``, fetched where it is not cached.

    Args:
        model: ``owner/name``, without the ``modelscope:`` before it.
        revision: a branch or tag; ModelScope's default branch is ``master``.

    Raises:
        SourceError: no network, no such model, unsafe names, or no safe weights.
    """
    if not _ID.fullmatch(model):
        raise SourceError(
            "{name} is not a ModelScope address; write it as modelscope:owner/name.",
            name=PREFIX + model,
        )
    if revision is None and (found := _own_cache(model)):
        return found
    revision = revision or "master"

    def fill(folder: Path) -> dict[str, str]:
        listed = _listing(model, revision)
        for name in chosen_files(model, listed):
            _fetch(model, revision, name, listed[name], folder)
        return {"endpoint": _endpoint()}

    origin = {"modelscope": model, "revision": revision}
    shelf = re.sub(r"[^A-Za-z0-9._-]+", "--", f"{model}@{revision}")
    return entry("modelscope", shelf, origin, fill)


def _own_cache(model: str) -> Path | None:
    base = Path(os.environ.get("MODELSCOPE_CACHE") or Path.home() / ".cache/modelscope/hub")
    owner, name = model.split("/")
    folders = [base / middle / owner / name.replace(".", "___") for middle in ("models", "")]
    return next((folder for folder in folders if is_complete(folder)), None)


def _endpoint() -> str:
    return os.environ.get("MODELSCOPE_ENDPOINT", ENDPOINT).rstrip("/")


def _open(model: str, route: str, query: dict[str, str], start: int = 0) -> IO[bytes]:
    address = f"{_endpoint()}/api/v1/models/{quote(model)}/{route}?{urlencode(query)}"
    if not address.startswith(("https://", "http://")):
        raise SourceError(
            "MODELSCOPE_ENDPOINT is {value}; it must begin with https:// or http://.",
            value=_endpoint(),
        )
    headers = {"User-Agent": "mason"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        opened: IO[bytes] = urlopen(Request(address, headers=headers), timeout=CONNECT_SECONDS)
        return opened
    except HTTPError as error:
        if error.code != 404:
            raise
        raise SourceError(
            "ModelScope has no {name}; check the spelling and the revision.", name=model
        ) from error


def _listing(model: str, revision: str) -> dict[str, dict[str, object]]:
    """The repository's files: name to what the hub says of each (Size, Sha256)."""
    query = {"Revision": revision, "Recursive": "true"}
    try:
        with _open(model, "repo/files", query) as answer:
            files = json.load(answer)["Data"]["Files"]
        listed = {str(file["Path"]): file for file in files if file.get("Type") != "tree"}
    except (*_CUT, ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreachable(PREFIX + model, "MODELSCOPE_ENDPOINT", error) from error
    for name in listed:
        if safe_path(name) is None:
            raise SourceError(
                "{name} lists the file {file}, which would be written outside its folder; "
                "do not use this model.",
                name=PREFIX + model,
                file=repr(name),
            )
    return listed


def _fetch(model: str, revision: str, name: str, facts: dict[str, object], folder: Path) -> None:
    """Fetch one file into the folder, going on after a cut where the last attempt ended.

    The unfinished file lies beside the cache entries, so a killed run can resume it too.
    """
    key = hashlib.sha256(f"{model}@{revision}/{name}@{facts.get('Sha256')}".encode()).hexdigest()
    partial = cache_folder() / "modelscope" / f".part-{key[:24]}"
    for attempt in range(ATTEMPTS):
        try:
            _append(model, revision, name, partial)
            break
        except _CUT as error:
            if attempt + 1 == ATTEMPTS or not partial.exists():
                raise unreachable(PREFIX + model, "MODELSCOPE_ENDPOINT", error) from error
            time.sleep(0.5)
    _check(model, name, facts, partial)
    partial.replace(folder / name)


def _append(model: str, revision: str, name: str, partial: Path) -> None:
    start = partial.stat().st_size if partial.exists() else 0
    query = {"Revision": revision, "FilePath": name}
    try:
        answer = _open(model, "repo", query, start)
    except HTTPError as error:
        if error.code == 416:  # nothing is left to fetch
            return
        raise
    with answer, partial.open("ab") as out:
        if getattr(answer, "status", 200) != 206:
            out.truncate(0)
        while block := answer.read(_BLOCK):
            out.write(block)
        if getattr(answer, "length", 0):
            raise IncompleteRead(b"")


def _check(model: str, name: str, facts: dict[str, object], partial: Path) -> None:
    with partial.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    sized = facts.get("Size") in (None, partial.stat().st_size)
    if sized and facts.get("Sha256") in (None, "", digest):
        return
    partial.unlink()
    raise SourceError(
        "{file} of {name} arrived damaged; try again, or give a local folder.",
        file=name,
        name=PREFIX + model,
    )
