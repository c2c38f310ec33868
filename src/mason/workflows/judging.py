"""A language model as a judge of how likely texts are."""

from collections.abc import Sequence

from mason.security.memory import losses
from mason.security.outliers import Nats
from mason.workflows.loading import load
from mason.workflows.writer import Writer

JUDGE = "SmolLM2-135M-Instruct"
"""Listens to texts where the user names no other."""


def nats_of(source: str) -> Nats:
    """The mean loss of a text's tokens by a model that writes.

    Raises:
        MasonError: It cannot be loaded, or does not write.
    """
    judge = load(source, task=Writer.task)
    assert isinstance(judge, Writer), "the task decides the class"
    judge.network.eval()
    special = judge.tokenizer.special
    start = special.bos if special.bos is not None else special.eos
    most = judge.network.spec.max_tokens

    def nats(texts: Sequence[str]) -> list[float]:
        # A text's first word is guessed too, from what begins texts.
        before = [] if start is None else [start]
        ids = judge.tokenizer.encode_ids(texts, special=False)
        return losses(judge.network, [[*before, *one][:most] for one in ids])

    return nats
