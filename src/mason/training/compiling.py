"""Feed-forward blocks compiled by PyTorch's compiler, for devices where that pays.

One piece of code serves all layers and all lengths, so that compiling takes seconds and happens
once in training and once in evaluating. Attention stays as it is: its groups differ from batch
to batch, and each would be compiled anew.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from torch import nn

from mason.errors import SettingsError
from mason.layers import FeedForward, Residual


@contextmanager
def compiled(model: nn.Module, on: bool) -> Iterator[None]:
    """Run the model's feed-forward blocks, their norms and dropouts compiled, if ``on``.

    Raises:
        SettingsError: What the compiler needs is not installed.
    """
    blocks = [m for m in model.modules() if on and isinstance(m, Residual) and _is_plain(m)]
    if blocks:
        _ask_for_compiler(next(model.parameters()).device.type)
    for block in blocks:
        block.compile(dynamic=True)
    try:
        yield
    finally:
        for block in blocks:
            block._compiled_call_impl = None


def _is_plain(block: Residual) -> bool:
    return type(block.block) is FeedForward


def _ask_for_compiler(device: str) -> None:
    on_cpu = device == "cpu"
    found: object = shutil.which(os.environ.get("CXX", "g++")) if on_cpu else find_spec("triton")
    if found is None:
        raise SettingsError(
            "training.compile needs {what}, which is not installed; install it, or leave the "
            "setting out.",
            what="g++" if on_cpu else "triton",
        )
