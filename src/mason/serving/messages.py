"""A request and its reply, as the parts of the server hand them on."""

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Head:
    """What came before the body.

    Attributes:
        method: Such as POST.
        path: Without the query.
        headers: By name in small letters; none comes twice.
        client: The address it came from.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    client: str


@dataclass
class Reply:
    """What goes back; pieces are sent as they come.

    Attributes:
        status: Of HTTP.
        body: All at once, or in pieces.
        kind: The content type.
        headers: More of them.
        usage: Tokens read and written, for the log; counted up while pieces come.
    """

    status: int
    body: bytes | AsyncGenerator[bytes]
    kind: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    usage: dict[str, int] = field(default_factory=dict)


def as_json(content: Any, **more: Any) -> Reply:
    """A reply of JSON."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Reply(200, text.encode(errors="replace"), **more)
