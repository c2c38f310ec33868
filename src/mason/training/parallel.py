"""Several processes as one run: torchrun starts them, FSDP2 shares the model among them.

Each process holds a part of every weight, gradient and average, and reads its share of every
batch (Rajbhandari et al. 2020, ZeRO stage 3; Zhao et al. 2023). What is done once (files, what
is said) the first process does; what must be equal everywhere it sends to the others, or all
of them sum. Nothing is pickled on the way.
"""

import copy
import hashlib
import json
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.rendezvous import rendezvous
from torch.distributed.tensor import DTensor, distribute_tensor

from mason.errors import MasonError, RunError
from mason.models.stack import Stack
from mason.runtime import take_device
from mason.training.batches import Indices, passes
from mason.training.world import Ask, Item, Made, Module, World

_PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others in one operation: checkpoints are written meanwhile."""
_LEAVE_SECONDS, _LOOK_SECONDS = 5.0, 0.02
_ROOT = "shared_root"


class Processes(World):
    """Several processes; each makes one of these and calls the same methods in the same order."""

    def __init__(self) -> None:
        take_device()
        store, self.rank, self.size = next(rendezvous("env://", timeout=_PATIENCE))
        self._store = PrefixStore(_agreed_name(store, self.rank, self.size), store)
        try:
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
                store=self._store,
                rank=self.rank,
                world_size=self.size,
                timeout=_PATIENCE,
            )
        except RuntimeError as error:
            raise _lost() from error
        self._num_made = 0

    def first(self, make: Callable[[], Made]) -> Made:
        """Through torchrun's store, where the others may wait for hours."""
        self._num_made += 1
        key = f"made/{self._num_made}"
        if self.is_first:
            try:
                text = json.dumps({"made": make()})
            except BaseException as error:
                self._store.set(key, json.dumps(_failure(error)))
                raise
            self._store.set(key, text)
        told = json.loads(text if self.is_first else _read(self._store, key))
        if "failed" in told:
            failed = RunError("{reason}", reason=told["failed"])
            failed.told, failed.exit_code = True, told["code"]
            raise failed
        made: Made = told["made"]
        return made

    def after_first(self, make: Callable[[], Made]) -> Made:
        """The first process makes its own before the others begin."""
        made: list[Made] = []
        self.first(lambda: made.append(make()))
        return made[0] if made else make()

    def total(self, value: float) -> float:
        """Equal to the last bit in all processes."""
        found = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(found, dist.ReduceOp.SUM)
        return float(found)

    def highest(self, value: int) -> int:
        """The highest of all processes' values."""
        found = torch.tensor(value)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return int(found)

    def rounds(self, items: Sequence[Item]) -> list[tuple[Item, bool]]:
        """Every ``size``-th item."""
        mine = items[self.rank :: self.size]
        return _filled(mine, -(-len(items) // self.size), items[0])

    def passes(
        self, batch: Sequence[int] | Indices, lengths: Sequence[int], budget: int
    ) -> list[tuple[list[int], bool]]:
        """Every ``size``-th example in the order of length, so that all read about as much."""
        ordered = sorted((int(i) for i in batch), key=lambda i: lengths[i])
        dealt = [
            list(passes(ordered[rank :: self.size], lengths, budget)) for rank in range(self.size)
        ]
        return _filled(dealt[self.rank], max(map(len, dealt)), ordered[:1])

    def share(self, model: Module, device: torch.device) -> Module:
        """A model of DTensors with the first process's weights; the given one is left empty.

        Raises:
            RunError: Processes cannot share a model on this kind of device.
        """
        if device.type not in ("cpu", "cuda"):
            raise RunError(
                "Several processes cannot share a model on {device}; choose "
                "--training.device cpu, or start one process.",
                device=device.type,
            )
        for tensor in (*model.parameters(), *model.buffers()):
            dist.broadcast(tensor.detach(), 0)
        parameters = list(model.parameters())
        shared = copy.deepcopy(model, {id(p): p for p in parameters})
        mesh = init_device_mesh(device.type, (self.size,))
        for stack in [m for m in shared.modules() if isinstance(m, Stack)]:
            for layer in stack.layers:
                fully_shard(layer, mesh=mesh)
        root = _Learning(shared)
        fully_shard(root, mesh=mesh, reshard_after_forward=False)
        for module in root.modules():
            if isinstance(module, FSDPModule):
                # The sum, not the mean: a step divides by the targets of all processes.
                module.set_gradient_divide_factor(1.0)
                module.set_force_sum_reduction_for_comms(True)
        for parameter in parameters:
            parameter.data = parameter.data.new_empty(0)
        shared.__dict__[_ROOT] = root  # no submodule: it would hold itself
        return shared

    def ask(self, what: Ask[Made], model: nn.Module, run: Sequence[int]) -> Made:
        """Within the root's forward, where whatever an objective calls finds whole weights."""
        root = model.__dict__[_ROOT]
        answer: Made = root(what, run)
        if not torch.is_grad_enabled():  # else the backward pass does it
            root.reshard()
        return answer

    def whole(self, shared: nn.Module, model: nn.Module) -> None:
        """In every process: each can go on with the model by itself."""
        pairs = zip(model.named_parameters(), shared.named_parameters(), strict=True)
        for (name, parameter), (same, part) in pairs:
            assert name == same, "one model"
            parameter.data = _full(part)
        model.to(next(shared.parameters()).device)

    def gather(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """One after another, into the first process's ordinary memory."""
        found = {}
        for name, tensor in tensors.items():
            full = _full(tensor)
            if self.is_first:
                found[name] = full.cpu()
        return found

    def cut(self, whole: Tensor, like: Tensor) -> Tensor:
        """Nothing is sent."""
        return _distributed(whole, like, None)

    def spread(self, whole: Tensor | None, like: Tensor) -> Tensor:
        """The first process sends each of the others its part."""
        given = torch.empty(like.shape, dtype=like.dtype) if whole is None else whole
        return _distributed(given, like, 0)

    def leave(self) -> None:
        """End a run that went well; all processes together."""
        dist.barrier()
        dist.destroy_process_group()

    def fail(self, error: BaseException) -> BaseException:
        """End a run that did not; what to raise."""
        lost = _is_lost(error)
        if lost:
            error = _lost()
        with suppress(RuntimeError):  # the store ends with the process or machine that holds it
            if isinstance(error, MasonError) and not error.told:
                # Said once, and not at all where it only follows from what another one says.
                digest = hashlib.sha256(str(error).encode()).hexdigest()
                others, same = (self._store.add(f"told/{key}", 1) for key in ("", digest))
                error.told = (others if lost else same) > 1
            self._store.add("left", 1)
            patience = time.monotonic() + _LEAVE_SECONDS
            while self.is_first and time.monotonic() < patience:  # it may hold the store
                if self._store.add("left", 0) == self.size:
                    break
                time.sleep(_LOOK_SECONDS)
        return error


def _agreed_name(store: Store, rank: int, size: int) -> str:
    """A name for what these processes write, which none before them had.

    torchrun keeps its store when it starts processes again, with all that those before them
    wrote, so each answers only to what it was itself asked.
    """
    own, others = uuid.uuid4().hex, range(1, size)
    if rank:
        store.set(f"mason/here/{rank}", own)
        name = _read(store, f"mason/name/{own}").decode()
        store.set(f"mason/agreed/{name}/{rank}", "")
        return name
    patience = time.monotonic() + _PATIENCE.total_seconds()
    while not all(store.check([f"mason/agreed/{own}/{other}"]) for other in others):
        for here in (f"mason/here/{other}" for other in others):
            if store.check([here]):
                store.set(f"mason/name/{store.get(here).decode()}", own)
        if time.monotonic() > patience:
            raise _lost()
        time.sleep(_LOOK_SECONDS)
    return own


def _read(store: Store, key: str) -> bytes:
    """What another process writes, now or later."""
    while not store.check([key]):  # in between, Python hears signals
        time.sleep(_LOOK_SECONDS)
    found: bytes = store.get(key)
    return found


class _Learning(nn.Module):
    """The root that FSDP shares out: all that an objective asks is its forward."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, what: Ask[Made], run: Sequence[int]) -> Made:
        answer: Made = what(self.model, run)
        return answer


def _lost() -> RunError:
    return RunError(
        "Another process of this run has ended, and so has this one; start the run again: it goes "
        "on from its newest checkpoint."
    )


def _failure(error: BaseException) -> dict[str, object]:
    known = isinstance(error, MasonError)
    return {"failed": str(error), "code": error.exit_code if known else 1}  # type: ignore[attr-defined]


def _is_lost(error: BaseException) -> bool:
    """Whether it comes from another process's end."""
    kinds = ("gloo", "NCCL", "Connection")
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(kind in str(error) for kind in kinds)
    )


def _filled(mine: Sequence[Item], num: int, idle: Item) -> list[tuple[Item, bool]]:
    return [(item, True) for item in mine] + [(idle, False)] * (num - len(mine))


def _full(tensor: Tensor) -> Tensor:
    tensor = tensor.detach()
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _distributed(whole: Tensor, like: Tensor, source: int | None) -> Tensor:
    whole = whole.to(like.device)
    if isinstance(like, DTensor):
        return distribute_tensor(whole, like.device_mesh, like.placements, src_data_rank=source)
    if source is not None:
        dist.broadcast(whole, source)
    return whole
