"""Every call of a run that changes the disk: the process ends there, or the call fails once.

SQLite's way (sqlite.org/testing.html): the first call, the second, … until a run gets through.
"""

import errno
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mason.training.checkpoints import verify
from mason.training.run_folder import checkpoints_of
from tests.chaos.findings import Findings
from tests.chaos.recording import Call, read_calls
from tests.chaos.runs import EXIT, FAIL, RECORD, Ended, Server, Workshop

pytestmark = pytest.mark.usefixtures("faults")
STRIDES = [29, pytest.param(1, marks=pytest.mark.chaos)]
GROWS = ("create", "open", "write", "cut", "mkdir")


class Short:
    """A run of six steps with three checkpoints, of which the first is pruned."""

    def __init__(self, workshop: Workshop, server: Server, folder: Path) -> None:
        self.workshop, self.server, self.folder = workshop, server, folder
        self.whole, log = folder / "short", folder / "short.calls"
        (ended,) = server.carry_out(self.order(self.whole, RECORD, log=str(log)))
        assert ended.code == 0, ended.text
        self.calls: Sequence[Call] = read_calls(log)

    def order(self, output: Path, mode: int = 0, **faults: object) -> dict[str, Any]:
        """The order for the run, with a fault."""
        order = self.workshop.order(output, "--training.epochs", 1)
        return order | {"faults": {"folder": str(output), "mode": mode, **faults}}

    def end(self, number: int, mode: int, error: int) -> Ended:
        """Run with a fault at a call, then again until the model is there; the first end.

        Every checkpoint must be whole after the fault, and the run must end as if there had
        been none.
        """
        output = self.folder / f"call-{number}"
        (ended,) = self.server.carry_out(self.order(output, mode, number=number, error=error))
        what = (number, self.calls[number - 1 : number], ended.text)
        if not (output / "results.json").exists():
            list(whole_checkpoints(output))
            (again,) = self.server.carry_out(self.order(output))
            assert again.code == 0, (what, again.text)
        assert not self.workshop.problems(output, self.whole), what
        self.workshop.clear(output)
        return ended


def whole_checkpoints(output: Path) -> Iterator[int]:
    """The steps of the checkpoints of an unfinished run; an error if one is not whole."""
    for place in checkpoints_of(output).glob("step-*"):
        yield verify(place)["step"]


@pytest.fixture(scope="module")
def short(workshop: Workshop, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Short:
    """The run, once undisturbed and recorded."""
    return Short(workshop, server, tmp_path_factory.mktemp("calls"))


@pytest.mark.parametrize("stride", STRIDES)
def test_a_process_may_end_before_any_call(stride: int, short: Short, findings: Findings) -> None:
    numbers = range(1, len(short.calls) + 1, stride)
    assert {short.end(number, EXIT, 0).code for number in numbers} == {137}
    assert short.end(len(short.calls) + 1, EXIT, 0).code == 0, "there are more calls"
    findings.add(
        "exit before each create, write, fsync, rename, unlink, mkdir of a run with 3 saves",
        len(numbers),
        "valid checkpoints (or the honest start) and a bit-equal end in 100 %",
    )


@pytest.mark.parametrize("stride", STRIDES)
def test_a_process_may_end_half_way_through_a_write(
    stride: int, short: Short, findings: Findings
) -> None:
    writes = [i for i, call in enumerate(short.calls, 1) if call.what == "write" and call.data]
    chosen = writes[:: (stride + 4) // 5]
    assert {short.end(number, EXIT, 1).code for number in chosen} == {137}
    findings.add(
        "exit half way through each write of a run with 3 saves",
        len(chosen),
        "valid checkpoints (or the honest start) and a bit-equal end in 100 %",
    )


@pytest.mark.parametrize("stride", STRIDES)
def test_any_call_may_fail_once(stride: int, short: Short, findings: Findings) -> None:
    numbers, ends = range(3, len(short.calls) + 1, stride), []
    for number in numbers:
        error = errno.ENOSPC if short.calls[number - 1].what in GROWS else errno.EIO
        ended = short.end(number, FAIL, error)
        assert ended.code == 0 or ended.is_sentence, (short.calls[number - 1], ended.text)
        ends.append(ended.code)
    findings.add(
        "each of those calls fails once (ENOSPC where it takes room, else EIO)",
        len(ends),
        f"{ends.count(0)} runs finished all the same, {ends.count(2)} ended with one sentence and "
        "exit code 2 and went on when started again; all bit-equal, no traceback",
    )
