"""Settings: one strict, typed tree for a run, from a YAML file and the command line."""

from mason.settings.descriptions import describe
from mason.settings.load import Resolved, load_settings
from mason.settings.schema import (
    DataSettings,
    ModelSettings,
    OutputSettings,
    Settings,
    TrainingSettings,
)
from mason.settings.yaml_text import to_yaml

__all__ = [
    "DataSettings",
    "ModelSettings",
    "OutputSettings",
    "Resolved",
    "Settings",
    "TrainingSettings",
    "describe",
    "load_settings",
    "to_yaml",
]
