"""What a disk may hold after a power cut: a model that forgets all that was not flushed.

The weakest promise POSIX makes (and CrashMonkey and ALICE test against): a file's bytes are safe
after its fsync, a name in a folder after the folder's fsync; whatever else was done is there or
not, each on its own. A rename is there whole or not at all.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.recording import Call

ROOT = 0
Entry = tuple[int, str]
"""A folder's number and a name in it."""


@dataclass
class Node:
    """A file or folder, whatever its names are."""

    is_folder: bool
    now: bytearray = field(default_factory=bytearray)
    safe: bytes = b""


@dataclass(frozen=True)
class Change:
    """Names that a call gave and took, all at once."""

    given: tuple[tuple[Entry, int], ...]
    taken: tuple[Entry, ...]

    @property
    def folders(self) -> set[int]:
        """Whose fsync makes it safe."""
        return {entry[0] for entry, _ in self.given} | {entry[0] for entry in self.taken}


class Disk:
    """Follows the calls of a recording."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes = [Node(is_folder=True)]
        self.names: dict[Entry, int] = {}
        self.safe: dict[Entry, int] = {}
        self.pending: list[Change] = []

    def follow(self, call: Call) -> None:
        """Do what a call did."""
        if call.what == "failed":
            return
        path, other = (self._parts(p) for p in (call.path, call.other))
        match call.what:
            case "create" | "open":
                self._open(path, empty=call.what == "create")
            case "mkdir":
                self._change({self._entry(path): self._new(is_folder=True)}, ())
            case "write" | "cut":
                self._write(self.nodes[self._find(path)].now, call)
            case "sync":
                self._rename_unseen(path)
                self._sync(self._find(path))
            case "unlink" | "rmdir":
                self._change({}, (self._entry(path),))
            case "rename":
                source = self._entry(path)
                self._change({self._entry(other): self.names[source]}, (source,))
            case "exchange":
                one, two = self._entry(path), self._entry(other)
                self._change({one: self.names[two], two: self.names[one]}, ())

    def states(self, chance: random.Random, num_random: int) -> Iterator[tuple[str, "State"]]:
        """What may be found after a power cut now."""
        lost = self._names_after(())
        kept = self._names_after(self.pending)
        yield "nothing that was not flushed", self._state(lost, frozenset())
        yield "names without bytes", self._state(kept, frozenset())
        yield "everything", self._state(kept, frozenset(range(len(self.nodes))))
        for _ in range(num_random):
            changes = [c for c in self.pending if chance.random() < 0.5]
            nodes = frozenset(i for i in range(len(self.nodes)) if chance.random() < 0.5)
            yield "some of it", self._state(self._names_after(changes), nodes)

    def _parts(self, path: str) -> tuple[str, ...]:
        if not path:
            return ()
        return Path(path).relative_to(self.folder).parts

    def _find(self, parts: Sequence[str]) -> int:
        node = ROOT
        for part in parts:
            node = self.names[node, part]
        return node

    def _entry(self, parts: Sequence[str]) -> Entry:
        return self._find(parts[:-1]), parts[-1]

    def _new(self, *, is_folder: bool) -> int:
        self.nodes.append(Node(is_folder))
        return len(self.nodes) - 1

    def _open(self, path: Sequence[str], *, empty: bool) -> None:
        entry = self._entry(path)
        if entry not in self.names:
            self._change({entry: self._new(is_folder=False)}, ())
        elif empty:
            self.nodes[self.names[entry]].now.clear()

    def _rename_unseen(self, path: Sequence[str]) -> None:
        """safetensors renames a finished file by a system call that no library can watch."""
        if path and (entry := self._entry(path)) not in self.names:
            (draft,) = (n for n in self.names if n[0] == entry[0] and n[1].startswith(".tmp"))
            self._change({entry: self.names[draft]}, (draft,))

    def _write(self, content: bytearray, call: Call) -> None:
        if call.what == "cut":
            del content[call.offset :]
            content.extend(bytes(call.offset - len(content)))
            return
        content.extend(bytes(max(0, call.offset - len(content))))
        content[call.offset : call.offset + len(call.data)] = call.data

    def _change(self, given: dict[Entry, int], taken: tuple[Entry, ...]) -> None:
        change = Change(tuple(given.items()), taken)
        _apply(self.names, change)
        self.pending.append(change)

    def _sync(self, node: int) -> None:
        if not self.nodes[node].is_folder:
            self.nodes[node].safe = bytes(self.nodes[node].now)
            return
        for change in [c for c in self.pending if node in c.folders]:
            _apply(self.safe, change)
            self.pending.remove(change)

    def _names_after(self, changes: Iterable[Change]) -> dict[Entry, int]:
        names = dict(self.safe)
        for change in changes:
            _apply(names, change)
        return names

    def _state(self, names: dict[Entry, int], written: frozenset[int]) -> "State":
        """``written``: the files whose bytes arrived although nobody flushed them."""
        folders, files = [], {}

        def look(node: int, place: Path) -> None:
            for (parent, name), child in names.items():
                if parent != node:
                    continue
                if self.nodes[child].is_folder:
                    folders.append(place / name)
                    look(child, place / name)
                else:
                    found = self.nodes[child]
                    files[place / name] = bytes(found.now) if child in written else found.safe

        look(ROOT, Path())
        return State(tuple(folders), files)


@dataclass(frozen=True)
class State:
    """Folders and files with their bytes, by their path under the disk's folder."""

    folders: tuple[Path, ...]
    files: dict[Path, bytes]

    def key(self) -> int:
        """Equal for equal states."""
        return hash((self.folders, frozenset(self.files.items())))

    def write(self, folder: Path) -> None:
        """Make it so in an empty folder."""
        for place in self.folders:
            (folder / place).mkdir(parents=True, exist_ok=True)
        for place, content in self.files.items():
            (folder / place).write_bytes(content)


def _apply(names: dict[Entry, int], change: Change) -> None:
    for entry in change.taken:
        names.pop(entry, None)
    names.update(change.given)
