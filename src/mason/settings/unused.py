"""Settings that mean nothing to a verb: said, not passed over."""

from collections.abc import Iterable

from mason.errors import SettingsError
from mason.settings.schema import Settings

PRETRAINING_ONLY = (
    "data.weights",
    "data.deduplicate",
    "data.quality",
    "data.exclude",
    "model.shape",
    "model.tokenizer",
    "model.vocab_size",
    "training.budget",
    "training.mask_rate",
    "training.recipe",
    "training.mask_unit",
)
DIALOGUE_ONLY = ("model.chat_template", "training.loss_on")
PREFERENCE_ONLY = (
    "training.preference_loss",
    "training.preference_beta",
    "training.preference_margin",
)
RANDOM_WEIGHTS_ONLY = (
    "model.shape",
    "model.tokenizer",
    "model.vocab_size",
    "training.recipe",
)
ADAPTER_ONLY = (
    "adapter.rank",
    "adapter.alpha",
    "adapter.lora_dropout",
    "adapter.targets",
    "adapter.rank_stabilised",
    "adapter.rate_ratio",
    "adapter.virtual_tokens",
    "adapter.base_bits",
)
PRIVACY = ("training.privacy_epsilon", "training.privacy_delta")
CLASSIFICATION_ONLY = ("training.r_drop", "training.word_swaps")
EMBEDDING_ONLY = ("data.negative", "training.temperature")
FINE_TUNING_ONLY = (
    "data.valid",
    "data.test",
    "data.pair",
    "data.negative",
    "data.label",
    "data.separator",
    "data.target",
    "data.group",
    "data.columns",
    "data.test_share",
    "training.head_learning_rate",
    "training.label_smoothing",
    "training.temperature",
    "training.probe_rows",
    "adapter.kind",
    *ADAPTER_ONLY,
    "training.freeze",
    "training.freeze_layers",
    "training.layer_decay",
    "training.mixout",
    "training.reinit_layers",
    *PRIVACY,
    *CLASSIFICATION_ONLY,
    *DIALOGUE_ONLY,
    *PREFERENCE_ONLY,
)


def refuse_unused(settings: Settings, names: Iterable[str], command: str) -> None:
    """Refuse what has no meaning for a command.

    Raises:
        SettingsError: One of ``names`` is given.
    """
    for name in names:
        group, _, leaf = name.partition(".")
        if getattr(getattr(settings, group), leaf) is not None:
            raise SettingsError(
                "{setting} means nothing to {command}; leave it out.", setting=name, command=command
            )
