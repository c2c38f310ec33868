"""Files that a command writes: whole, or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mason.errors import RunError


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
