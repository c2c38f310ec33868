"""Forecast against measured peak memory and time: each configuration trains in a fresh process."""

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from benchmarks.report import Goal, Row, Table, publish
from mason.workflows.needs import MARGIN


@dataclass(frozen=True)
class Case:
    """One configuration: a shape, a recipe and lengths."""

    family: str
    width: int
    depth: int
    batch_size: int
    lengths: tuple[int, int]
    """Shortest and longest; log-uniform between."""
    dropout: float = 0.1
    tokens_per_pass: int = 16384
    vocabulary: int = 30522

    @property
    def name(self) -> str:
        """In short."""
        low, high = self.lengths
        return (
            f"{self.family} {self.depth}×{self.width}, {self.batch_size} × {low}–{high}, "
            f"dropout {self.dropout:g}, pass {self.tokens_per_pass}"
        )


CASES = (
    Case("bert", 384, 6, 32, (5, 128)),
    Case("bert", 384, 6, 32, (5, 128), dropout=0.0),
    Case("bert", 384, 6, 32, (5, 128), tokens_per_pass=512),
    Case("bert", 384, 6, 16, (256, 256)),
    Case("bert", 384, 12, 8, (512, 512), dropout=0.0),
    Case("bert", 768, 4, 16, (16, 256)),
    Case("bert", 768, 12, 8, (32, 128)),
    Case("bert", 768, 12, 8, (128, 128), dropout=0.0, tokens_per_pass=256),
    Case("modernbert", 384, 6, 16, (16, 256), dropout=0.0),
    Case("albert", 768, 6, 16, (16, 128)),
    Case("gpt2", 384, 6, 16, (16, 256)),
    Case("gpt2", 384, 6, 16, (16, 256), dropout=0.0),
    Case("gpt2", 768, 12, 4, (64, 256)),
    Case("gpt2", 768, 6, 4, (512, 512), dropout=0.0),
    Case("gpt2", 256, 4, 64, (8, 64)),
    Case("llama", 384, 6, 16, (16, 256), dropout=0.0),
    Case("llama", 576, 12, 8, (64, 256), dropout=0.0),
    Case("llama", 384, 6, 8, (512, 512), dropout=0.0, tokens_per_pass=1024),
    Case("qwen3", 384, 6, 16, (16, 128), dropout=0.0, vocabulary=100000),
    Case("t5", 384, 4, 16, (16, 128)),
    Case("t5", 512, 6, 8, (64, 256), dropout=0.0),
    Case("bart", 384, 4, 16, (16, 128)),
    Case("bart", 512, 6, 8, (128, 256), dropout=0.0),
    Case("t5", 384, 4, 32, (8, 64), tokens_per_pass=512),
)


