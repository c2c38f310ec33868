"""What a request is refused with: a status, and OpenAI's object for errors."""

import json
from typing import Any

from mason.errors import DataError, MasonError, RunError

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
"""What OpenAI calls it; 4xx else are invalid requests, 5xx are the server's."""


class Refusal(Exception):  # noqa: N818 - the client's mistake, or nobody's
    """A request is not answered.

    Args:
        status: Of HTTP.
        error: The sentence.
        code: OpenAI's word for it, where there is one.
        param: The field that is wrong.
        headers: More of them, such as Retry-After.
    """

    def __init__(
        self,
        status: int,
        error: MasonError,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(str(error))
        self.status, self.error, self.headers = status, error, headers
        self._code, self._param = code, param

    @property
    def content(self) -> dict[str, Any]:
        """OpenAI's object."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        told = {"message": str(self.error), "type": _TYPES.get(self.status, kind)}
        return {"error": {**told, "param": self._param, "code": self._code}}

    @property
    def body(self) -> bytes:
        """The object as JSON; pure ASCII, whatever the sentence quotes."""
        return json.dumps(self.content).encode()


def bad_request(error: MasonError, param: str | None = None) -> Refusal:
    """Something in the request is wrong."""
    return Refusal(400, error, param=param)


def busy() -> Refusal:
    """All places and the queue are taken."""
    return Refusal(
        429,
        RunError("The server has as much to do as it takes on; try again in a second."),
        code="rate_limit_exceeded",
        headers=(("Retry-After", "1"),),
    )


def stopping() -> Refusal:
    """The server was asked to stop."""
    return Refusal(
        503,
        RunError("The server is stopping; try again when it is back."),
        headers=(("Retry-After", "5"),),
    )


def failed() -> Refusal:
    """A bug of ours; what it was stands in the server's log."""
    return Refusal(500, RunError("Something went wrong in the server; its log says what."))


def too_slow(seconds: float) -> Refusal:
    """An answer took longer than it may."""
    return Refusal(
        504,
        RunError(
            "The answer took more than {seconds:g} seconds; ask for fewer tokens, or try again "
            "when there is less to do.",
            seconds=seconds,
        ),
    )


def out_of_room(length: int, limit: int) -> Refusal:
    """A text is longer than the model reads."""
    return Refusal(
        400,
        DataError(
            "The text has {length} tokens and the model reads {limit}; shorten it.",
            length=length,
            limit=limit,
        ),
        code="context_length_exceeded",
    )
