import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from mason.errors import SourceError
from mason.sources import find_model, modelscope

Answer = tuple[int, dict[str, str], bytes]
Respond = Callable[[str, str, dict[str, str]], Answer]
Serve = Callable[[Respond], str]

FILES = {
    "config.json": b"{}",
    "model.safetensors": bytes(range(251)) * 41,
    "pytorch_model.bin": b"pickle",
}


def _json(value: object) -> Answer:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


class Hub:
    """The two routes, a log of what was asked, and faults to switch on."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked: list[tuple[str, str | None]] = []
        self.cut_at: int | None = None
        self.digest_of: dict[str, bytes] = {}

    def __call__(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        parts = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path != "/api/v1/models/owner/bert/repo/files":
            return self._bytes(query["FilePath"], headers.get("Range"))
        listed = [
            {"Path": name, "Type": "blob", "Size": len(content), "Sha256": self._digest(name)}
            for name, content in self.files.items()
        ]
        listed.append({"Path": "onnx", "Type": "tree", "Size": 0, "Sha256": ""})
        return _json({"Code": 200, "Data": {"Files": listed}})

    def _digest(self, name: str) -> str:
        return hashlib.sha256(self.digest_of.get(name, self.files[name])).hexdigest()

    def _bytes(self, name: str, asked_range: str | None) -> Answer:
        self.asked.append((name, asked_range))
        start = int(asked_range.removeprefix("bytes=").rstrip("-")) if asked_range else 0
        body = self.files[name][start:]
        headers = {"Content-Length": str(len(body)), "Connection": "close"}
        if self.cut_at is not None and name == "model.safetensors":
            body, self.cut_at = body[: self.cut_at], None
        return (206 if start else 200), headers, body


@pytest.fixture
def server(serve: Serve, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    hub = Hub(dict(FILES))
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", serve(hub))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "theirs"))
    return hub


def test_a_model_is_fetched_once_and_without_pickle(server: Hub) -> None:
    folder = find_model("modelscope:owner/bert")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        name: FILES[name] for name in ("config.json", "model.safetensors")
    }
    asked = len(server.asked)
    assert find_model("modelscope:owner/bert") == folder
    assert len(server.asked) == asked


def test_a_cut_download_goes_on_where_it_ended(server: Hub) -> None:
    server.cut_at = 997
    folder = find_model("modelscope:owner/bert")
    assert ("model.safetensors", "bytes=997-") in server.asked
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_wrong_sha256_is_refused_and_leaves_nothing(server: Hub, cache: Path) -> None:
    server.digest_of["model.safetensors"] = b"another"
    with pytest.raises(SourceError, match=r"model\.safetensors .* damaged"):
        find_model("modelscope:owner/bert")
    assert not list((cache / "modelscope").iterdir())


def test_a_name_that_climbs_out_is_refused(server: Hub, tmp_path: Path) -> None:
    server.files["../../evil.json"] = b"{}"
    with pytest.raises(SourceError, match="outside its folder"):
        find_model("modelscope:owner/bert")
    assert not list(tmp_path.rglob("evil.json"))


def test_a_folder_of_modelscopes_own_cache_is_used(server: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "theirs/models/owner/bert"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    assert find_model("modelscope:owner/bert") == folder
    assert not server.asked


def test_no_network_is_one_sentence_within_seconds(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "http://127.0.0.1:9")
    begun = time.monotonic()
    with pytest.raises(SourceError, match="MODELSCOPE_ENDPOINT") as raised:
        find_model("modelscope:owner/bert")
    assert time.monotonic() - begun < modelscope.CONNECT_SECONDS + 2
    assert "modelscope:owner/bert" in str(raised.value)


@pytest.mark.parametrize("endpoint", ["file:///etc", "ftp://127.0.0.1"])
def test_only_web_addresses_are_opened(
    cache: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", endpoint)
    with pytest.raises(SourceError, match="https://"):
        find_model("modelscope:owner/bert")
