"""What a process did to a disk, call by call, as the preloaded faults.c wrote it down."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Call:
    """One call that changed something, or failed to.

    Attributes:
        what: create, open, write, cut, sync, rename, exchange, unlink, rmdir, mkdir, failed.
        offset: Of a write; the new length of a cut.
    """

    what: str
    path: str
    other: str
    offset: int
    data: bytes


def read_calls(log: Path) -> list[Call]:
    """Every call, in order."""
    calls = []
    with log.open("rb") as stream:
        while head := stream.readline():
            what, offset, length = head.decode().split()
            path, other = (stream.readline()[:-1].decode() for _ in range(2))
            calls.append(Call(what, path, other, int(offset), stream.read(int(length))))
    return calls
