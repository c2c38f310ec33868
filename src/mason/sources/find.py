"""From a name a user typed to a path on this machine.

A model's name is tried as, in this order:

1. a local folder, or a local ``.gguf`` file;
2. ``package:NAME==VERSION/path/inside``, files inside an ordinary Python package, or
   ``npm:NAME@VERSION/path/inside``, inside one of Node's;
3. ``modelscope:owner/name``;
4. a short name of :mod:`mason.sources.aliases`: the hub's local cache, then the package
   that carries the model, then the hub;
5. a hub id, ``owner/name`` or ``bert-base-uncased`` (``hub:`` before it is optional), or
   ``owner/name/file.gguf``: the hub's local cache, then the hub.

Data follow the same order without 3 and 4; what looks like a file name and does not
exist is an error at once, never a question to the hub.
"""

from difflib import get_close_matches
from pathlib import Path

from mason.errors import SourceError
from mason.sources import hub, modelscope, packages
from mason.sources.aliases import ALIASES, Alias

HUB = "hub:"
FILE_SUFFIXES = (*hub.DATA_SUFFIXES, ".gguf", ".safetensors", ".gz", ".zst", ".xlsx")


def find_model(name: str, *, revision: str | None = None) -> Path:
    """The local folder (or ``.gguf`` file) of the model called ``name``.

    Args:
        name: see the module's own words for the forms and their order.
        revision: a branch, tag or commit, for hub ids alone.

    Raises:
        SourceError: the name has no meaning, or what it means cannot be had.
    """
    path = _existing(name)
    if path is not None:
        return _model_path(path)
    if name.startswith(packages.PREFIXES):
        return _model_path(packages.find_package_file(name))
    if name.startswith(modelscope.PREFIX):
        return modelscope.find_modelscope_model(
            name.removeprefix(modelscope.PREFIX), revision=revision
        )
    if name in ALIASES and revision is None:
        return _aliased(ALIASES[name])
    if name in ALIASES:
        name = ALIASES[name].hub
    address = None if _looks_like_a_path(name) else hub.parse(name.removeprefix(HUB))
    if address is None:
        raise _missing_model(name)
    return hub.find_hub_model(*address, revision=revision)


def find_base(name: str, *, revision: str | None = None) -> Path:
    """The model that a file names, which somebody else may have written.

    Never a package: who writes the file would say what pip or npm fetch, and with a SHA-256 of
    his own even what runs (see ``packages``).

    Raises:
        SourceError: it names a package, or see ``find_model``.
    """
    if name.startswith(packages.PREFIXES):
        raise SourceError(
            "A file names {name} as its model, and a file may name a folder or a hub id alone; "
            "fetch that model yourself, and write its folder there.",
            name=name,
        )
    return find_model(name, revision=revision)


def base_name(name: str) -> str:
    """A model's name as ``find_base`` reads it: where it lies, or its id on a hub."""
    if name.startswith(packages.PREFIXES):
        return str(find_model(name))
    path = _existing(name)
    return name if path is None else str(path.resolve())


def find_data(name: str) -> Path:
    """The local file or folder of the data called ``name``.

    Args:
        name: a path, ``package:…``, ``hub:owner/name``, or ``owner/name`` where no such
            path exists; a file in a hub data set is ``owner/name/file.csv``.

    Raises:
        SourceError: the name has no meaning, or what it means cannot be had.
    """
    path = _existing(name)
    if path is not None:
        return path
    if name.startswith(packages.PREFIXES):
        return packages.find_package_file(name)
    address = None if _looks_like_a_path(name) else hub.parse(name.removeprefix(HUB))
    if address is None or ("/" not in name and not name.startswith(HUB)):
        raise _missing_data(name)
    return hub.find_hub_data(*address)


def _existing(name: str) -> Path | None:
    path = Path(name).expanduser()
    try:
        return path if name and path.exists() else None
    except (OSError, ValueError):  # a name too long, or with a NUL, is no path
        return None


def _model_path(path: Path) -> Path:
    if path.is_file() and path.suffix != ".gguf":
        raise SourceError(
            "{file} is one file of a model; give the folder that holds it.", file=path
        )
    return path


def _aliased(alias: Alias) -> Path:
    if cached := hub.cached_model(alias.hub):
        return cached
    try:
        return packages.find_package_file(alias.package)
    except SourceError:
        return hub.find_hub_model(alias.hub)


def _looks_like_a_path(name: str) -> bool:
    """Hub ids have at most one slash, and no suffix of a file but in a third part."""
    if name.startswith(HUB):
        return False
    parts = name.split("/")
    return name.startswith((".", "/", "~")) or (
        len(parts) < 3 and name.lower().endswith(FILE_SUFFIXES)
    )


def _missing_model(name: str) -> SourceError:
    return SourceError(
        "There is no model {name}; give a local folder or .gguf file, a hub id such as "
        "owner/name, modelscope:owner/name, or package:NAME==VERSION/path.",
        name=name,
    )


def _missing_data(name: str) -> SourceError:
    path = Path(name).expanduser()
    try:
        beside = [file.name for file in path.parent.iterdir()]
    except OSError:
        beside = []
    if near := get_close_matches(path.name, beside, n=1):
        return SourceError(
            "There is no {name}; did you mean {near}?", name=name, near=path.parent / near[0]
        )
    return SourceError(
        "There is no {name}; give a local file or folder, catalog:NAME, hub:owner/name, or "
        "package:NAME==VERSION/path.",
        name=name,
    )
