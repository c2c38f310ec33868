"""Is it ``results.json`` as the schema has it? If not, one sentence says where."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from mason.errors import DataError
from mason.reports.schema import VERSION, Results


def validate(results: Mapping[str, Any]) -> Results:
    """Check ``results`` against version 1.

    Raises:
        DataError: A key is missing, unknown or of the wrong kind; the sentence names its path.
    """
    version = results.get("version")
    if version is not None and version != VERSION:
        raise DataError(
            "results.json has version {found}, and this Mason reads version {wanted}; "
            "update Mason.",
            found=version,
            wanted=VERSION,
        )
    try:
        return Results.model_validate(dict(results))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise _sentence(path, first["type"], first["input"], first["msg"]) from None


def _sentence(path: str, kind: str, found: object, message: str) -> DataError:
    if kind == "missing":
        return DataError(
            "results.json lacks {path}; write it again with this version of Mason.", path=path
        )
    if kind == "extra_forbidden":
        return DataError(
            "results.json has a key that version 1 does not know: {path}; move it under extras.",
            path=path,
        )
    shown = repr(found)
    return DataError(
        "results.json, {path}: {found} does not belong there ({wanted}); write the file again "
        "with this version of Mason.",
        path=path,
        found=shown if len(shown) <= 60 else shown[:60] + "…",
        wanted=message,
    )
