"""A disk that fills up at any stage: the old checkpoint stays, and there is a way on."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mason.training.checkpoints import verify
from tests.chaos.findings import Findings
from tests.chaos.runs import Ended, Server, Workshop

FULL = pytest.mark.chaos
SIZE = 3 * 2**20


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three megabytes of memory as a disk; root can mount one."""
    place = tmp_path_factory.mktemp("disk")
    words = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small disk")
    if subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let a small disk be mounted")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path, leave: int) -> None:
    """Leave so many bytes."""
    free = shutil.disk_usage(disk).free
    (disk / "ballast").write_bytes(bytes(max(0, free - leave)))


def run(workshop: Workshop, server: Server, output: Path, **more: Any) -> Ended:
    """Train into a folder on the disk; what was seen is noted elsewhere."""
    seen = workshop.folder / f"{output.name}.seen"
    (ended,) = server.carry_out(workshop.order(output) | {"seen": str(seen), **more})
    return ended


# What is left when the run starts, after its first steps, or before its end.
STAGES = {
    "start": (0, 0),
    "run.json": (0, 4096),
    "log": (0, 24_000),
    "first checkpoint": (0, 200_000),
    "second checkpoint": (0, 500_000),
    "third checkpoint": (0, 900_000),
    "half way": (5, 0),
    "half way, a little left": (5, 60_000),
    "final write": (12, 0),
    "final write, a little left": (12, 60_000),
}
FEW = ("start", "half way")


@pytest.mark.parametrize("stage", [pytest.param(s, marks=() if s in FEW else FULL) for s in STAGES])
def test_a_full_disk_costs_no_checkpoint(
    stage: str, workshop: Workshop, server: Server, findings: Findings, small_disk: Path
) -> None:
    output, (after, left) = small_disk / stage.replace(" ", "-").replace(",", ""), STAGES[stage]
    order: dict[str, Any] = {}
    if after:
        order = {"fill_after": after, "disk": str(small_disk), "leave": left}
    else:
        fill(small_disk, left)
    ended = run(workshop, server, output, **order)
    assert ended.code == 0 or ended.is_sentence, ended.text
    places = sorted((output / "run" / "checkpoints").glob("step-*"))
    assert all(verify(place) for place in places)
    assert ended.code == 0 or after < 3 or places, ended.text
    (small_disk / "ballast").unlink(missing_ok=True)
    if ended.code:
        again = run(workshop, server, output)
        assert again.code == 0, again.text
    shutil.copyfile(workshop.folder / f"{output.name}.seen", f"{output}.seen")
    assert not workshop.problems(output)
    workshop.clear(output)
    (workshop.folder / f"{output.name}.seen").unlink()
    how = "finished all the same" if ended.code == 0 else "one sentence, exit code 2; then finished"
    told = next((s for s in ended.text.splitlines() if "No space" in s), "")
    told = told.replace(f"{small_disk}/", "")
    findings.add(f"disk full: {stage}", 1, f"{how}; checkpoints whole, bit-equal. {told}")


def test_training_goes_on_once_there_is_room(
    workshop: Workshop, server: Server, findings: Findings, small_disk: Path
) -> None:
    """Full from step 3, free again from step 8: one command, start to end."""
    output = small_disk / "freed"
    order = {"fill_after": 3, "disk": str(small_disk), "leave": 0, "free_after": 8}
    ended = run(workshop, server, output, **order)
    assert ended.code == 0, ended.text
    assert "No checkpoint could be written at step 4" in ended.text
    shutil.copyfile(workshop.folder / "freed.seen", f"{output}.seen")
    assert not workshop.problems(output)
    workshop.clear(output)
    findings.add("disk full from step 3 to 8 of 12", 1, "went on by itself, bit-equal")
