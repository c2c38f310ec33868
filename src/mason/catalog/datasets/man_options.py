"""Questions about command-line options, answered by the manual pages of Debian.

"What does the option --list of tar do?" is asked of a text of up to five options' paragraphs;
the answer is the first sentence of the right one, word for word. The questions are built, not
asked by people: figures on them compare with each other, never with those on SQuAD. A tenth of
the packages, by a hash of their name, are for testing; Debian moves, and the figures with it.
"""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

from mason.catalog.dataset import TEST_SHARE, Dataset, Row, hashed_share
from mason.catalog.debian import unpacked
from mason.catalog.roff import Option, options_of
from mason.language import say

PACKAGES = tuple(
    """apt bash binutils-common bind9-dnsutils btrfs-progs bzip2 coreutils cpio curl debhelper
    devscripts diffutils dpkg dpkg-dev e2fsprogs ethtool findutils gawk gdb gettext git-man gpg
    grep gzip iproute2 iptables less logrotate lvm2 make man-db mdadm nmap openssl patch parted
    procps qemu-utils quilt rsync sed sqlite3 strace subversion sudo systemd tar tcpdump
    util-linux valgrind wget xfsprogs xz-utils zip zstd""".split()
)
OPTIONS_A_TEXT = 5
QUESTIONS_A_PACKAGE = 400
_FIRST = re.compile(r".+?[.!](?=\s+[A-Z(]|$)")
_WORDS = range(3, 41)
_LONGEST = 600
"""Characters of a paragraph that are kept, to the end of a sentence."""


def first_sentence(text: str) -> str | None:
    """The first sentence, where it is one of usual length."""
    found = _FIRST.match(text)
    return found[0] if found and len(found[0].split()) in _WORDS else None


def shortened(text: str) -> str:
    """As many whole sentences as fit ``_LONGEST`` characters, at least one."""
    end = text.rfind(". ", 0, _LONGEST)
    return text if len(text) <= _LONGEST else text[: end + 1 if end > 0 else _LONGEST]


def questions_of(command: str, options: list[Option]) -> Iterator[tuple[str, str, str, str]]:
    """Question, text, answer and its first character, for every option of a command."""
    usable = [option for option in options if first_sentence(option.text)]
    for begin in range(0, len(usable), OPTIONS_A_TEXT):
        part = usable[begin : begin + OPTIONS_A_TEXT]
        if len(part) < 3:
            continue
        context, places = "", []
        for option in part:
            context += f"{option.heading}: "
            places.append(len(context))
            context += shortened(option.text) + "\n"
        for option, place in zip(part, places, strict=True):
            answer = first_sentence(option.text) or ""
            if not context.startswith(answer, place):
                continue
            asked = f"What does the option {max(option.names, key=len)} of {command} do?"
            yield asked, context.rstrip(), answer, str(place)


def _rows() -> Iterator[Row]:
    for package in PACKAGES:
        split = "test" if hashed_share(package) < TEST_SHARE else "train"
        left = QUESTIONS_A_PACKAGE
        # Whole texts, chosen by their hash, so that no package outweighs the others.
        texts: dict[str, list[tuple[str, str, str]]] = {}
        for asked, context, answer, start in _questions(package):
            texts.setdefault(context, []).append((asked, answer, start))
        for context in sorted(texts, key=hashed_share):
            for asked, answer, start in dict.fromkeys(texts[context]):
                if left > 0:
                    yield asked, context, answer, start, package, split
                    left -= 1


def _questions(package: str) -> Iterator[tuple[str, str, str, str]]:
    for page in sorted(unpacked(package).glob("usr/share/man/man[18]/*.gz")):
        if not page.is_symlink():
            yield from questions_of(page.name.split(".")[0], list(options_of(_read(page))))


def _read(page: Path) -> str:
    with gzip.open(page, "rt", encoding="utf-8", errors="replace") as stream:
        return stream.read()


DATASET = Dataset(
    name="man-options",
    title=lambda: say("Questions about command-line options, with the manual pages that answer"),
    task="answering",
    language="en",
    citation="the manual pages of Debian, by their many authors",
    licence="that of each program",
    source="debian:man-pages",
    columns=("question", "context", "answer", "answer_start", "package", "split"),
    num_rows=(4_000, 9_000),
    rows=_rows,
    text="context",
    label="answer",
    group="package",
    split="split",
)
