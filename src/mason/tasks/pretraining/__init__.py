"""Objectives that learn a language from text alone; what is random in them is drawn per step."""

from mason.tasks.pretraining.causal import CausalLanguage, PrefixLanguage
from mason.tasks.pretraining.denoising import Denoising
from mason.tasks.pretraining.infilling import Infilling
from mason.tasks.pretraining.masked import MaskedLanguage
from mason.tasks.pretraining.passages import Marks, Pairs, Passage, Passages, Texts
from mason.tasks.pretraining.replaced import Electra, Learner, ReplacedTokens
from mason.tasks.pretraining.spans import SpanCorruption

__all__ = [
    "CausalLanguage",
    "Denoising",
    "Electra",
    "Infilling",
    "Learner",
    "Marks",
    "MaskedLanguage",
    "Pairs",
    "Passage",
    "Passages",
    "PrefixLanguage",
    "ReplacedTokens",
    "SpanCorruption",
    "Texts",
]
