"""What the experiments share: one server of commands, one undisturbed run, one table."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.findings import Findings
from tests.chaos.runs import Server, Workshop


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Forks commands; with the library of faults where it can be compiled."""
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Workshop:
    """A tiny model and an undisturbed run to compare with."""
    return Workshop(tmp_path_factory.mktemp("workshop"), server)


@pytest.fixture
def faults(server: Server) -> Path:
    """The library of faults; skips where there is none."""
    if server.faults is None:
        pytest.skip("no C compiler, or not Linux: calls cannot be made to fail")
    return server.faults


@pytest.fixture(scope="session")
def findings(request: pytest.FixtureRequest) -> Findings:
    """The table of results; the whole suite writes it to docs/results."""
    return Findings(save=request.config.getoption("-m") == "chaos")
