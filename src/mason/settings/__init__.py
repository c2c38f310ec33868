"""Settings: one strict, typed tree for a run, from a YAML file and the command line."""

from mason.settings.descriptions import describe
from mason.settings.load import Resolved, load_settings
from mason.settings.schema import (
    AdapterSettings,
    DataSettings,
    ModelSettings,
    OutputSettings,
    Settings,
    TrainingSettings,
)
from mason.settings.unused import (
    ADAPTER_ONLY,
    CLASSIFICATION_ONLY,
    DIALOGUE_ONLY,
    EMBEDDING_ONLY,
    FINE_TUNING_ONLY,
    PREFERENCE_ONLY,
    PRETRAINING_ONLY,
    PRIVACY,
    RANDOM_WEIGHTS_ONLY,
    refuse_unused,
)
from mason.settings.yaml_text import to_yaml

__all__ = [
    "ADAPTER_ONLY",
    "CLASSIFICATION_ONLY",
    "DIALOGUE_ONLY",
    "EMBEDDING_ONLY",
    "FINE_TUNING_ONLY",
    "PREFERENCE_ONLY",
    "PRETRAINING_ONLY",
    "PRIVACY",
    "RANDOM_WEIGHTS_ONLY",
    "AdapterSettings",
    "DataSettings",
    "ModelSettings",
    "OutputSettings",
    "Resolved",
    "Settings",
    "TrainingSettings",
    "describe",
    "load_settings",
    "refuse_unused",
    "to_yaml",
]
