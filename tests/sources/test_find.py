from pathlib import Path

import pytest

from mason.errors import SourceError
from mason.sources import cache_folder, find_data, find_model
from mason.sources.aliases import ALIASES
from mason.sources.hub import parse
from mason.sources.packages import PackageFile


def test_local_paths_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bert-base-uncased").mkdir()
    (tmp_path / "m.gguf").touch()
    assert find_model("bert-base-uncased") == Path("bert-base-uncased")
    assert find_model(str(tmp_path / "m.gguf")) == tmp_path / "m.gguf"
    assert find_data("m.gguf") == Path("m.gguf")


def test_one_weight_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(SourceError, match="give the folder"):
        find_model(str(tmp_path / "model.safetensors"))


def test_a_missing_file_is_never_asked_of_a_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews.csv").touch()
    with pytest.raises(SourceError, match=r"did you mean reviews\.csv"):
        find_data("reveiws.csv")
    for name in ("data/train.csv", "./x", "a/b/c/d", "trec", "x\0y"):
        with pytest.raises(SourceError, match="give a local file"):
            find_data(name)
    for name in ("./model", "model.gguf", "a b", "", "../../x"):
        with pytest.raises(SourceError, match="give a local folder"):
            find_model(name)


def test_hub_addresses() -> None:
    assert parse("bert-base-uncased") == ("bert-base-uncased", None)
    assert parse("owner/name") == ("owner/name", None)
    assert parse("owner/name/deep/file.Q4.gguf") == ("owner/name", "deep/file.Q4.gguf")
    assert parse("owner/name/../x.gguf") is None
    assert parse("owner/name/model.bin") is None


def test_the_cache_has_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASON_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "mason"
    monkeypatch.setenv("MASON_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_aliases_are_well_formed() -> None:
    for name, alias in ALIASES.items():
        assert PackageFile.parse(alias.package).path
        assert parse(alias.hub) is not None and alias.hub.endswith(f"/{name}")
