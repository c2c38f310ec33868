"""A model larger than memory would like: a folder of shards is rounded, writes, and learns (QLoRA).

``--shape 7b`` is Llama 2 7B with random weights in bf16, in shards, of which no weight exists
before it is asked for. Each part is a process of its own, whose most memory counts:

1. ``mason compress --weights int4`` and ``int8``: at most 2 GB over what comes of it;
2. ``mason complete`` of the model in 4 bits: seconds a token;
3. three steps of QLoRA on conversations of random tokens: most memory beside the forecast.

``7b`` takes 25 GB of disk and, on one core, about 40 minutes; ``1b`` 4 GB and 6 minutes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.report import Goal, Row, collect, publish
from mason.models.checkpoints import spec_of
from mason.models.families import find_family
from mason.models.files import write_file, write_json
from mason.models.saving import export_tensors
from mason.models.transformer import Transformer
from mason.text import Tokenizer
from mason.text.trainers import train_tokenizer

TEXTS = ["The old fisherman rowed out before the sun was up.", "什么？" * 3]
BESIDE = 2.0
"""GB that rounding may need beside its output."""
NEW_TOKENS, NUM_STEPS = 8, 3
Shape = Mapping[str, int]


def _llama(width: int, depth: int, heads: int, inner: int, vocabulary: int) -> Shape:
    return {
        "hidden_size": width,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "intermediate_size": inner,
        "vocab_size": vocabulary,
    }


SHAPES = {
    "7b": _llama(4096, 32, 32, 11008, 32000),
    "1b": _llama(2048, 20, 16, 5504, 32000),
    "tiny": _llama(64, 3, 4, 96, 320),
    "100m": _llama(1024, 7, 16, 2816, 2000),
}


def write_random(folder: Path, shape: Shape, num_shards: int = 4) -> int:
    """Write a Llama of random weights in bf16 as Hugging Face does, shard by shard; its bytes."""
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], **shape}
    config |= {"max_position_embeddings": 4096, "tie_word_embeddings": False}
    write_json(folder / "config.json", config)
    tokenizer().save(folder)
    with torch.device("meta"):
        network = Transformer(spec_of(config))
    named = export_tensors(network, find_family(config, folder))
    total = sum(2 * t.numel() for t in named.values())
    shards: list[list[str]] = [[]]
    written = 0
    for name, tensor in named.items():
        if written > total * len(shards) / num_shards:
            shards.append([])
        shards[-1].append(name)
        written += 2 * tensor.numel()
    places = {}
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        write_file(folder / file, {name: _drawn(named[name].shape) for name in names})
        places |= dict.fromkeys(names, file)
    write_json(
        folder / "model.safetensors.index.json",
        {"metadata": {"total_size": total}, "weight_map": places},
    )
    return total


def tokenizer() -> Tokenizer:
    """A small one: token ids above its own are never asked for."""
    return train_tokenizer(TEXTS, kind="byte-bpe", vocab_size=300)


def _drawn(shape: torch.Size) -> torch.Tensor:
    if len(shape) == 1:
        return torch.ones(shape, dtype=torch.bfloat16)
    return torch.empty(shape, dtype=torch.bfloat16).normal_(std=0.02)


def rounding(source: Path, output: Path, weights: Any) -> dict[str, float]:
    """Round a folder; what came of it in bytes."""
    from mason.workflows.rounding import round_alone

    round_alone(source, output, weights=weights)
    return {"bytes": sum(p.stat().st_size for p in output.iterdir())}


def writing(source: Path) -> dict[str, float]:
    """Let a rounded model write; seconds a token."""
    from mason.workflows import Sampling, Writer, load

    writer = load(source, task="generation")
    assert isinstance(writer, Writer)
    times = []
    for count in (1, 1, 1 + NEW_TOKENS):  # the first one finds the weights on the disk
        begun = time.perf_counter()
        found = writer.generate(TEXTS[0], Sampling(max_new_tokens=count, stop_tokens=()))
        times.append(time.perf_counter() - begun)
    assert len(found.tokens) == 1 + NEW_TOKENS
    return {"seconds": (times[2] - times[1]) / NEW_TOKENS}


def learning(source: Path) -> dict[str, float]:
    """Forecast and take steps of QLoRA on conversations of random tokens."""
    from mason.runtime import keep_freed_memory
    from mason.settings import load_settings
    from mason.tasks.dialogue import Conversations
    from mason.training.loop import fit
    from mason.training.recipe import Recipe
    from mason.workflows import jobs
    from mason.workflows.adapting import adapt, held_base, recomputes
    from mason.workflows.needs import look_first
    from mason.workflows.opening import Chosen
    from mason.workflows.tasks import find_task
    from mason.workflows.writer import load_writer

    keep_freed_memory()
    given = {"adapter.kind": "lora", "adapter.base_bits": 4}
    settings, device = load_settings(overrides=given).settings, torch.device("cpu")
    model = load_writer(source, Chosen(str(source), held=held_base(settings)))
    adapt(model, settings, device)
    draw = torch.Generator().manual_seed(1)
    rows = [torch.randint(3, 250, (n,), generator=draw).tolist() for n in (64, 48, 32, 57) * 3]
    talks = Conversations(rows, [[0] * 8 + [1] * (len(r) - 8) for r in rows], [0] * len(rows), [])
    recipe = Recipe(batch_size=2, max_steps=NUM_STEPS)
    task = find_task("dialogue")
    again = recomputes(settings, model.base_bits, print)
    job = jobs.fine_tuning(
        task, model.network, talks, None, recipe, settings.output, device, recompute=again
    )
    told: list[str] = []
    needs = look_first(job, told.append)
    assert needs is not None, told
    history = fit(model.network, task.objective(talks, recipe), needs.recipe)
    return {
        "forecast": needs.peak,
        "seconds": sum(step.seconds for step in history.steps) / NUM_STEPS,
        "loss": history.steps[-1].loss,
    }


PARTS: dict[str, Callable[..., dict[str, float]]] = {
    "rounding": rounding,
    "writing": writing,
    "learning": learning,
}


def measured(part: str, *given: Any) -> dict[str, float]:
    """A part in a process of its own: what it says, and the most memory it held."""
    command = [sys.executable, "-m", "benchmarks.large", "--part", part, *map(str, given)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _part(name: str, *given: str) -> None:
    import mason.workflows  # noqa: F401 - what every command holds is not the model's
    from mason.runtime import peak_memory_bytes, resident_bytes

    before, own_before = resident_bytes(), _own_bytes()
    paths = [Path(one) if "/" in one else one for one in given]
    begun, ended, most = time.perf_counter(), threading.Event(), [own_before]

    def watch() -> None:
        while not ended.wait(0.005):
            most.append(max(most.pop(), _own_bytes()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        found = PARTS[name](*paths)
    finally:
        ended.set()
        watcher.join()
    found |= {"peak": peak_memory_bytes(), "before": before, "took": time.perf_counter() - begun}
    print(json.dumps(found | {"own": most[0] - own_before}))


def _own_bytes() -> int:
    """Memory of this process without the pages of mapped files, which come and go by themselves."""
    from mason.runtime import resident_bytes

    status = Path("/proc/self/status")
    if not status.exists():
        return resident_bytes()
    lines = status.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon:"))


def measure(place: Path, shape: str) -> Iterator[Row]:
    """All parts, in order."""
    source = place / "random"
    source.mkdir()
    total = write_random(source, SHAPES[shape])
    yield Row("the folder, GB", total / 1e9)
    for weights in ("int8", "int4"):
        output = place / weights
        found = measured("rounding", source, output, weights)
        beside = found["peak"] - found["before"] - found["bytes"]
        yield Row(f"{weights}: bytes, GB", found["bytes"] / 1e9)
        yield Row(f"{weights}: memory over them, GB", beside / 1e9, goal=Goal("≤", BESIDE))
        own = (found["own"] - found["bytes"]) / 1e9
        yield Row(f"{weights}: the same without pages of mapped files, GB", own)
        yield Row(f"{weights}: seconds to round and write", found["took"])
    found = measured("writing", place / "int4")
    yield Row("int4: seconds a token", found["seconds"])
    found = measured("learning", source)
    own = found["before"] + found["own"]
    yield Row("QLoRA: most memory, GB", found["peak"] / 1e9, goal=Goal("≤", 24.0))
    yield Row("QLoRA: the same without pages of mapped files, GB", own / 1e9)
    yield Row("QLoRA: forecast, GB", found["forecast"] / 1e9)
    error = abs(found["forecast"] / found["peak"] - 1)
    yield Row("QLoRA: error of the forecast", error, goal=Goal("≤", 0.1))
    yield Row("QLoRA: error without pages of mapped files", abs(found["forecast"] / own - 1))
    yield Row("QLoRA: seconds a step", found["seconds"])


def main() -> int:
    """The whole, or the part that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="1b")
    parser.add_argument("--place", type=Path, help="a folder for the files; else a temporary one")
    parser.add_argument("--part", nargs="+", help="for this program's own use")
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args()
    if given.part:
        _part(*given.part)
        return 0
    if given.place is not None:
        given.place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given.place) as place:
        rows = collect({given.shape: partial(measure, Path(place), given.shape)})
    return 0 if publish("large", rows, notes=f"Shape: {given.shape}.", save=given.save) else 1


if __name__ == "__main__":
    sys.exit(main())
