"""The proof of an export: the same inputs through the model and what was written of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mason.errors import MasonError
from mason.export.subject import Inputs, Outputs, Subject

NUM_INPUTS = 64
"""Texts that go through both sides."""
TOGETHER = 8
"""Texts of a padded batch, on the way that shows that batches and lengths are free."""
Run = Callable[[Inputs], Outputs]


class ParityError(MasonError):
    """What was written does not give what the model gives."""


@dataclass(frozen=True)
class Tolerance:
    """What an artefact may differ by.

    Attributes:
        share: The largest difference, as a share of the spread of the model's outputs (the
            largest less the smallest).
        agreement: The least share of equal answers.
    """

    share: float
    agreement: float


EXACT = Tolerance(share=1e-3, agreement=0.98)
"""For fp32: only the order of sums differs. Answers may differ where two are as likely."""
ROUNDED = Tolerance(share=0.15, agreement=0.95)
"""For weights of 8 bits."""


@dataclass(frozen=True)
class Artefact:
    """Something that was written and can be run.

    Attributes:
        runtime: What runs it, for people.
        run: Runs it on a padded batch.
        num_bytes: Of its files that hold the model.
        tolerance: What it may differ by.
        finish: Writes what was measured into it.
        close: Ends what ran it.
    """

    runtime: str
    run: Run
    num_bytes: int
    tolerance: Tolerance
    finish: Callable[["Proof"], None] = lambda proof: None
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Proof:
    """What was measured.

    Attributes:
        runtime: What ran the artefact.
        num_inputs: Texts.
        origin: Where they are from.
        delta: The largest difference of two outputs.
        allowed: What it might have been.
        agreement: Share of equal answers: the likeliest label of a text or token, or for
            vectors the text that is nearest to each.
        least: What that had to be.
        source_bytes: The model's weights.
        artefact_bytes: The artefact's files.
        source_ms: Milliseconds a text takes the model, one by one.
        artefact_ms: The same of the artefact.
    """

    runtime: str
    num_inputs: int
    origin: str
    delta: float
    allowed: float
    agreement: float
    least: float
    source_bytes: int
    artefact_bytes: int
    source_ms: float
    artefact_ms: float

    @property
    def holds(self) -> bool:
        """Whether the artefact gives what the model gives, as near as asked for."""
        return self.delta <= self.allowed and self.agreement >= self.least


def prove(
    subject: Subject, artefact: Artefact, inputs: Inputs, *, allowed: float | None = None
) -> Proof:
    """Run both sides one by one and the artefact in padded batches as well.

    Args:
        subject: The model.
        artefact: What was written of it.
        inputs: Texts.
        allowed: The largest difference, whoever answers alike; None: the artefact's own
            tolerance.

    Raises:
        ParityError: They differ by more.
    """
    ours, source_ms = _one_by_one(subject.run, inputs)
    theirs, artefact_ms = _one_by_one(artefact.run, inputs)
    together = _together(artefact.run, inputs)
    spread = max(float(o.max()) for o in ours) - min(float(o.min()) for o in ours)
    tolerance = artefact.tolerance
    proof = Proof(
        artefact.runtime,
        len(inputs),
        inputs.origin,
        max(_delta(ours, theirs), _delta(ours, together)),
        tolerance.share * spread if allowed is None else allowed,
        min(agreement(subject, ours, theirs), agreement(subject, ours, together)),
        tolerance.agreement if allowed is None else 0.0,
        subject.num_bytes,
        artefact.num_bytes,
        source_ms,
        artefact_ms,
    )
    if not proof.holds:
        raise ParityError(
            "What was written differs from the model by {delta:.3g} ({allowed:.3g} is allowed) "
            "and answers alike on {agreement:.1%} of {texts} texts ({least:.0%} are asked for), "
            "so it was removed; choose a finer --precision, or allow more with --tolerance.",
            delta=proof.delta,
            allowed=proof.allowed,
            agreement=proof.agreement,
            texts=proof.num_inputs,
            least=proof.least,
        )
    return proof


def agreement(subject: Subject, ours: Outputs, theirs: Outputs) -> float:
    """Share of equal answers; see ``Proof``."""
    return float(np.mean(_answers(subject, ours) == _answers(subject, theirs)))


def _answers(subject: Subject, outputs: Outputs) -> np.ndarray:
    if subject.head is None:  # the other text whose vector is nearest
        rows = np.stack(outputs)
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        cosines = unit @ unit.T
        np.fill_diagonal(cosines, -2)
        return np.asarray(cosines.argmax(1))
    rows = np.concatenate([np.atleast_2d(o) for o in outputs])
    if subject.threshold is not None:  # any number of labels
        return np.asarray(1 / (1 + np.exp(-rows)) >= subject.threshold)
    if subject.task == "answering":  # where an answer begins and ends
        return np.array([o.argmax(0) for o in outputs])
    if rows.shape[1] == 1:  # a rating: which texts are above the middle
        return np.asarray(rows[:, 0] > np.median(rows[:, 0]))
    return np.asarray(rows.argmax(1))


def _delta(ours: Outputs, theirs: Outputs) -> float:
    pairs = zip(ours, theirs, strict=True)
    worst = max(float(np.abs(a - b).max()) for a, b in pairs)
    return worst if np.isfinite(worst) else float("inf")


def _one_by_one(run: Run, inputs: Inputs) -> tuple[Outputs, float]:
    run(inputs.some([0]))  # the first call makes ready
    start = time.perf_counter()
    found = [run(inputs.some([i]))[0] for i in range(len(inputs))]
    return found, (time.perf_counter() - start) * 1000 / len(inputs)


def _together(run: Run, inputs: Inputs) -> Outputs:
    starts = range(0, len(inputs), TOGETHER)
    runs = [range(start, min(start + TOGETHER, len(inputs))) for start in starts]
    return [output for some in runs for output in run(inputs.some(some))]
