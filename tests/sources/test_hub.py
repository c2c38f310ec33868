"""The real ``huggingface_hub`` against a local server with the routes it needs.

It reads its environment when it is imported, so each test runs a fresh interpreter.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

Answer = tuple[int, dict[str, str], bytes]
Respond = Callable[[str, str, dict[str, str]], Answer]
Serve = Callable[[Respond], str]

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BERT = {
    "config.json": b"{}",
    "model.safetensors": b"weights",
    "tokenizer.json": b"{}",
    "mason.json": b"{}",
    "spelling.json": b"{}",
    "pytorch_model.bin": b"pickle",
    "modeling_own.py": b"raise SystemExit",
    "onnx/model.safetensors": b"other",
}


def _json(value: object) -> Answer:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


def hub(repositories: dict[str, dict[str, bytes]]) -> Respond:
    """``respond`` for repositories such as ``models/owner/name``."""

    def respond(method: str, path: str, headers: dict[str, str]) -> Answer:
        path = unquote(urlsplit(path).path).lstrip("/")
        kind_path = path.removeprefix("api/")
        for name, files in repositories.items():
            if path == f"api/{name}" or path.startswith(f"api/{name}/revision/"):
                return _json(_information(name, files))
            if kind_path.startswith(f"{name}/tree/"):
                return _json([_leaf(file, files[file]) for file in files])
            bare = name.removeprefix("models/")
            if path.startswith(f"{bare}/resolve/"):
                return _file(files[path.split("/resolve/")[1].split("/", 1)[1]])
        return 404, {"X-Error-Code": "RepoNotFound"}, b""

    return respond


def _information(name: str, files: dict[str, bytes]) -> dict[str, object]:
    siblings = [{"rfilename": file, "size": len(files[file])} for file in files]
    return {"id": name.split("/", 1)[1], "sha": COMMIT, "siblings": siblings}


def _leaf(name: str, content: bytes) -> dict[str, object]:
    blob = hashlib.sha1(b"blob %d\0%s" % (len(content), content)).hexdigest()
    return {"type": "file", "path": name, "size": len(content), "oid": blob}


def _file(content: bytes) -> Answer:
    etag = f'"{hashlib.sha1(content).hexdigest()}"'
    return 200, {"ETag": etag, "X-Repo-Commit": COMMIT}, content


def find(kind: str, name: str, tmp_path: Path, **environment: str) -> tuple[str, str]:
    """(path, error) of ``find_model`` or ``find_data`` in a fresh interpreter."""
    script = (
        "import json, sys\n"
        "from mason import sources, errors\n"
        "try: out = (str(getattr(sources, sys.argv[1])(sys.argv[2])), '')\n"
        "except errors.SourceError as error: out = ('', str(error))\n"
        "print(json.dumps(out))"
    )
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HF_")},
        "HF_HOME": str(tmp_path / "hf"),
        "MASON_CACHE": str(tmp_path / "cache"),
        "MASON_LANG": "en",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        **environment,
    }
    command = [sys.executable, "-c", script, kind, name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    path, error = json.loads(done.stdout.splitlines()[-1])
    return path, error


def test_a_model_is_fetched_without_pickle_or_code_then_found_offline(
    serve: Serve, tmp_path: Path
) -> None:
    address = serve(hub({"models/owner/bert": BERT}))
    path, error = find("find_model", "owner/bert", tmp_path, HF_ENDPOINT=address)
    assert not error
    names = {file.relative_to(path).as_posix() for file in Path(path).rglob("*") if file.is_file()}
    ours = {"mason.json", "spelling.json"}
    assert names == {"config.json", "model.safetensors", "tokenizer.json", *ours}
    again = find("find_model", "hub:owner/bert", tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert again == (path, "")


def test_a_cut_download_is_not_taken_for_a_model(serve: Serve, tmp_path: Path) -> None:
    address = serve(hub({"models/owner/bert": BERT}))
    path, _ = find("find_model", "owner/bert", tmp_path, HF_ENDPOINT=address)
    (Path(path) / "model.safetensors").unlink()
    assert find("find_model", "owner/bert", tmp_path, HF_HUB_OFFLINE="1")[0] == ""
    assert find("find_model", "owner/bert", tmp_path, HF_ENDPOINT=address) == (path, "")
    assert (Path(path) / "model.safetensors").read_bytes() == b"weights"


def test_what_a_repository_lacks_is_named(serve: Serve, tmp_path: Path) -> None:
    pickled = {"config.json": b"{}", "pytorch_model.bin": b"pickle"}
    quantised = {"model.Q4_1.gguf": b"gguf", "model.Q8_0.gguf": b"GGUF"}
    address = serve(hub({"models/o/pickled": pickled, "models/o/quantised": quantised}))
    _, error = find("find_model", "o/pickled", tmp_path, HF_ENDPOINT=address)
    assert "only as pytorch_model.bin" in error
    _, error = find("find_model", "o/quantised", tmp_path, HF_ENDPOINT=address)
    assert "o/quantised/model.Q4_1.gguf" in error
    path, _ = find("find_model", "o/quantised/model.Q8_0.gguf", tmp_path, HF_ENDPOINT=address)
    assert Path(path).read_bytes() == b"GGUF"
    _, error = find("find_model", "o/nothing", tmp_path, HF_ENDPOINT=address)
    assert "There is no o/nothing" in error


def test_data_are_tables_and_never_scripts(serve: Serve, tmp_path: Path) -> None:
    files = {"reviews.py": b"code", "data/train.csv": b"a,b\n", "data/test.csv": b"a,b\n"}
    address = serve(
        hub({"datasets/o/two": files, "datasets/o/one": {"x.jsonl": b"{}", "README.md": b"#"}})
    )
    path, _ = find("find_data", "o/two", tmp_path, HF_ENDPOINT=address)
    assert {file.name for file in Path(path).rglob("*") if file.is_file()} == {
        "train.csv",
        "test.csv",
    }
    one, _ = find("find_data", "hub:o/one", tmp_path, HF_ENDPOINT=address)
    assert Path(one).name == "x.jsonl"
    assert find("find_data", "o/two", tmp_path, HF_HUB_OFFLINE="1") == (path, "")


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "http://10.255.255.1"])
def test_no_network_is_one_sentence_within_seconds(tmp_path: Path, endpoint: str) -> None:
    begun = time.monotonic()
    _, error = find("find_model", "bert-base-uncased", tmp_path, HF_ENDPOINT=endpoint)
    assert time.monotonic() - begun < 20
    assert "bert-base-uncased" in error and "HF_ENDPOINT" in error and "local folder" in error
    assert error.count("\n") == 0
