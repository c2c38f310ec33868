"""Files that a command writes: whole, or not at all."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Protocol, TypeVar

from cyclopts import Parameter

from mason.errors import RunError, SettingsError
from mason.language import say

Found = Annotated[
    str | None, Parameter(help=say("A file to write: a page if it ends in .html, else .json."))
]
"""Where what a command found is written, beside what it prints."""
_PAGE = ".html"


class _Told(Protocol):
    def to_dict(self) -> dict[str, Any]: ...


T = TypeVar("T", bound=_Told)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A stream whose content is at ``path`` once the block has ended well.

    Raises:
        RunError: It cannot be written there.
    """
    draft = path.with_name(f".{path.name}.writing")
    try:
        with draft.open("wb") as stream:
            yield stream
        draft.replace(path)
    except OSError as error:
        raise RunError(
            "{path} cannot be written ({reason}); choose another place.",
            path=path,
            reason=error.strerror or error,
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def check_found(output: str | None) -> None:
    """Refuse a name that ``write_found`` does not know, before anything is worked out.

    Raises:
        SettingsError: It is neither a page's nor JSON's, or its folder is not there.
    """
    if output is not None and not Path(output).parent.is_dir():
        raise SettingsError(
            "--output {path}: there is no folder {folder}; make it, or choose another place.",
            path=output,
            folder=Path(output).parent,
        )
    if output is not None and Path(output).suffix.lower() not in (_PAGE, ".json"):
        raise SettingsError(
            "--output {path} is neither a page nor JSON; end its name in .html or .json.",
            path=output,
        )


def write_found(output: str, found: T, page: Callable[[T], str]) -> None:
    """Write what was found, as a page or as JSON, by the file's name; see ``check_found``.

    Raises:
        RunError: It cannot be written there.
    """
    path = Path(output)
    if path.suffix.lower() == _PAGE:
        told = page(found)
    else:
        told = json.dumps(found.to_dict(), ensure_ascii=False) + "\n"
    with whole_file(path) as stream:
        stream.write(told.encode())
