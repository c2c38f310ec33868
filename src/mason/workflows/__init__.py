"""One short function for each verb: where everything meets."""

from mason.workflows.checking import check
from mason.workflows.evaluating import evaluate
from mason.workflows.fine_tuning import Run, train
from mason.workflows.loading import load
from mason.workflows.model import Model, Prediction
from mason.workflows.planning import plan
from mason.workflows.pretraining import Pretrained, pretrain
from mason.workflows.resuming import Checked, resume, verify_run
from mason.workflows.tokenizing import make_tokenizer, report_tokenizers

__all__ = [
    "Checked",
    "Model",
    "Prediction",
    "Pretrained",
    "Run",
    "check",
    "evaluate",
    "load",
    "make_tokenizer",
    "plan",
    "pretrain",
    "report_tokenizers",
    "resume",
    "train",
    "verify_run",
]
