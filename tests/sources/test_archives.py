import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mason.errors import SourceError
from mason.sources import archives
from mason.sources.archives import safe_path, unpack

Make = Callable[..., Path]


def files_in(folder: Path) -> dict[str, bytes]:
    found = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in found}


def test_only_the_wanted_part_is_unpacked(tmp_path: Path, make_zip: Make, make_tar: Make) -> None:
    members = {"p/data/a.txt": b"a", "p/data/sub/b.txt": b"b", "p/database.txt": b"c"}
    unpack(make_zip(tmp_path / "x.whl", members), "p/data", tmp_path / "zip")
    assert files_in(tmp_path / "zip") == {"p/data/a.txt": b"a", "p/data/sub/b.txt": b"b"}
    source = {f"p-1.0/{name}": content for name, content in members.items()}
    unpack(make_tar(tmp_path / "p-1.0.tar.gz", source), "p/data", tmp_path / "tar")
    assert files_in(tmp_path / "tar") == files_in(tmp_path / "zip")


def test_one_file_is_unpacked(tmp_path: Path, make_zip: Make) -> None:
    unpack(make_zip(tmp_path / "x.whl", {"a": b"1", "b": b"2"}), "b", tmp_path / "out")
    assert files_in(tmp_path / "out") == {"b": b"2"}


@pytest.mark.parametrize("maker", ["make_zip", "make_tar"])
@pytest.mark.parametrize("name", ["top/../../evil", "/top/evil", "top\\..\\..\\evil", "C:/evil"])
def test_names_that_climb_out_are_refused(
    tmp_path: Path, request: pytest.FixtureRequest, maker: str, name: str
) -> None:
    archive = request.getfixturevalue(maker)(tmp_path / "x.tar.gz", {"top/good": b"g", name: b"e"})
    with pytest.raises(SourceError, match="unsafe"):
        unpack(archive, "", tmp_path / "deep" / "out")
    assert not list(tmp_path.rglob("evil"))


def test_links_are_refused(tmp_path: Path, make_zip: Make, make_tar: Make) -> None:
    linked = make_tar(tmp_path / "x.tar.gz", {"top/a": b""}, link="a-neighbour")
    zipped = make_zip(tmp_path / "x.whl", {"a": b"/etc/passwd"}, mode=stat.S_IFLNK | 0o777)
    for number, archive in enumerate((linked, zipped)):
        with pytest.raises(SourceError, match="link"):
            unpack(archive, "", tmp_path / str(number))


def test_a_bomb_is_stopped_while_it_unpacks(
    tmp_path: Path, make_zip: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "SMALL_BYTES", 1 << 20)
    bomb = make_zip(tmp_path / "x.whl", {"a": bytes(7 << 20)})
    with pytest.raises(SourceError, match="bytes"):
        unpack(bomb, "", tmp_path / "out")
    assert sum(len(content) for content in files_in(tmp_path / "out").values()) <= 1 << 20


def test_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"2")
    with pytest.raises(SourceError, match="exists"):
        unpack(tmp_path / "x.whl", "", tmp_path / "out")


def test_damage_and_absence_are_told_apart(tmp_path: Path, make_zip: Make) -> None:
    whole = make_zip(tmp_path / "whole.whl", {"a": bytes(range(256)) * 99})
    cut = tmp_path / "cut.whl"
    cut.write_bytes(whole.read_bytes()[:-90])
    with pytest.raises(SourceError, match="damaged"):
        unpack(cut, "a", tmp_path / "one")
    with pytest.raises(SourceError, match="holds no b"):
        unpack(whole, "b", tmp_path / "two")


def test_damage_is_told_in_one_line(tmp_path: Path, make_zip: Make) -> None:
    """A tar's reader says one line for each way it tried; a member may have no name at all."""
    file = tmp_path / "x.whl"
    file.write_bytes(b"neither of the two")
    with pytest.raises(SourceError, match="not a gzip file") as caught:
        unpack(file, "", tmp_path / "one")
    assert "\n" not in str(caught.value)
    nameless = make_zip(tmp_path / "y.whl", {"a": b"1"}).read_bytes().replace(b"\0\0a", b"\0\0\0")
    file.write_bytes(nameless)
    with pytest.raises(SourceError, match="damaged"):
        unpack(file, "", tmp_path / "two")


@given(st.text(alphabet="ab./\\:C\0~", max_size=12))
def test_a_safe_path_stays_inside(name: str) -> None:
    path = safe_path(name)
    if path is not None:
        inside = (Path("/top/folder") / path).resolve()
        assert inside.is_relative_to("/top/folder")
        assert "\\" not in name and "\0" not in name
