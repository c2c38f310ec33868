"""Numbers from predictions: scores with intervals, calibration, paired tests, verdicts.

Arrays go in, plain floats and dataclasses come out; ``dataclasses.asdict`` of any
result is what ``results.json`` holds.
"""

from mason.metrics.calibration import Calibration, CalibrationBin, calibration, fit_temperature
from mason.metrics.classification import ClassScores, Estimate, Scores, confusion, scores
from mason.metrics.comparison import (
    Comparison,
    Difference,
    compare,
    fold_difference,
    holm,
    mcnemar,
    paired_bootstrap,
    paired_test,
    permutation_test,
    right_or_wrong,
    rows_needed,
    smallest_detectable_difference,
)
from mason.metrics.folds import folds, out_of_fold
from mason.metrics.overfitting import Verdict, overfitting_verdict
from mason.metrics.slices import Slice, by_length, slices
from mason.metrics.suspects import Suspect, suspects

__all__ = [
    "Calibration",
    "CalibrationBin",
    "ClassScores",
    "Comparison",
    "Difference",
    "Estimate",
    "Scores",
    "Slice",
    "Suspect",
    "Verdict",
    "by_length",
    "calibration",
    "compare",
    "confusion",
    "fit_temperature",
    "fold_difference",
    "folds",
    "holm",
    "mcnemar",
    "out_of_fold",
    "overfitting_verdict",
    "paired_bootstrap",
    "paired_test",
    "permutation_test",
    "right_or_wrong",
    "rows_needed",
    "scores",
    "slices",
    "smallest_detectable_difference",
    "suspects",
]
