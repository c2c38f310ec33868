"""A tensor that is read when it is asked for."""

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class LazyTensor:
    """A tensor that is still in its file.

    ``dtype`` is the type that `read` gives; ``source`` is the name of the file.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    source: str
    read: Callable[[], torch.Tensor]
