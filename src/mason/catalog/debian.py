"""Debian's package indexes and files, fetched by the machine's own apt into a state of Mason's.

Container images often tell apt to leave descriptions out (``Acquire::Languages
"none"``). A private configuration, read after the machine's, asks for English, and
private folders take the lists; the machine's own sources are used and its own lists
are left alone.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from mason.errors import SourceError
from mason.language import say
from mason.sources import cache_folder
from mason.sources.cache import entry, sha256

CONFIGURATION = """#clear Acquire::Languages;
Acquire::Languages {{ {languages} }};
Acquire::GzipIndexes "false";
Acquire::Retries "1";
Acquire::http::Timeout "8";
Acquire::https::Timeout "8";
Dir::State::lists "{folder}/lists/";
Dir::Cache "{folder}/cache/";
"""


class Package(NamedTuple):
    """One package of the archive; ``about`` is its description as the index has it."""

    name: str
    source: str
    section: str
    about: str

    @property
    def description(self) -> str:
        """Synopsis and long text in one line."""
        return " ".join(self.paragraphs.split())

    @property
    def paragraphs(self) -> str:
        """The synopsis, then the long text, a line each paragraph and each item of a list."""
        synopsis, *lines = self.about.split("\n")
        paragraphs, new = [f"{synopsis.rstrip('.')}."], True
        for line in lines:
            if line == ".":  # Debian's empty line
                new = True
            elif new or line.startswith(("* ", "- ", "+ ", "o ")):
                paragraphs.append(line)
                new = False
            else:
                paragraphs[-1] += f" {line}"
        return "\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def packages() -> list[Package]:
    """Every described package of the machine's Debian release, by name.

    Raises:
        SourceError: no apt here, or its indexes cannot be fetched.
    """
    return list(_packages(_update() / "lists").values())


def translations(language: str) -> list[tuple[Package, Package]]:
    """Every package whose description is there in English and in another language.

    Args:
        language: As Debian names it, such as ``fr`` or ``zh_CN``.

    Raises:
        SourceError: As for ``packages``.
    """
    folder = _update(language) / "lists"
    there = _packages(folder, language)
    return [(here, there[here.name]) for here in _packages(folder).values() if here.name in there]


def _packages(folder: Path, language: str = "en") -> dict[str, Package]:
    named = language.replace("_", "%5f")  # apt parts the words of a file's name by underscores
    described = {
        (stanza["Package"], stanza["Description-md5"]): stanza.get(f"Description-{language}", "")
        for file in folder.glob(f"*_Translation-{named}")
        for stanza in _stanzas(file)
    }
    found: dict[str, Package] = {}
    for file in sorted(folder.glob("*_Packages"), key=lambda file: -file.stat().st_size):
        for stanza in _stanzas(file):
            name = stanza["Package"]
            text = described.get((name, stanza.get("Description-md5", "")))
            if text and name not in found:
                source = stanza.get("Source", name).split()[0]
                found[name] = Package(name, source, stanza["Section"], text)
    return {name: found[name] for name in sorted(found)}


def unpacked(package: str) -> Path:
    """The files of a package of the machine's release, in Mason's cache, not installed.

    Raises:
        SourceError: no apt here, or the package cannot be fetched.
    """

    def fill(folder: Path) -> dict[str, str]:
        configuration = str(_update() / "apt.conf")
        with tempfile.TemporaryDirectory() as downloads:
            _run("apt-get", "-c", configuration, "-q", "download", package, folder=downloads)
            archive = next(Path(downloads).glob("*.deb"))
            _run("dpkg-deb", "-x", str(archive), str(folder), folder=downloads)
            return {"archive": archive.name, "sha256": sha256(archive)}

    return entry("debian", package, {"package": package}, fill)


def _run(*command: str, folder: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [command[0]]
        raise _unavailable(lines[-1].strip().rstrip("."))


def _update(language: str | None = None) -> Path:
    """The folder of the indexes, brought up to date once a process.

    Args:
        language: Of one more set of descriptions than the English one.
    """
    folder = cache_folder() / (f"apt-{language}" if language else "apt")
    return _updated(folder, language)


@cache
def _updated(folder: Path, language: str | None) -> Path:
    apt = shutil.which("apt-get")
    if apt is None:
        raise _unavailable(say("there is no apt-get on this machine"))
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    languages = " ".join(f'"{name}";' for name in ("en", language) if name)
    configuration = CONFIGURATION.format(folder=folder.resolve(), languages=languages)
    if os.geteuid() == 0:  # apt's own user may not enter the cache of root
        configuration += 'APT::Sandbox::User "root";\n'
    (folder / "apt.conf").write_text(configuration, encoding="utf-8")
    command = [apt, "-c", str(folder / "apt.conf"), "-q", "update"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode or not list((folder / "lists").glob("*_Translation-en")):
        lines = done.stderr.strip().splitlines() or [say("no descriptions")]
        raise _unavailable(lines[-1].strip().rstrip("."))
    return folder


def _unavailable(reason: str) -> SourceError:
    return SourceError(
        "Debian's packages cannot be had here ({reason}); use a machine with Debian or Ubuntu and "
        "a network, or another data set.",
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
