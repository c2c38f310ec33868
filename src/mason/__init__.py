"""Mason: raw text to a pretrained Transformer to a model for your task."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mason.workflows import (
        Classifier,
        Constraint,
        Generated,
        Model,
        Prediction,
        Run,
        Sampling,
        ShortList,
        Writer,
        advise,
        attack,
        check,
        compare,
        compress,
        evaluate,
        harden,
        load,
        plan,
        pretrain,
        resume,
        train,
        tune,
    )

__all__ = [
    "Classifier",
    "Constraint",
    "Generated",
    "Model",
    "Prediction",
    "Run",
    "Sampling",
    "ShortList",
    "Writer",
    "advise",
    "attack",
    "check",
    "compare",
    "compress",
    "evaluate",
    "harden",
    "load",
    "plan",
    "pretrain",
    "resume",
    "train",
    "tune",
]


def __getattr__(name: str) -> Any:
    """Import the workflows, and torch with them, when one is first asked for."""
    if name in __all__:
        from mason import workflows

        return getattr(workflows, name)
    raise AttributeError(f"module 'mason' has no attribute {name!r}")
