"""Take one file or folder out of a wheel (zip) or source archive (tar), and nothing else.

Archives are untrusted: no absolute or climbing names, no links or devices, no name
twice, and caps on members, bytes and compression ratio, counted while unpacking since
headers can lie (Snyk, "Zip Slip", 2018; Fifield, "A better zip bomb", WOOT 2019).
"""

import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, NamedTuple

from mason.errors import SourceError

MAX_MEMBERS = 200_000
MAX_BYTES = 16 << 30
MAX_RATIO = 100
SMALL_BYTES = 64 << 20
"""Below this size a high compression ratio is no danger: empty-looking files are common."""

_BLOCK = 1 << 20
_DAMAGE: tuple[type[Exception], ...] = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError),
    *(ValueError, IndexError, KeyError, OverflowError, struct.error),  # numbers that lie
)


class _Member(NamedTuple):
    name: PurePosixPath
    regular: bool
    stream: IO[bytes]


def unpack(archive: Path, wanted: str, folder: Path) -> None:
    """Copy the file or folder ``wanted`` of ``archive`` into ``folder``, under its own path.

    Args:
        archive: a ``.whl``, ``.zip`` or tar file; a source archive's one top folder is
            not part of ``wanted``.
        wanted: a relative path with forward slashes; "" is everything.
        folder: an empty folder.

    Raises:
        SourceError: the archive is damaged or unsafe, or holds no ``wanted``.
    """
    prefix, budget, found = PurePosixPath(wanted), _budget(archive), False
    try:
        with ExitStack() as stack:
            for number, member in enumerate(_members(archive, prefix, stack)):
                if number >= MAX_MEMBERS:
                    raise _refused(archive, f"> {MAX_MEMBERS} members")
                if not member.regular:
                    raise _refused(archive, f"{member.name}: link or device")
                budget = _copy(member, folder / member.name, budget, archive)
                found = True
    except _DAMAGE as error:
        raise _refused(archive, " ".join(str(error).split())) from error
    if not found:
        raise SourceError(
            "{archive} holds no {path}; look at its list of files and correct the path.",
            archive=archive.name,
            path=wanted,
        )


def safe_path(name: str) -> PurePosixPath | None:
    """``name`` as a relative path that stays inside its folder, or None where it does not."""
    path = PurePosixPath(name)
    if path.is_absolute() or PureWindowsPath(name).drive or ".." in path.parts:
        return None
    if "\\" in name or "\0" in name:
        return None
    return path


def _refused(archive: Path, reason: str) -> SourceError:
    return SourceError(
        "{archive} is damaged or unsafe to unpack ({reason}); delete it and fetch it again "
        "from a source you trust.",
        archive=archive.name,
        reason=reason,
    )


def _budget(archive: Path) -> int:
    return min(MAX_BYTES, max(SMALL_BYTES, archive.stat().st_size * MAX_RATIO))


def _members(archive: Path, prefix: PurePosixPath, stack: ExitStack) -> Iterator[_Member]:
    if zipfile.is_zipfile(archive):
        yield from _zip_members(stack.enter_context(zipfile.ZipFile(archive)), archive, prefix)
    else:
        yield from _tar_members(stack.enter_context(tarfile.open(archive)), archive, prefix)


def _zip_members(
    opened: zipfile.ZipFile, archive: Path, prefix: PurePosixPath
) -> Iterator[_Member]:
    for info in opened.infolist():
        name = _checked(info.orig_filename, archive)
        if info.is_dir() or not _under(name, prefix):
            continue
        mode = stat.S_IFMT(info.external_attr >> 16)
        with opened.open(info) as stream:
            yield _Member(name, mode in (0, stat.S_IFREG), stream)


def _tar_members(
    opened: tarfile.TarFile, archive: Path, prefix: PurePosixPath
) -> Iterator[_Member]:
    for info in opened:
        inside = PurePosixPath(*_checked(info.name, archive).parts[1:])
        if info.isdir() or not _under(inside, prefix):
            continue
        tarfile.data_filter(info, "/nowhere")
        stream = opened.extractfile(info) if info.isreg() else None
        if stream is None:
            raise _refused(archive, f"{info.name}: link or device")
        with stream:
            yield _Member(inside, True, stream)


def _checked(name: str, archive: Path) -> PurePosixPath:
    path = safe_path(name)
    if path is None:
        raise _refused(archive, repr(name))
    return path


def _under(name: PurePosixPath, prefix: PurePosixPath) -> bool:
    return name == prefix or prefix in name.parents


def _copy(member: _Member, target: Path, budget: int, archive: Path) -> int:
    """Write one member and return the bytes still allowed after it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as out:
        while block := member.stream.read(_BLOCK):
            budget -= len(block)
            if budget < 0:
                raise _refused(archive, f"> {_budget(archive)} bytes")
            if len(block) > shutil.disk_usage(target.parent).free:
                raise _refused(archive, "disk full")
            out.write(block)
    return budget
