"""What may change in a run that goes on, and what may not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mason.settings.schema import GROUPS

FREE = frozenset(
    "language output.folder output.report output.checkpoints output.checkpoint_minutes "
    "output.checkpoint_steps output.checkpoint_in_background training.device training.threads "
    "training.patience training.evaluations_per_epoch training.evaluate_steps "
    "training.recompute output.sinks".split()
)
"""Settings that do not touch what is learned."""

JUDGED_BY_CONTENT = frozenset(
    "model.source model.revision model.shape model.tokenizer model.vocab_size "
    "model.chat_template training.loss_on "
    "data.train data.valid data.test data.text data.pair data.negative "
    "data.label data.separator data.target "
    "data.group data.format data.encoding data.columns data.valid_share data.test_share "
    "data.deduplicate data.quality data.exclude".split()
)
"""Settings that may change as long as the model's shape and every example stay the same."""

FELT = frozenset(
    "training.epochs training.max_steps training.learning_rate training.head_learning_rate "
    "training.weight_decay training.warmup_share training.schedule training.decay_share "
    "training.clip_norm training.label_smoothing training.temperature "
    "training.dropout training.budget training.layer_decay adapter.rate_ratio "
    "training.r_drop training.word_swaps training.mixout".split()
)
"""Settings a person may want to change on the way; the run is then no longer the same."""

FIXED = frozenset(
    "task model.max_tokens training.seed training.batch_size training.tokens_per_batch "
    "training.privacy_epsilon training.privacy_delta "
    "training.accumulation training.optimizer training.ema_decay training.precision "
    "training.compile "
    "training.mask_rate training.mask_unit training.recipe training.probe_rows data.weights "
    "training.preference_loss training.preference_beta training.preference_margin "
    "adapter.kind adapter.rank adapter.alpha adapter.lora_dropout adapter.targets "
    "adapter.rank_stabilised adapter.virtual_tokens adapter.base_bits training.freeze "
    "training.freeze_layers training.reinit_layers".split()
)
"""Settings that decide the order of the examples or the numbers of every step."""


@dataclass
class Changes:
    """``SETTING: before → now`` for each setting that changed and matters."""

    felt: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def compare(before: Mapping[str, Any], now: Mapping[str, Any]) -> Changes:
    """The differences between two trees of settings, those left out counted as such."""
    old, new = _flat(before), _flat(now)
    found = Changes()
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) == new.get(path) or path in FREE | JUDGED_BY_CONTENT:
            continue
        told = f"{path}: {old.get(path, '-')} → {new.get(path, '-')}"
        # The budget of a private run is counted for the run as it began.
        may = path in FELT and "training.privacy_epsilon" not in new
        (found.felt if may else found.refused).append(told)
    return found


def _flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if name in GROUPS and isinstance(value, Mapping):
            flat |= {f"{name}.{leaf}": inner for leaf, inner in value.items()}
        else:
            flat[name] = value
    return flat
