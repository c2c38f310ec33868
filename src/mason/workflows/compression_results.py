"""What a search for a smaller model leaves in ``results.json``."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mason.compression import Tried, Verdict, pareto
from mason.compression.verdict import CONFIDENCE, Scores
from mason.language import say
from mason.layers import native
from mason.metrics.comparison import paired_bootstrap
from mason.metrics.groups import Groups
from mason.models.eight_bits import in_eight_bits
from mason.models.few_bits import held_in_few_bits
from mason.runtime import peak_memory_bytes
from mason.workflows import results as blocks
from mason.workflows.model import Model
from mason.workflows.shrinking import Built, Shrinker


@dataclass(frozen=True)
class Test:
    """What the test rows are worth of the original and of the chosen model, and what it means."""

    before: Scores
    after: Scores
    verdict: Verdict


def results_of(
    shrinker: Shrinker,
    made: Model,
    chosen: Tried,
    tried: list[Tried],
    test: Test,
    command: str | None,
) -> dict[str, Any]:
    """What ``results.json`` holds.

    Args:
        shrinker: What built the combinations.
        made: The chosen one.
        chosen: The same, as it was measured.
        tried: All of them.
        test: The chosen one on the test rows.
        command: How to repeat it.
    """
    prepared, task = shrinker.prepared, shrinker.task
    block = _block(shrinker, made, chosen, tried, test)
    columns, tables = prepared.columns, prepared.tables
    examples = task.examples(made, tables["test"], columns)
    results = blocks.header("compress", task.describe(made, columns), made, command)
    lengths = task.num_tokens(made, tables["test"], columns, examples)
    num_cut = task.num_cut(made, lengths, examples)
    results["data"] = blocks.data_block(prepared, lengths, made.max_tokens, num_cut)
    results["evaluation"] = task.measure(made, prepared, "test", examples)
    needs = chosen.made.footprint
    results["cost"] = {
        "peak_memory_bytes": peak_memory_bytes(),
        "model_bytes": needs.num_bytes,
        "latency_ms": {"p50": needs.p50, "p99": needs.p99},
    }
    results["compression"] = block
    results["recipe"] = {"settings": shrinker.settings.model_dump(exclude_none=True)}
    return results


def _block(
    shrinker: Shrinker, made: Model, chosen: Tried, tried: list[Tried], test: Test
) -> dict[str, Any]:
    without = [shrinker.attempt(rungs) for rungs in chosen.rungs.left_out(shrinker.whole)]
    front, unit = pareto([*tried, *without]), shrinker.unit
    everything = list({one.rungs: one for one in [*tried, *without]}.values())
    return {
        "max_drop": shrinker.budget.max_drop,
        "proven": shrinker.budget.proven,
        "confidence": CONFIDENCE,
        "engine": _engine(made),
        "score": shrinker.score,
        "unit": unit,
        "rows": len(shrinker.original.scores),
        "original": _original(shrinker.original, unit, shrinker.groups["valid"]),
        "tried": [
            _row(one, shrinker) | {"front": one in front, "chosen": one is chosen}
            for one in everything
        ],
        "left_out": [_row(one, shrinker) for one in without],
        "test": {
            "rows": len(test.after),
            "original": float(test.before.mean()) * unit,
            "score": float(test.after.mean()) * unit,
            **_verdict(test.verdict),
        },
    }


def _original(built: Built, unit: float, groups: Groups | None) -> dict[str, Any]:
    values = built.scores * unit
    nothing = np.zeros(len(values))
    score = paired_bootstrap(nothing, values, groups=groups, confidence=CONFIDENCE)
    return {**asdict(built.footprint), "score": asdict(score)}


def _row(tried: Tried, shrinker: Shrinker) -> dict[str, Any]:
    return {
        "what": tried.rungs.words(shrinker.whole),
        **asdict(tried.rungs),
        **asdict(tried.made.footprint),
        "score": tried.score * shrinker.unit,
        **_verdict(tried.verdict),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "difference": asdict(verdict.difference),
        "p_value": verdict.p_value,
        "accepted": verdict.accepted,
        "why": verdict.sentence,
    }


def _engine(model: Model) -> str:
    """What computes the model, as it is printed."""
    library, stack = native.library(), model.network.encoder
    if stack is not None and stack.program is not None and library is not None:
        return say("all layers in one call of Mason's kernels ({set})", set=library.variant)
    if in_eight_bits(model.network):
        return say("8-bit products, layer by layer")
    if held_in_few_bits(model.network):
        return say("products with weights in few bits, layer by layer")
    return say("PyTorch, layer by layer")
