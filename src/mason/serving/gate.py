"""Who may ask: the right host, no foreign page, the key.

A page in a browser can make requests to any address, 127.0.0.1 included, and by DNS rebinding
even read the answers (CVE-2024-28224). Such requests carry the page's host or origin.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from mason.errors import DataError, SettingsError
from mason.serving.messages import Head
from mason.serving.refusals import Refusal

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
MIN_KEY = 16
"""Characters of a key that nobody guesses."""


@dataclass(frozen=True)
class Gate:
    """What every request is held against, whatever its route.

    Attributes:
        hosts: What the Host header may be, with and without the port.
        key: What ``Authorization: Bearer`` must say; None: everybody on this machine may ask.
    """

    hosts: frozenset[str]
    key: str | None = None

    @classmethod
    def of(
        cls, host: str, port: int, *, key: str | None = None, names: Iterable[str] = ()
    ) -> "Gate":
        """The gate of a server at an address.

        Args:
            host: Where it listens.
            port: Of its own.
            key: What requests must carry.
            names: Hosts beside the address that it is reached by.

        Raises:
            SettingsError: Others could reach it without a key, or the key is guessed.
        """
        if key is None and not is_loopback(host):
            raise SettingsError(
                "{host} can be reached from other machines; give --api-key, or leave --host out.",
                host=host,
            )
        if key is not None and (len(key) < MIN_KEY or not key.isascii() or not key.isprintable()):
            raise SettingsError(
                "The key is guessed too easily; give {count} letters and digits or more, such as "
                "those of `openssl rand -hex 16`.",
                count=MIN_KEY,
            )
        own = f"[{host}]" if ":" in host else host
        known = {name.lower() for name in (own, *LOOPBACK, *names)}
        return cls(frozenset(known | {f"{name}:{port}" for name in known}), key)

    def check(self, head: Head) -> None:
        """Let a request through.

        Raises:
            Refusal: It came by another name, from a page of another origin, or without the key.
        """
        host = head.headers.get("host", "").lower()
        if host not in self.hosts:
            raise Refusal(
                403,
                DataError(
                    "The server does not answer to this Host; name it with --allow-host where "
                    "you start it."
                ),
            )
        origin = head.headers.get("origin")
        foreign = origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}")
        if foreign or head.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            raise Refusal(403, DataError("The server does not answer to pages of other origins."))
        if self.key is not None and not self._has_key(head.headers.get("authorization", "")):
            raise Refusal(
                401,
                DataError("The key is missing or wrong; send Authorization: Bearer and the key."),
                code="invalid_api_key",
                headers=(("WWW-Authenticate", "Bearer"),),
            )

    def _has_key(self, given: str) -> bool:
        assert self.key is not None, "asked before"
        scheme, _, key = given.partition(" ")
        right = hmac.compare_digest(key.strip().encode(), self.key.encode())
        return right and scheme.lower() == "bearer"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
