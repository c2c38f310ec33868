"""The machine a run is on: device, precision, threads, seed, memory."""

import os
import platform
import random
import resource
import shutil
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mason.errors import RunError

if TYPE_CHECKING:
    import torch

MOST_GROWN = 1.1
"""Times what a pass needs that may be held before freed memory is given back."""
_LARGE = 8 << 20
"""Bytes of a tensor that is mapped by itself where memory counts more than time."""


def pick_device(name: str = "auto") -> "torch.device":
    """The device to compute on: the one named, or the best there is.

    Raises:
        RunError: The named device is not here.
    """
    import torch

    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": _has_mps()}
    if name == "auto":
        name = next(n for n in ("cuda", "mps", "cpu") if here[n])
    if not here[name]:
        raise RunError(
            "This machine has no {device} device that PyTorch can use; "
            "choose --training.device cpu.",
            device=name,
        )
    return torch.device(name)


def _has_mps() -> bool:
    import torch

    return bool(torch.backends.mps.is_available())


def num_processes() -> int:
    """How many processes torchrun started for this run; 1 without it."""
    told = all(name in os.environ for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"))
    return int(os.environ["WORLD_SIZE"]) if told else 1


def num_local_processes() -> int:
    """How many of a run's processes are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", num_processes())) if num_processes() > 1 else 1


def is_first_process() -> bool:
    """Whether this is the process of a run that speaks and writes."""
    return num_processes() == 1 or os.environ["RANK"] == "0"


def take_device() -> None:
    """Compute on the CUDA device of this process's own; without CUDA nothing happens.

    Raises:
        RunError: There are more processes on this machine than devices.
    """
    import torch

    number, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= there > 0:
        raise RunError(
            "This machine has {devices} CUDA devices, too few for a process each; start "
            "--nproc-per-node {devices}, or hide them with CUDA_VISIBLE_DEVICES= to use the CPU.",
            devices=there,
        )
    if there:
        torch.cuda.set_device(number)


def pick_precision(name: str, device: "torch.device") -> "torch.dtype":
    """The dtype of matrix products: bf16 where the hardware is fast at it, else fp32."""
    import torch

    if name != "auto":
        return torch.bfloat16 if name == "bf16" else torch.float32
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device.type == "cpu" and cpu_has_bf16()
    return torch.bfloat16 if fast else torch.float32


@cache
def cpu_has_bf16() -> bool:
    """Whether the processor multiplies bf16 itself; emulation is slower than fp32."""
    import torch

    facts: Mapping[str, Any] = torch.cpu.get_capabilities()
    return bool(facts.get("avx512_bf16") or facts.get("amx_bf16") or facts.get("bf16"))


def product_rate(device: "torch.device", dtype: "torch.dtype | None" = None) -> float:
    """Floating-point operations a second of a matrix product at best, measured.

    Args:
        device: Where to.
        dtype: Of the numbers; None: fp32.
    """
    import torch

    size = 1024
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    times = []
    for _ in range(5):
        start = time.monotonic()
        float((left @ right)[0, 0])
        times.append(time.monotonic() - start)
    return 2 * size**3 / min(times)


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's generators."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def keep_freed_memory() -> None:
    """Let the C allocator keep what PyTorch frees, instead of fetching zeroed pages anew.

    Every large CPU tensor is otherwise mapped, page-faulted in and unmapped again, step
    after step. Only glibc has the switch; elsewhere nothing happens.
    """
    libc = _glibc()
    if libc is None:
        return
    libc.mallopt(-4, 0)  # M_MMAP_MAX: never by mmap
    libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: never give back the top
    libc.mallopt(-2, 64 << 20)  # M_TOP_PAD: grow in large steps


def return_freed_memory() -> None:
    """Let the C allocator give back to the system what PyTorch has freed.

    Tensors of ever different sizes leave gaps in glibc's heap: without this, a long evaluation
    holds more with each pass although it keeps nothing. Costs a few milliseconds, and as much
    again when the pages come back. Only glibc has the call; elsewhere nothing happens.
    """
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def map_large_memory() -> None:
    """Let the C allocator give each large tensor back to the system as it is freed.

    So it leaves no gap. Its pages have to be zeroed each time, some hundredths of a step beside
    4 bits. Only glibc has the switch; ``keep_freed_memory`` turns it back.
    """
    libc = _glibc()
    if libc is not None:
        libc.mallopt(-3, _LARGE)  # M_MMAP_THRESHOLD
        libc.mallopt(-4, 1 << 16)  # M_MMAP_MAX


class Gaps:
    """Keeps the gaps between what is in use from growing with every pass.

    Texts of ever different lengths ask for tensors of ever different sizes, which fit less and
    less into what others have left: without this a process comes to hold twice what is in use.

    Args:
        lean: Whether memory counts more than time, so that they are closed after every pass.
    """

    def __init__(self, lean: bool = False) -> None:
        self._lean, self._fresh, self._most = lean, False, 0

    def begin(self) -> None:
        """Where memory counts more, have large tensors leave no gaps at all, from here on."""
        if self._lean:
            map_large_memory()

    def after_pass(self) -> None:
        """Give freed memory back if much more is held than a single pass has needed so far.

        So after the first pass too: what was held before it, to read data, says nothing.
        Costs a few milliseconds, and as much again when the pages come back.
        """
        if self._lean:
            return_freed_memory()
            return
        held = resident_bytes()
        if self._fresh:
            self._most, self._fresh = max(self._most, held), False
        elif held > MOST_GROWN * self._most:
            return_freed_memory()
            self._fresh = True


@cache
def _glibc() -> Any:
    """The C library, if it is glibc."""
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return None
    import ctypes

    return ctypes.CDLL(None)


def leave_compiler_out() -> None:
    """Let optimisers work without PyTorch's compiler, whose import takes two seconds.

    Four of their methods are marked as not to be compiled, and at the first call of each the
    compiler is loaded to be told so. Nothing here is compiled; where the compiler is there
    already, nothing happens.
    """
    from torch.optim import Optimizer

    if "torch._dynamo" in sys.modules:
        return
    for method in (
        Optimizer.add_param_group,
        Optimizer.zero_grad,
        Optimizer.state_dict,
        Optimizer.load_state_dict,
    ):
        plain = getattr(method, "__wrapped__", None)
        if plain is not None:
            setattr(plain, "__dynamo_disable", plain)


def peak_memory_bytes() -> int:
    """The most memory this process has held."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            # Linux counts in ru_maxrss what the parent held when it started this process.
            return next(int(line.split()[1]) << 10 for line in file if line[:6] == "VmHWM:")
    except (OSError, StopIteration):
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def machine() -> dict[str, Any]:
    """What a reader of a report needs to know of the hardware."""
    pages = os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    memory = pages * os.sysconf("SC_PAGE_SIZE") if pages else None
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": memory,
        "system": f"{platform.system()} {platform.release()}",
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [
                line.split(":", 1)[1].strip() for line in file if line.startswith("model name")
            ]
        return names[0]
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def resident_bytes() -> int:
    """Memory this process holds now; where the system does not tell, the most it has held."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        return peak_memory_bytes()


def memory_limit() -> int:
    """The most bytes this process can come to hold: what it holds and what is free.

    Where the process runs in a container, the container's bound counts too.
    """
    free = _memory_free()
    for folder in _cgroups():
        bound, used = folder / _BOUND[0], folder / _USED[0]
        if not bound.exists():
            bound, used = folder / _BOUND[1], folder / _USED[1]
        try:
            told = bound.read_text(encoding="ascii").strip()
            if told != "max":
                free = min(free, int(told) - int(used.read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue
    return max(free, 0) + resident_bytes()


_BOUND = ("memory.max", "memory.limit_in_bytes")
_USED = ("memory.current", "memory.usage_in_bytes")
"""Files of version 2 and version 1 of the kernel's control groups."""


def _cgroups() -> list[Path]:
    """Folders of this process's control groups, innermost first."""
    root, found = Path("/sys/fs/cgroup"), []
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    for _, kinds, inner in (line.split(":", 2) for line in lines):
        if kinds not in ("", "memory"):
            continue
        base = root / kinds
        place = base / inner.lstrip("/")
        found += [p for p in (place, *place.parents) if p == base or base in p.parents]
    return found


def _memory_free() -> int:
    """Bytes the system could still give: on Linux, caches it would drop included."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        total: int = machine()["memory_bytes"] or 2**62
        return total


def free_disk(folder: Path) -> int:
    """Bytes free where a folder lies, or will lie."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free
