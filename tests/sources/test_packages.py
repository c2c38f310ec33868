import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mason.errors import SourceError
from mason.sources import find_data
from mason.sources.packages import PackageFile

Make = Callable[..., Path]

SIX = "package:six==1.16.0/six.py"
SIX_SHA256 = "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254"


def source_record(cache: Path) -> dict[str, object]:
    (file,) = cache.glob("packages/*/source.json")
    record: dict[str, object] = json.loads(file.read_text())
    return record


def test_pip_fetches_a_pinned_package_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_data(SIX)
    assert '__version__ = "1.16.0"' in found.read_text()
    assert source_record(cache)["sha256"] == SIX_SHA256
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # from here on pip would find nothing
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    assert find_data(SIX) == found
    assert not [folder for folder in cache.glob("packages/*") if folder.name.startswith(".new")]

    found.write_text("damaged")
    with pytest.raises(SourceError, match="six=="):
        find_data(SIX)


def test_a_package_that_cannot_be_had_says_so_quickly(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    begun = time.monotonic()
    with pytest.raises(SourceError, match="MASON_PACKAGES"):
        find_data("package:no-such-package-of-mason==1.0/x")
    assert time.monotonic() - begun < 20


def test_a_folder_of_archives_serves_first(
    cache: Path, tmp_path: Path, make_zip: Make, make_tar: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_zip(tmp_path / "my_pack-1.2-py3-none-any.whl", {"my_pack/rows.csv": b"wheel"})
    make_tar(tmp_path / "other.pack-2.0.tar.gz", {"other.pack-2.0/rows.csv": b"source"})
    monkeypatch.setenv("MASON_PACKAGES", str(tmp_path))
    assert find_data("package:My.Pack==1.2/my_pack/rows.csv").read_bytes() == b"wheel"
    assert find_data("package:other-pack==2.0/rows.csv").read_bytes() == b"source"


def test_a_damaged_entry_is_fetched_again(
    cache: Path,
    tmp_path: Path,
    make_zip: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_zip(tmp_path / "pack-1.2-py3-none-any.whl", {"pack/rows.csv": b"right"})
    monkeypatch.setenv("MASON_PACKAGES", str(tmp_path))
    found = find_data("package:pack==1.2/pack/rows.csv")
    found.write_bytes(b"wrong")
    assert find_data("package:pack==1.2/pack/rows.csv").read_bytes() == b"right"
    assert "damaged" in caplog.text


def test_another_archive_than_the_pinned_one_is_refused(
    cache: Path, tmp_path: Path, make_zip: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_zip(tmp_path / "pack-1.2-py3-none-any.whl", {"pack/rows.csv": b"forged"})
    monkeypatch.setenv("MASON_PACKAGES", str(tmp_path))
    with pytest.raises(SourceError, match="SHA-256"):
        find_data(f"package:pack==1.2/pack/rows.csv#sha256={'0' * 64}")
    assert not list(cache.glob("packages/pack*"))


def test_files_of_an_installed_package_are_read_in_place(cache: Path) -> None:
    import yaml

    found = find_data(f"package:PyYAML=={yaml.__version__}/yaml/loader.py")
    assert found == Path(yaml.__file__).parent / "loader.py"
    assert not cache.exists()


def test_npm_archives_are_served_from_the_folder(
    cache: Path, tmp_path: Path, make_tar: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tar(tmp_path / "some-texts-1.2.tgz", {"package/a/rows.txt": b"rows"})
    monkeypatch.setenv("MASON_PACKAGES", str(tmp_path))
    assert find_data("npm:some-texts@1.2/a/rows.txt").read_bytes() == b"rows"
    assert (find_data("npm:some-texts@1.2") / "a" / "rows.txt").read_bytes() == b"rows"
    assert not list(cache.glob("packages/.new*"))


def test_without_npm_a_package_says_so(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(cache))
    with pytest.raises(SourceError, match="npm is not installed"):
        find_data("npm:some-texts@1.2/a")


@pytest.mark.parametrize(
    "address",
    [
        "npm:six==1/x",
        "package:six@1/x",
        "npm:six",
        "npm:-x@1/y",
        "npm:six@-1/y",
        "package:six",
        "package:six==1/../../x",
        "package:six==1//etc/x/..",
        "package:-r==1/x",
    ],
)
def test_malformed_addresses_are_refused(cache: Path, address: str) -> None:
    with pytest.raises(SourceError, match="package:NAME==VERSION"):
        PackageFile.parse(address)


def test_two_processes_may_fetch_the_same_entry(
    cache: Path, tmp_path: Path, make_zip: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_zip(tmp_path / "pack-1.2-py3-none-any.whl", {"pack/rows.csv": b"rows" * 9973})
    monkeypatch.setenv("MASON_PACKAGES", str(tmp_path))
    script = (
        "from mason import sources; print(sources.find_data('package:pack==1.2/pack/rows.csv'))"
    )
    command = [sys.executable, "-c", script]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    found = {process.communicate()[0].strip() for process in running}
    assert all(process.returncode == 0 for process in running) and len(found) == 1
    assert Path(found.pop()).read_bytes() == b"rows" * 9973
    assert len(list(cache.glob("packages/*"))) == len(list(cache.glob("packages/.*"))) + 1 == 1
