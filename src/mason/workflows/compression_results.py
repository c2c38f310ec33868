"""What a search for a smaller model leaves in ``results.json``."""

from dataclasses import asdict
from typing import Any

import numpy as np

from mason.compression import Rungs, Tried, Verdict, judge_drop, pareto
from mason.compression.verdict import CONFIDENCE
from mason.errors import RunError
from mason.language import say
from mason.layers import native
from mason.metrics.comparison import paired_bootstrap
from mason.models.eight_bits import in_eight_bits
from mason.runtime import peak_memory_bytes
from mason.workflows import results as blocks
from mason.workflows.classifier import Classifier
from mason.workflows.model import Model
from mason.workflows.shrinking import Built, Shrinker
from mason.workflows.tasks.classification import Classification


def results_of(
    shrinker: Shrinker, made: Model, chosen: Tried, tried: list[Tried], command: str | None
) -> dict[str, Any]:
    """What ``results.json`` holds.

    Args:
        shrinker: What built the combinations.
        made: The chosen one.
        chosen: The same, as it was measured.
        tried: All of them.
        command: How to repeat it.

    Raises:
        RunError: On the test rows the chosen one turns out to be past the budget.
    """
    prepared, task = shrinker.prepared, Classification()
    assert isinstance(made, Classifier), "as it was written"
    block = _block(shrinker, made, chosen, tried)
    columns, tables = prepared.columns, prepared.tables
    examples = task.examples(made, tables["test"], columns)
    results = blocks.header("compress", task.describe(made, columns), made, command)
    lengths = task.num_tokens(made, tables["test"], columns, examples)
    results["data"] = blocks.data_block(prepared, lengths, made.max_tokens)
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
    shrinker: Shrinker, made: Classifier, chosen: Tried, tried: list[Tried]
) -> dict[str, Any]:
    """The block ``compression``; refuses what turns out to be past the budget on the test rows."""
    before = shrinker.correct(shrinker.model, "test")
    after = shrinker.correct(made, "test")
    verdict = judge_drop(before, after, shrinker.budget)
    if verdict.difference.high < -shrinker.budget.max_drop:
        raise RunError(
            "On the {rows} test texts the chosen model {why}, more than chance explains; it is not "
            "written. Hold out more rows with data.valid-share, so that the choice is surer.",
            rows=f"{len(after):,}",
            why=verdict.sentence,
        )
    without = [shrinker.attempt(rungs) for rungs in chosen.rungs.left_out(shrinker.whole)]
    front, whole = pareto([*tried, *without]), shrinker.whole
    everything = list({one.rungs: one for one in [*tried, *without]}.values())
    return {
        "max_drop": shrinker.budget.max_drop,
        "proven": shrinker.budget.proven,
        "confidence": CONFIDENCE,
        "engine": _engine(made),
        "rows": len(shrinker.original.correct),
        "original": _original(shrinker.original),
        "tried": [
            _row(one, whole) | {"front": one in front, "chosen": one is chosen}
            for one in everything
        ],
        "left_out": [_row(one, whole) for one in without],
        "test": {
            "rows": len(after),
            "original": float(before.mean()),
            "score": float(after.mean()),
            **_verdict(verdict),
        },
    }


def _original(built: Built) -> dict[str, Any]:
    correct = built.correct
    score = paired_bootstrap(np.zeros(len(correct)), correct, confidence=CONFIDENCE)
    return {**asdict(built.footprint), "score": asdict(score)}


def _row(tried: Tried, whole: Rungs) -> dict[str, Any]:
    return {
        "what": tried.rungs.words(whole),
        **asdict(tried.rungs),
        **asdict(tried.made.footprint),
        "score": tried.score,
        **_verdict(tried.verdict),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "difference": asdict(verdict.difference),
        "p_value": verdict.p_value,
        "accepted": verdict.accepted,
        "why": verdict.sentence,
    }


def _engine(model: Classifier) -> str:
    """What computes the model, as it is printed."""
    library, stack = native.library(), model.network.encoder
    if stack is not None and stack.program is not None and library is not None:
        return say("all layers in one call of Mason's kernels ({set})", set=library.variant)
    if in_eight_bits(model.network):
        return say("8-bit products, layer by layer")
    return say("PyTorch, layer by layer")
