"""One short function for each verb: where everything meets."""

from mason.workflows.check import check
from mason.workflows.evaluate import evaluate
from mason.workflows.load import load
from mason.workflows.model import Model, Prediction
from mason.workflows.train import Run, train

__all__ = ["Model", "Prediction", "Run", "check", "evaluate", "load", "train"]
