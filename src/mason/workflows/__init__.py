"""One short function for each verb: where everything meets."""

from mason.evaluation.contest import Contest, Standing
from mason.workflows.advising import ShortList, advise
from mason.workflows.answerer import Answerer
from mason.workflows.attacking import attack
from mason.workflows.backdooring import backdoor
from mason.workflows.checking import check
from mason.workflows.classifier import Classifier, Prediction
from mason.workflows.comparing import compare
from mason.workflows.compressing import compress
from mason.workflows.embedder import Embedder
from mason.workflows.evaluating import evaluate
from mason.workflows.explaining import explain, explain_table
from mason.workflows.exporting import export
from mason.workflows.fine_tuning import Run, train
from mason.workflows.guarding import guard_chat
from mason.workflows.hardening import harden
from mason.workflows.labeller import Labelled, Labeller
from mason.workflows.leaking import leak
from mason.workflows.loading import load
from mason.workflows.marking import Sample, show_row
from mason.workflows.merging import Merged, merge_adapter
from mason.workflows.model import Model
from mason.workflows.planning import plan
from mason.workflows.pretraining import Pretrained, pretrain
from mason.workflows.provoking import probe
from mason.workflows.regressor import Regressor
from mason.workflows.resuming import Checked, resume, verify_run
from mason.workflows.rewriter import Rewriter
from mason.workflows.tagger import Tagged, Tagger
from mason.workflows.talker import Talker
from mason.workflows.tokenizing import make_tokenizer, report_tokenizers
from mason.workflows.tuning import Tuned, tune
from mason.workflows.vocabulary import extend_vocabulary, read_words, trim_vocabulary
from mason.workflows.writer import Constraint, Generated, Sampling, Writer

__all__ = [
    "Answerer",
    "Checked",
    "Classifier",
    "Constraint",
    "Contest",
    "Embedder",
    "Generated",
    "Labelled",
    "Labeller",
    "Merged",
    "Model",
    "Prediction",
    "Pretrained",
    "Regressor",
    "Rewriter",
    "Run",
    "Sample",
    "Sampling",
    "ShortList",
    "Standing",
    "Tagged",
    "Tagger",
    "Talker",
    "Tuned",
    "Writer",
    "advise",
    "attack",
    "backdoor",
    "check",
    "compare",
    "compress",
    "evaluate",
    "explain",
    "explain_table",
    "export",
    "extend_vocabulary",
    "guard_chat",
    "harden",
    "leak",
    "load",
    "make_tokenizer",
    "merge_adapter",
    "plan",
    "pretrain",
    "probe",
    "read_words",
    "report_tokenizers",
    "resume",
    "show_row",
    "train",
    "trim_vocabulary",
    "tune",
    "verify_run",
]
