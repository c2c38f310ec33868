"""Learned, or learned by heart? A verdict in words from the losses along a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from mason.language import say

Kind = Literal["fits", "underfits", "overfits", "too-early-to-tell"]

# Below these a change is within what a validation set of ordinary size shows by chance.
_RISE = 0.10  # relative rise of the validation loss after its best
_FALL = 0.03  # relative fall over the last evaluation that counts as "still improving"
_ACCURACY_GAIN = 0.005
_ACCURACY_GAP = 0.10  # training accuracy minus validation accuracy
_NEAR_CHANCE = 0.90  # share of the loss of guessing


@dataclass(frozen=True)
class Verdict:
    """What the curves say, why, and what to do; ``kind`` is for programs, the rest for people."""

    kind: Kind
    sentence: str
    evidence: list[str]
    advice: str


@dataclass(frozen=True)
class _Curve:
    """The few numbers of a run that the verdict stands on."""

    best: Mapping[str, Any]
    last: Mapping[str, Any]
    rise: float  # of the validation loss from best to last, relative
    fall: float  # of the validation loss over the last evaluation, relative
    accuracy_gain: float | None  # of validation accuracy from best to last
    accuracy_gap: float | None  # training minus validation accuracy at the last step


def overfitting_verdict(
    evaluations: Sequence[Mapping[str, Any]], *, chance_loss: float | None = None
) -> Verdict:
    """Judge a run from its evaluations, in the order they were made.

    Overfitting is a validation loss that rises at least 10 % above its best while the
    training loss keeps falling and accuracy no longer improves (Prechelt 1998 names the
    generalisation loss), or a training accuracy 10 points above the validation accuracy.

    Args:
        evaluations: Mappings with ``step``, ``epoch``, ``train_loss`` and ``valid_loss``;
            ``train_accuracy`` and ``valid_accuracy`` (0 to 1) where known.
        chance_loss: Loss of guessing, ln(number of classes); with it a run that never
            left guessing is told apart from one that fits.
    """
    usable = [e for e in evaluations if _finite(e, "train_loss") and _finite(e, "valid_loss")]
    if len(usable) < 3:
        return Verdict(
            "too-early-to-tell",
            say("Too early to tell: at least three evaluations are needed to see a trend."),
            [say("Evaluations with a loss so far: {count}.", count=len(usable))],
            say("Train longer, or evaluate more often."),
        )
    curve = _read(usable)
    kind, sentence, advice = _judge(curve, chance_loss)
    return Verdict(kind, sentence, _evidence(curve), advice)


def _read(usable: list[Mapping[str, Any]]) -> _Curve:
    best, last, before = min(usable, key=lambda e: e["valid_loss"]), usable[-1], usable[-2]
    gain = gap = None
    if _finite(best, "valid_accuracy") and _finite(last, "valid_accuracy"):
        gain = last["valid_accuracy"] - best["valid_accuracy"]
        if _finite(last, "train_accuracy"):
            gap = last["train_accuracy"] - last["valid_accuracy"]
    return _Curve(
        best,
        last,
        (last["valid_loss"] - best["valid_loss"]) / max(best["valid_loss"], 1e-9),
        (before["valid_loss"] - last["valid_loss"]) / max(before["valid_loss"], 1e-9),
        gain,
        gap,
    )


def _judge(curve: _Curve, chance_loss: float | None) -> tuple[Kind, str, str]:
    """The kind, its sentence and the advice."""
    improved = curve.accuracy_gain is not None and curve.accuracy_gain > _ACCURACY_GAIN
    if chance_loss is not None and curve.last["train_loss"] > _NEAR_CHANCE * chance_loss:
        return (
            "underfits",
            say("Underfits: after training the model is hardly better than guessing."),
            say("Check the labels, raise the learning rate, or train longer."),
        )
    learning = curve.last["train_loss"] < curve.best["train_loss"]
    if curve.rise >= _RISE and learning and not improved:
        return (
            "overfits",
            say(
                "Overfits: after step {step} the model learned the training rows by heart and "
                "got worse on unseen ones.",
                step=_step(curve.best),
            ),
            say(
                "Stop at step {step}, which is where the best model was; more rows help most, "
                "then more dropout or a smaller learning rate.",
                step=_step(curve.best),
            ),
        )
    if curve.rise >= _RISE and not learning:
        return (
            "underfits",
            say(
                "Underfits: training became unstable after step {step}; the loss rose on training "
                "rows too.",
                step=_step(curve.best),
            ),
            say("Lower the learning rate or lengthen the warm-up."),
        )
    if curve.rise >= _RISE:
        return (
            "fits",
            say(
                "Fits, but grew too sure of itself: after step {step} its answers still improved "
                "while its stated probabilities got worse.",
                step=_step(curve.best),
            ),
            say("Keep the calibration step on, so that the probabilities can be believed."),
        )
    return _judge_without_rise(curve)


def _judge_without_rise(curve: _Curve) -> tuple[Kind, str, str]:
    if curve.accuracy_gap is not None and curve.accuracy_gap > _ACCURACY_GAP:
        return (
            "overfits",
            say("Overfits: the model is far better on the rows it trained on than on unseen ones."),
            say("More rows help most; then more dropout, fewer epochs, or a smaller model."),
        )
    if curve.last is curve.best and curve.fall >= _FALL:
        return (
            "underfits",
            say("Underfits: the model was still improving when training ended."),
            say("Train longer: more epochs, or a larger learning rate."),
        )
    return (
        "fits",
        say("Fits: what it learned from the training rows holds on unseen ones."),
        say("Nothing to change here; more rows are the surest way to a higher score."),
    )


def _evidence(curve: _Curve) -> list[str]:
    best, last = curve.best, curve.last
    lines = [
        say(
            "At the best step, {step}, the loss was {train} on training rows and {valid} on "
            "unseen ones.",
            step=_step(best),
            train=f"{best['train_loss']:.3g}",
            valid=f"{best['valid_loss']:.3g}",
        )
    ]
    if last is best:
        lines.append(
            say(
                "The last step was the best; its evaluation lowered the loss on unseen rows by "
                "{percent}%.",
                percent=f"{curve.fall * 100:.1f}",
            )
        )
    else:
        lines.append(
            say(
                "By the last step, {step}, the loss on unseen rows had risen by {percent}%.",
                step=_step(last),
                percent=f"{curve.rise * 100:.1f}",
            )
        )
    if curve.accuracy_gain is not None and last is not best:
        lines.append(
            say(
                "Accuracy on unseen rows went from {before}% to {after}% over the same steps.",
                before=f"{best['valid_accuracy'] * 100:.1f}",
                after=f"{last['valid_accuracy'] * 100:.1f}",
            )
        )
    if curve.accuracy_gap is not None:
        lines.append(
            say(
                "At the last step accuracy was {train}% on training rows, {valid}% on unseen ones.",
                train=f"{last['train_accuracy'] * 100:.1f}",
                valid=f"{last['valid_accuracy'] * 100:.1f}",
            )
        )
    return lines


def _step(evaluation: Mapping[str, Any]) -> str:
    return f"{evaluation['step']:,}"


def _finite(evaluation: Mapping[str, Any], name: str) -> bool:
    value = evaluation.get(name)
    return value is not None and isfinite(value)
