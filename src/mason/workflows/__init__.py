"""One short function for each verb: where everything meets."""

from mason.workflows.checking import check
from mason.workflows.evaluating import evaluate
from mason.workflows.fine_tuning import Run, train
from mason.workflows.loading import load
from mason.workflows.model import Model, Prediction
from mason.workflows.planning import plan
from mason.workflows.resuming import Checked, resume, verify_run

__all__ = [
    "Checked",
    "Model",
    "Prediction",
    "Run",
    "check",
    "evaluate",
    "load",
    "plan",
    "resume",
    "train",
    "verify_run",
]
