"""Small random models of transformers and ours, each made once; one thread."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import torch

from benchmarks.parity_cases import CASES, LANGUAGE, Case
from benchmarks.parity_oracle import Pair

DECODERS = {
    case.name: case
    for case in CASES
    if dict(case.heads) == LANGUAGE and "MaskedLM" not in case.model
}
"""Every row of the parity table that generates."""
PROMPTS = [[5, 17, 23], [11], [7, 29, 31, 37, 41, 43, 47], [13, 19], [5, 17, 23]]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pair_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Pair]]:
    @cache
    def make(name: str) -> Pair:
        folder: Path = tmp_path_factory.mktemp("pair")
        return Pair.random(DECODERS[name], folder)

    yield make


__all__ = ["DECODERS", "PROMPTS", "Case"]
