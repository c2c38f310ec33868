"""What a pretraining run leaves in ``results.json``."""

import math
import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from torch import nn

from mason import language
from mason.data.corpora.store import TokenStore
from mason.evaluation.language import (
    bytes_per_token,
    held_scores,
    unigram_loss,
)
from mason.language import say
from mason.models.families import Family
from mason.models.transformer import Transformer, device_of, num_parameters
from mason.runtime import machine, peak_memory_bytes
from mason.settings import Settings
from mason.tasks.pretraining import MaskedLanguage
from mason.text import Tokenizer
from mason.training.history import History
from mason.training.recipe import Recipe
from mason.workflows.objectives import OBJECTIVES
from mason.workflows.results import mason_version


def learned_by(
    network: nn.Module, tokenizer: Tokenizer, store: TokenStore, held: Any, objective: str
) -> dict[str, Any]:
    """What the model does on held-out text, and what it read."""
    goal = OBJECTIVES[objective]
    if isinstance(held, MaskedLanguage):
        held.question = 0.0  # the loss told is the tokens' alone
    scores = held_scores(network, held)
    loss = scores.pop("valid_loss")
    told: dict[str, Any] = {
        "objective": objective,
        "paper": goal.paper,
        "held_loss": loss,
        "unigram_loss": unigram_loss(store),
        **scores,
        "corpus": asdict(store.counts),
        "vocabulary": tokenizer.num_tokens,
    }
    if objective in ("causal", "infilling"):
        told["bits_per_byte"] = loss / math.log(2) / bytes_per_token(tokenizer, store)
    return told


def results_of(
    settings: Settings,
    network: Transformer,
    family: Family,
    history: History,
    recipe: Recipe,
    told: Mapping[str, Any],
) -> dict[str, Any]:
    """All of it but command and seconds."""
    tokens, busy = (sum(getattr(s, name) for s in history.steps) for name in ("tokens", "seconds"))
    return {
        "version": 1,
        "kind": "pretrain",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "mason": mason_version(),
        "language": language.current(),
        "task": {"name": str(settings.task)},
        "model": {
            "source": settings.model.source or say("random weights"),
            "family": family.name,
            "topology": network.spec.topology,
            "parameters": num_parameters(network),
        },
        "pretraining": {**told, "tokens_seen": tokens},
        "training": {
            "steps": [step.plain() for step in history.steps],
            "evaluations": [asdict(e) for e in history.evaluations],
            "best_step": history.best.step if history.best else None,
            "last_step": history.step,
            "stopped": history.stopped,
        },
        "cost": {
            "tokens_per_second": tokens / busy if busy else None,
            "product_share": history.pace.share(tokens / busy) if history.pace and busy else None,
            "peak_memory_bytes": peak_memory_bytes(),
        },
        "recipe": {
            "settings": settings.model_dump(exclude_none=True),
            "resolved": asdict(recipe),
        },
        "machine": machine() | {"device": str(device_of(network))},
        "versions": {"python": platform.python_version(), "torch": version("torch")},
    }
