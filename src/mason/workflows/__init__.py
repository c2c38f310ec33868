"""One short function for each verb: where everything meets."""

from mason.workflows.checking import check
from mason.workflows.evaluating import evaluate
from mason.workflows.fine_tuning import Run, train
from mason.workflows.loading import load
from mason.workflows.model import Model, Prediction

__all__ = ["Model", "Prediction", "Run", "check", "evaluate", "load", "train"]
