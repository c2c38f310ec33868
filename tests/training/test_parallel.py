"""Two processes learn what one does: real ones, with gloo on the CPU."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributed import TCPStore

from mason.errors import SettingsError
from mason.training.batches import passes
from mason.training.loop import fit
from mason.training.parallel import Processes, _agreed_name
from mason.training.recipe import Recipe
from mason.training.world import ALONE, World
from tests.training.small import build, objective
from tests.training.together import CASES, ROOT, learn, learned, start, wait


class _Numbered(Processes):
    """One of several processes that never meet: for what needs no communication."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes learned in each case."""
    folder = tmp_path_factory.mktemp("together")
    processes = start(["-m", "tests.training.together", str(folder)])
    said = wait(processes)
    assert [p.returncode for p in processes] == [0, 0], "\n".join(said)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_processes_learn_what_one_does(case: str, folder: Path) -> None:
    """Muon makes matrices orthogonal in bf16; AdamW makes steps of fp32's rounding."""
    one, weights = learn(case)
    two, same = learned(folder, case)
    assert len(one) == len(two)
    losses, others = [[told[0] for told in run] for run in (one, two)]
    close = 1e-3 if case == "muon" else 1e-6
    assert losses == pytest.approx(others, rel=close)
    if "fp32" not in case:
        assert np.array(one) == pytest.approx(np.array(two), rel=close)
        assert weights.keys() == same.keys()
        assert max(float((weights[n] - same[n]).abs().max()) for n in weights) < close


@pytest.mark.parametrize("size", [2, 3, 7])
@pytest.mark.parametrize("num", [1, 2, 5, 19])
def test_processes_read_each_example_once_in_as_many_passes(size: int, num: int) -> None:
    lengths = [3 + i * 7 % 11 for i in range(num)]
    worlds = [_Numbered(rank, size) for rank in range(size)]
    dealt = [world.passes(range(num), lengths, 13) for world in worlds]
    assert len({len(own) for own in dealt}) == 1, "each pass needs all processes"
    read = [i for own in dealt for run, counts in own if counts for i in run]
    assert sorted(read) == list(range(num))
    assert all(run for own in dealt for run, _ in own)
    assert all(
        len(run) == 1 or sum(lengths[i] for i in run) <= 13 for own in dealt for run, _ in own
    )
    rounds = [world.rounds(list(range(num))) for world in worlds]
    assert len({len(own) for own in rounds}) == 1
    assert sorted(i for own in rounds for i, counts in own if counts) == list(range(num))


def test_one_process_takes_the_passes_it_always_took() -> None:
    lengths = [5, 3, 9, 2, 7]
    assert ALONE.passes(range(5), lengths, 10) == [
        (run, True) for run in passes(range(5), lengths, 10)
    ]


@pytest.mark.parametrize("optimizer", ["adafactor", "adamw8bit"])
def test_an_optimizer_that_cannot_be_shared_is_refused(optimizer: str) -> None:
    class Two(World):
        size = 2

    recipe = Recipe(optimizer=optimizer)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=optimizer):
        fit(build("encoder"), objective(), recipe, world=Two())


def test_processes_agree_in_a_store_that_remembers_others_before_them() -> None:
    """As torchrun's does, where it starts processes again."""
    store = TCPStore("localhost", 0, None, True, timedelta(seconds=60))
    for rank in (1, 2):
        store.set(f"mason/here/{rank}", "one that was killed")
    names = set()
    for _ in range(3):
        clients = [TCPStore("localhost", store.port, None, False) for _ in range(3)]
        with ThreadPoolExecutor(3) as pool:
            found = set(pool.map(_agreed_name, clients, range(3), [3] * 3))
        assert len(found) == 1
        names |= found
    assert len(names) == 3


def test_one_process_imports_nothing_of_it() -> None:
    code = (
        "import sys, mason.workflows\n"
        "assert not {'mason.training.parallel', 'torch.distributed.fsdp'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_several_processes_need_a_kind_of_device_that_they_can_share() -> None:
    with pytest.raises(Exception, match="cannot share a model on mps"):
        _Numbered(0, 2).share(build("encoder"), torch.device("mps"))
