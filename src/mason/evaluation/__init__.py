"""Evaluation: how good a model is, and beside what."""

from mason.evaluation.baselines import Baseline, baselines
from mason.evaluation.classification import Judgement, judge

__all__ = ["Baseline", "Judgement", "baselines", "judge"]
