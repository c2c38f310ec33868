"""Files of models: safetensors, GGUF and ``config.json``, read with suspicion, written once."""

from mason.models.files.config import read_config, write_json
from mason.models.files.lazy import LazyTensor
from mason.models.files.manifest import MANIFEST, is_ours, read_manifest, verify_manifest
from mason.models.files.rounded import write_rounded
from mason.models.files.shards import write_file, write_weights
from mason.models.files.strict_json import read_json
from mason.models.files.weights import Weights, num_weight_bytes, open_weights
from mason.models.files.writing import (
    claim_folder,
    make_folder,
    release_folder,
    sync,
    write_json_durably,
    writing_folder,
)

__all__ = [
    "MANIFEST",
    "LazyTensor",
    "Weights",
    "claim_folder",
    "is_ours",
    "make_folder",
    "num_weight_bytes",
    "open_weights",
    "read_config",
    "read_json",
    "read_manifest",
    "release_folder",
    "sync",
    "verify_manifest",
    "write_file",
    "write_json",
    "write_json_durably",
    "write_rounded",
    "write_weights",
    "writing_folder",
]
