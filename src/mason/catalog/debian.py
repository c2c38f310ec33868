"""Debian's package indexes, fetched by the machine's own apt into a state of Mason's own.

Container images often tell apt to leave descriptions out (``Acquire::Languages
"none"``). A private configuration, read after the machine's, asks for English, and
private folders take the lists; the machine's own sources are used and its own lists
are left alone.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mason.errors import SourceError
from mason.language import say
from mason.sources import cache_folder

CONFIGURATION = """#clear Acquire::Languages;
Acquire::Languages {{ "en"; }};
Acquire::GzipIndexes "false";
Acquire::Retries "1";
Acquire::http::Timeout "8";
Acquire::https::Timeout "8";
Dir::State::lists "{folder}/lists/";
Dir::Cache "{folder}/cache/";
"""


class Package(NamedTuple):
    """One package of the archive; ``description`` is its synopsis and long text in one line."""

    name: str
    source: str
    section: str
    description: str


def packages() -> list[Package]:
    """Every described package of the machine's Debian release, by name.

    Raises:
        SourceError: no apt here, or its indexes cannot be fetched.
    """
    folder = _update()
    described = {
        (stanza["Package"], stanza["Description-md5"]): stanza.get("Description-en", "")
        for file in folder.glob("*_Translation-en")
        for stanza in _stanzas(file)
    }
    found: dict[str, Package] = {}
    for file in sorted(folder.glob("*_Packages"), key=lambda file: -file.stat().st_size):
        for stanza in _stanzas(file):
            name = stanza["Package"]
            text = described.get((name, stanza.get("Description-md5", "")))
            if text and name not in found:
                source = stanza.get("Source", name).split()[0]
                found[name] = Package(name, source, stanza["Section"], _one_line(text))
    return [found[name] for name in sorted(found)]


def _update() -> Path:
    apt = shutil.which("apt-get")
    if apt is None:
        raise _unavailable(say("there is no apt-get on this machine"))
    folder = cache_folder() / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    configuration = CONFIGURATION.format(folder=folder.resolve())
    if os.geteuid() == 0:  # apt's own user may not enter the cache of root
        configuration += 'APT::Sandbox::User "root";\n'
    (folder / "apt.conf").write_text(configuration, encoding="utf-8")
    command = [apt, "-c", str(folder / "apt.conf"), "-q", "update"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode or not list((folder / "lists").glob("*_Translation-en")):
        lines = done.stderr.strip().splitlines() or [say("no descriptions")]
        raise _unavailable(lines[-1].strip().rstrip("."))
    return folder / "lists"


def _unavailable(reason: str) -> SourceError:
    return SourceError(
        "Debian's package descriptions cannot be had here ({reason}); use a machine with "
        "Debian or Ubuntu and a network, or another data set.",
        reason=reason,
    )


def _stanzas(file: Path) -> Iterator[dict[str, str]]:
    """The paragraphs of a Debian control file as field → value, continuation lines kept."""
    stanza: dict[str, str] = {}
    field = ""
    with file.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if line.startswith((" ", "\t")):
                stanza[field] += "\n" + line.strip()
            elif line.strip():
                field, _, value = line.partition(":")
                stanza[field] = value.strip()
            elif stanza:
                yield stanza
                stanza = {}
    if stanza:
        yield stanza


def _one_line(description: str) -> str:
    """Synopsis, full stop, long text; a line with one dot is Debian's empty line."""
    synopsis, *lines = description.split("\n")
    long_text = " ".join(line for line in lines if line != ".")
    return " ".join(f"{synopsis.rstrip('.')}. {long_text}".split())
