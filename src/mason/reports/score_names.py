"""What scores are called, in words, and which one a task is judged by."""

from mason.language import say
from mason.reports.schema import Baseline, Interval, Scored

_MAIN = ("accuracy", "entity_f1", "word_accuracy", "f1")
"""What a task is judged by: the first of them that it has."""


def main_score(scored: Scored) -> str | None:
    """The name of the score that the task is judged by."""
    return next((name for name in _MAIN if name in scored.scores), None)


def scores_of(rival: Baseline) -> dict[str, Interval]:
    """All its scores by name."""
    return ({} if rival.accuracy is None else {"accuracy": rival.accuracy}) | rival.scores


def score_names() -> dict[str, tuple[str, str]]:
    """Score names in words, with one explaining sentence."""
    return _of_labels() | _of_words() | _of_answers()


def _of_labels() -> dict[str, tuple[str, str]]:
    return {
        "accuracy": (say("Accuracy"), say("Share of texts given the right label.")),
        "macro_f1": (
            say("Macro F1"),
            say("Balance of missed and false labels; every label counts alike, however rare."),
        ),
        "macro_precision": (
            say("Macro precision"),
            say("When it names a label, how often that is right; mean over labels."),
        ),
        "macro_recall": (
            say("Macro recall"),
            say("Of a label's texts, how many it finds; mean over labels."),
        ),
        "weighted_f1": (say("Weighted F1"), say("F1 with each label weighted by its texts.")),
        "weighted_precision": (
            say("Weighted precision"),
            say("Precision with each label weighted by its texts."),
        ),
        "weighted_recall": (
            say("Weighted recall"),
            say("Recall with each label weighted by its texts."),
        ),
        "micro_f1": (
            say("Micro F1"),
            say("Pooled over labels; with one label a text it equals accuracy."),
        ),
        "micro_precision": (say("Micro precision"), say("Pooled over labels, likewise.")),
        "micro_recall": (say("Micro recall"), say("Pooled over labels, likewise.")),
    }


def _of_words() -> dict[str, tuple[str, str]]:
    return {
        "word_accuracy": (say("Word accuracy"), say("Share of words given the right tag.")),
        "entity_f1": (
            say("Entity F1"),
            say(
                "Whole entities, right in type and at both ends; balance of missed and false ones."
            ),
        ),
        "entity_precision": (
            say("Entity precision"),
            say("Of the entities it names, how many are right."),
        ),
        "entity_recall": (
            say("Entity recall"),
            say("Of the entities there are, how many it finds."),
        ),
        "strict_entity_f1": (
            say("Entity F1, strict"),
            say("Only entities whose tags follow the scheme from first to last."),
        ),
        "strict_entity_precision": (say("Entity precision, strict"), say("Read likewise.")),
        "strict_entity_recall": (say("Entity recall, strict"), say("Read likewise.")),
    }


def _of_answers() -> dict[str, tuple[str, str]]:
    return {
        "exact_match": (
            say("Exact match"),
            say("Share of questions answered word for word, articles and punctuation aside."),
        ),
        "f1": (say("Answer F1"), say("Overlap in words with the right answer, on average.")),
        "answered_f1": (
            say("Answer F1, where there is an answer"),
            say("Over the questions whose text holds one."),
        ),
        "no_answer_accuracy": (
            say("No answer found where there is none"),
            say("Over the questions whose text holds none."),
        ),
    }