def _config(case: Case) -> dict[str, Any]:
    heads = case.width // 64 if case.width % 64 == 0 else 6
    shape = {
        "hidden_size": case.width,
        "num_hidden_layers": case.depth,
        "num_attention_heads": heads,
        "intermediate_size": 4 * case.width,
        "max_position_embeddings": 1024,
        "vocab_size": case.vocabulary,
    }
    own: dict[str, dict[str, Any]] = {
        "gpt2": {"n_embd": case.width, "n_layer": case.depth, "n_head": heads, "n_positions": 1024},
        "t5": {
            "d_model": case.width,
            "num_layers": case.depth,
            "num_heads": heads,
            "d_ff": 4 * case.width,
        },
        "bart": {
            "d_model": case.width,
            "encoder_layers": case.depth,
            "decoder_layers": case.depth,
            "encoder_attention_heads": heads,
            "decoder_attention_heads": heads,
            "encoder_ffn_dim": 4 * case.width,
            "decoder_ffn_dim": 4 * case.width,
            "max_position_embeddings": 1024,
        },
    }
    vocabulary = {"vocab_size": case.vocabulary}
    extra = own.get(case.family)
    small = {"llama", "qwen3"} & {case.family}
    shape |= {"num_key_value_heads": heads, "head_dim": case.width // heads} if small else {}
    return {"model_type": case.family, **(extra | vocabulary if extra else shape)}


def run(case: Case, num_steps: int) -> dict[str, float]:
    """In a fresh process: forecast, then train and look."""
    import numpy as np
    import torch

    from mason.models.checkpoints import spec_of
    from mason.models.transformer import Transformer, set_dropout
    from mason.runtime import keep_freed_memory, peak_memory_bytes, resident_bytes
    from mason.tasks.classification import ClassificationObjective, Examples
    from mason.training.forecast import forecast, measure_speed
    from mason.training.loop import fit
    from mason.training.recipe import Recipe

    keep_freed_memory()
    spec = replace(spec_of(_config(case), ("classification",)), labels=("a", "b"))
    low, high = np.log(case.lengths)
    random = np.random.default_rng(1)
    lengths = np.exp(random.uniform(low, high, 16 * case.batch_size)).round().astype(int)
    tokens = [random.integers(10, 1000, n).tolist() for n in lengths]
    objective = ClassificationObjective(Examples(tokens, None, [n % 2 for n in range(len(tokens))]))
    recipe = Recipe(
        batch_size=case.batch_size, max_steps=num_steps, tokens_per_pass=case.tokens_per_pass
    )
    start = time.perf_counter()
    with torch.device("meta"):
        shape = Transformer(spec)
    set_dropout(shape, case.dropout)
    told = forecast(shape, objective, recipe)
    looking = time.perf_counter() - start
    speed = measure_speed(case.width, torch.float32)
    model = Transformer(spec)
    set_dropout(model, case.dropout)
    base = resident_bytes() - told.weight_bytes
    start = time.perf_counter()
    fit(model, objective, recipe)
    seconds = time.perf_counter() - start
    return {
        "forecast": base + told.peak,
        "measured": peak_memory_bytes(),
        "base": base,
        "seconds_forecast": told.seconds(speed),
        "seconds": seconds,
        "looking": looking,
        **{f"memory_{k}": v for k, v in told.memory.items()},
    }


def _fresh(case: Case, num_steps: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.forecast", "--case", json.dumps(asdict(case))]
    done = subprocess.run(
        [*command, "--steps", str(num_steps)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    """Every case, or the one given as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", help="one configuration as JSON; for this program's own use")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args()
    if given.case:
        values = json.loads(given.case)
        case = Case(**values | {"lengths": tuple(values["lengths"])})
        print(json.dumps(run(case, given.steps)))
        return 0
    rows, errors, times, extras = [], [], [], []
    for case in CASES:
        found = _fresh(case, given.steps)
        error = found["forecast"] / found["measured"] - 1
        errors.append(error)
        extras.append((found["forecast"] - found["base"]) / (found["measured"] - found["base"]) - 1)
        times.append(found["seconds_forecast"] / found["seconds"])
        rows.append(
            [
                case.name,
                f"{found['forecast'] / 1e9:.2f}",
                f"{found['measured'] / 1e9:.2f}",
                f"{error:+.1%}",
                f"{extras[-1]:+.1%}",
                f"{times[-1]:.2f}",
                f"{found['looking']:.1f}",
            ]
        )
        print(rows[-1], flush=True)
    return 0 if _publish(rows, errors, extras, times, save=given.save) else 1


def _publish(
    rows: list[list[str]],
    errors: list[float],
    extras: list[float],
    times: list[float],
    *,
    save: bool,
) -> bool:
    sizes = [abs(error) for error in errors]
    measures = [
        Row("error of the peak, median", statistics.median(sizes), goal=Goal("≤", 0.1)),
        Row("error of the peak, worst", max(sizes), goal=Goal("≤", 0.2)),
        Row(
            "runs that needed more than forecast and margin",
            sum(1 for error in errors if (1 + error) * MARGIN < 1),
            goal=Goal("≤", 0),
        ),
        Row("error without the process, median", statistics.median(map(abs, extras))),
        Row("error without the process, worst", max(map(abs, extras))),
        Row("seconds forecast over measured, median", statistics.median(times)),
    ]
    columns = ("configuration", "forecast GB", "measured GB", "error", "without the process")
    cases = Table("Peak memory", (*columns, "time ÷ measured", "s to forecast"), rows)
    summary = Table.of("Summary", measures)
    return publish("forecast", measures, tables=[cases, summary], notes=NOTES, save=save)


NOTES = """\
Each configuration trains real steps in a process of its own; the forecast is made before,
from the shape alone. Measured: the most memory the process held (`VmHWM`), interpreter
and PyTorch included; "without the process" leaves out what was held before the first step.
"""


if __name__ == "__main__":
    sys.exit(main())
