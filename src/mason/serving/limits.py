"""Every bound of the server in one place."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """How much, how many and how long; sizes in bytes, times in seconds."""

    head_bytes: int = 16 * 2**10
    """Request line and headers."""
    body_bytes: int = 10**6
    """Body, counted as it comes."""
    json_depth: int = 32
    """Lists and objects around the innermost value."""
    head_seconds: float = 10.0
    """From a request's first byte to its last header, and from connecting to the first byte."""
    body_seconds: float = 30.0
    """For the whole body."""
    send_seconds: float = 30.0
    """For a client to take what it was sent."""
    idle_seconds: float = 60.0
    """Between two requests on a connection."""
    answer_seconds: float = 600.0
    """From the end of a request to the end of its answer."""
    stop_seconds: float = 30.0
    """For answers that are being written when the server is asked to stop."""
    connections: int = 512
    """Open at once."""
    connections_of_one: int = 256
    """Open at once from one address."""
    waiting: int = 128
    """Answers that wait for a place; one more is refused with 429."""
    running: int = 32
    """Answers that are written at once."""
    running_tokens: int = 65_536
    """Tokens that these may come to fill in the cache, prompts included."""
    new_tokens: int = 4_096
    """Most that one request may ask for."""
    default_new_tokens: int = 512
    """Most where a chat does not say."""
    answers: int = 16
    """Of one request: prompts times ``n``."""
    inputs: int = 256
    """Texts of one request that are read."""
    gather_seconds: float = 0.002
    """For requests to come together in one pass of a model that reads."""
    pass_inputs: int = 256
    """Texts of one such pass."""
