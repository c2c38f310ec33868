"""A folder is there whole or not at all, whatever happens while it is written."""

import os
import random
import signal
import stat
import time
from pathlib import Path

import pytest
import torch

from mason.errors import CheckpointError
from mason.models.files import (
    read_manifest,
    verify_manifest,
    write_json,
    write_weights,
    writing_folder,
)
from mason.models.files import writing as writing_module


def _write(path: Path, number: int) -> None:
    with writing_folder(path, kind="model", made_from={"number": number}) as folder:
        write_json(folder / "config.json", {"number": number})
        write_weights(folder, {"w": torch.full((1009,), float(number))})
        (folder / "more").mkdir()
        (folder / "more" / "notes.txt").write_text(str(number))


def test_a_written_folder_says_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "new" / "model"
    _write(path, 1)
    assert os.listdir(path.parent) == ["model"]
    manifest = read_manifest(path)
    assert manifest["kind"] == "model" and manifest["made_from"] == {"number": 1}
    assert set(manifest["files"]) == {"config.json", "model.safetensors", "more/notes.txt"}
    assert manifest["versions"]["torch"].startswith("2.")
    verify_manifest(path)


def test_files_are_as_readable_as_their_folder(tmp_path: Path) -> None:
    """safetensors writes files for their owner alone; a server of another user reads too."""
    before = os.umask(0o022)
    try:
        _write(tmp_path / "model", 1)
    finally:
        os.umask(before)
    mode = (tmp_path / "model" / "model.safetensors").stat().st_mode
    assert stat.S_IMODE(mode) == 0o644


@pytest.mark.parametrize("can_exchange", [True, False])
def test_ours_and_an_empty_folder_are_replaced(
    can_exchange: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not can_exchange:
        monkeypatch.setattr(writing_module, "_exchange", lambda *_: False)
    path = tmp_path / "model"
    path.mkdir()
    for number in (1, 2):
        _write(path, number)
        assert (path / "more" / "notes.txt").read_text() == str(number)
    verify_manifest(path)
    assert os.listdir(tmp_path) == ["model"]


def test_what_somebody_else_wrote_is_left_alone(tmp_path: Path) -> None:
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter.tex").write_text("years of work")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(foreign)
    for name, sentence in (
        ("thesis", "holds files that Mason did not write"),
        ("file", "is a file or a link"),
        ("link", "is a file or a link"),
    ):
        with pytest.raises(CheckpointError, match=sentence):
            _write(tmp_path / name, 1)
    assert (foreign / "chapter.tex").read_text() == "years of work"
    assert sorted(os.listdir(tmp_path)) == ["file", "link", "thesis"]


def test_an_error_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model"
    _write(path, 1)
    with pytest.raises(OSError, match="no room"), writing_folder(path, kind="model") as folder:
        (folder / "half").write_text("x")
        raise OSError("no room")
    verify_manifest(path)
    assert os.listdir(tmp_path) == ["model"]


def test_a_killed_writer_leaves_a_whole_folder(tmp_path: Path) -> None:
    """SIGKILL at 30 moments spread over the writing of a folder that replaces another."""
    path = tmp_path / "model"
    _write(path, 0)
    moments = random.Random(0)
    for round in range(1, 31):
        child = os.fork()
        if child == 0:
            try:
                while True:
                    _write(path, round)
            finally:
                os._exit(1)
        time.sleep(moments.uniform(0.001, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        verify_manifest(path)
        number = read_manifest(path)["made_from"]["number"]
        assert (path / "more" / "notes.txt").read_text() == str(number)
    _write(path, 99)
    assert os.listdir(tmp_path) == ["model"]  # the killed writers' drafts are gone too


def test_a_draft_in_use_is_not_swept_away(tmp_path: Path) -> None:
    with writing_folder(tmp_path / "model", kind="model") as folder:
        (folder / "a").write_text("1")
        writing_module._remove_leftovers(tmp_path / "model")
        assert (folder / "a").read_text() == "1"


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "more/notes.txt"])
def test_one_changed_bit_is_found(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model"
    _write(path, 1)
    content = bytearray((path / name).read_bytes())
    content[-1] ^= 1
    (path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{name} is not the file that was written"):
        verify_manifest(path)
    (path / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        verify_manifest(path)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "more/../../outside", ""])
def test_a_manifest_names_nothing_outside(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model"
    _write(path, 1)
    (tmp_path / "outside").write_text("1")
    manifest = read_manifest(path)
    manifest["files"] = {name: {"bytes": 1, "sha256": ""}}
    write_json(path / "manifest.json", manifest)
    with pytest.raises(CheckpointError):
        verify_manifest(path)
