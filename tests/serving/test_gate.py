"""Who may ask."""

import pytest

from mason.cli.main import run
from mason.errors import SettingsError
from mason.serving import Gate, Served
from mason.serving.messages import Head
from mason.serving.refusals import Refusal

from .conftest import Asking, serving

KEY = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def locked(small: Served):  # type: ignore[no-untyped-def]
    with serving(small, key=KEY) as found:
        yield found


def test_every_route_wants_the_key_the_unknown_ones_too(locked: Asking) -> None:
    assert locked.app is not None
    for path in (*locked.app.routes, "/", "/docs", "//v1/models", "/v1/models/../../health"):
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {KEY}"}):
            status, told, headers = locked.ask(path, **given)
            assert status == 401 and told["error"]["code"] == "invalid_api_key"
            assert headers["www-authenticate"] == "Bearer"
    assert locked.ask("/health", Authorization=f"Bearer {KEY}")[0] == 200
    assert locked.ask("/nothing", Authorization=f"Bearer {KEY}")[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost:1", ""])
def test_another_host_is_refused(server: Asking, host: str) -> None:
    assert server.ask("/health", Host=host)[0] == 403


def test_known_hosts_are_not(server: Asking) -> None:
    for host in ("127.0.0.1", "localhost", f"LOCALHOST:{server.port}", f"[::1]:{server.port}"):
        assert server.ask("/health", Host=host)[0] == 200


def test_pages_of_others_are_refused(server: Asking) -> None:
    own = f"http://127.0.0.1:{server.port}"
    assert server.ask("/health", Origin=own)[0] == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", own + ".evil.example"):
        assert server.ask("/health", Origin=origin)[0] == 403
    assert server.ask("/health", Sec_Fetch_Site="cross-site")[0] == 403
    status, _, headers = server.ask("/v1/completions", b"", method="OPTIONS", Origin=own)
    assert status == 405 and not any(name.startswith("access-control") for name in headers)


def test_a_form_is_no_json(server: Asking) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; a=b"):
        assert server.ask("/v1/completions", b"{}", Content_Type=kind)[0] == 415


def test_an_open_address_needs_a_good_key() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        with pytest.raises(SettingsError, match="other machines"):
            Gate.of(host, 1)
        Gate.of(host, 1, key=KEY)
    for key in ("", "short", "with\nline and more of it", "schlüssel-schlüssel"):
        with pytest.raises(SettingsError, match="guessed"):
            Gate.of("127.0.0.1", 1, key=key)
    Gate.of("127.0.0.1", 1)
    Gate.of("::1", 1)


def test_a_proxys_host_can_be_named() -> None:
    gate = Gate.of("127.0.0.1", 80, names=("llm.example",))
    gate.check(Head("GET", "/health", {"host": "llm.example"}, "::1"))
    with pytest.raises(Refusal):
        gate.check(Head("GET", "/health", {"host": "other.example"}, "::1"))


def test_the_command_refuses_before_it_reads_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "no-such-model", "--host", "0.0.0.0"]) == 2
    assert "other machines; give --api-key" in capsys.readouterr().err
    assert run(["serve", "no-such-model", "--port", "99999"]) == 2
    assert run(["serve", "no-such-model"]) == 2
