"""Names of Google's original BERT checkpoints as Hugging Face's."""

import re
from collections.abc import Callable
from functools import partial

from torch import Tensor

from mason.models.files import LazyTensor, Weights

_NAMES = {
    "cls/predictions/output_bias": "cls.predictions.bias",
    "cls/seq_relationship/output_weights": "cls.seq_relationship.weight",
    "cls/seq_relationship/output_bias": "cls.seq_relationship.bias",
    "cls/squad/output_weights": "qa_outputs.weight",
    "cls/squad/output_bias": "qa_outputs.bias",
    "output_weights": "classifier.weight",
    "output_bias": "classifier.bias",
}
_LEAVES = {"kernel": "weight", "gamma": "weight", "beta": "bias"}
_OF_TRAINING = re.compile(r"(^|/)(adam_[mv]|Adam(_\d+)?|global_step|beta[12]_power)$")
"""What an optimiser keeps."""


def from_tensorflow(weights: Weights) -> Weights:
    """The weights of a checkpoint of ``google-research/bert`` under Hugging Face's names.

    A dense layer's kernel lies the other way round there.
    """
    tensors = {
        _named(name): _turned(lazy) if name.endswith("/kernel") else lazy
        for name, lazy in weights.tensors.items()
        if not _OF_TRAINING.search(name)
    }
    return Weights(tensors)


def _named(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    path, _, leaf = name.rpartition("/")
    leaf = _LEAVES.get(leaf, leaf) + (".weight" if leaf.endswith("_embeddings") else "")
    return re.sub(r"\blayer_(\d+)\b", r"layer.\1", f"{path}/{leaf}").replace("/", ".")


def _turned(lazy: LazyTensor) -> LazyTensor:
    read = partial(_transposed, lazy.read)
    return LazyTensor(lazy.shape[::-1], lazy.dtype, lazy.source, read)


def _transposed(read: Callable[[], Tensor]) -> Tensor:
    return read().t().contiguous()
