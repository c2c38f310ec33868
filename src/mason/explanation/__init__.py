"""Why a model answers as it does: which words spoke for it, and whether to believe that."""

from mason.explanation.methods import DEFAULT_METHOD, METHODS
from mason.explanation.pictures import Explainer, Picture, Weight
from mason.explanation.subjects import Subject
from mason.explanation.surveys import Survey, as_block, is_skilled, survey, without_skill
from mason.explanation.words import Word, words_of

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
    "Explainer",
    "Picture",
    "Subject",
    "Survey",
    "Weight",
    "Word",
    "as_block",
    "is_skilled",
    "survey",
    "without_skill",
    "words_of",
]
