"""What scores are called, in words, and which one a task is judged by."""

from mason.language import say
from mason.reports.numbers import decimal, percent
from mason.reports.schema import Baseline, Interval, Scored

_MAIN = (
    *("accuracy", "entity_f1", "word_accuracy", "f1", "pearson", "mrr", "micro_f1"),
    *("bleu", "rougeL", "same_tree", "edit_similarity", "preferred", "token_accuracy"),
)
"""What a task is judged by: the first of them that it has."""


def main_score(scored: Scored) -> str | None:
    """The name of the score that the task is judged by."""
    return next((name for name in _MAIN if name in scored.scores), None)


def is_share(name: str) -> bool:
    """Whether a score of rows is a share, and not in a unit of its own."""
    return name not in ("nats", "-mae")


def figure(name: str, value: float) -> str:
    """A score of rows as people read it."""
    return percent(value) if is_share(name) else decimal(value)


def score_in_words(name: str) -> str:
    """A score of rows, as a reader knows it."""
    own = {
        "nats": say("Log-likelihood a token, in nats"),
        "accuracy": say("Accuracy"),
        "tag_accuracy": say("Words with the right tag"),
        "row_f1": say("F1 of a text's labels"),
        "-mae": say("Minus the distance from the right number"),
    }
    return own.get(name) or score_names().get(name, (name,))[0]


def scores_of(rival: Baseline) -> dict[str, Interval]:
    """All its scores by name."""
    return ({} if rival.accuracy is None else {"accuracy": rival.accuracy}) | rival.scores


def score_names() -> dict[str, tuple[str, str]]:
    """Score names in words, with one explaining sentence."""
    parts = (_of_labels(), _of_words(), _of_answers(), _of_numbers(), _of_texts(), _of_finding())
    return {name: told for part in parts for name, told in part.items()}


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
        "subset_accuracy": (
            say("Whole sets right"),
            say("Share of texts given exactly their labels, none missed and none too many."),
        ),
        "lrap": (
            say("Right labels first"),
            say("Of the labels ranked as high as a right one, how many are right (LRAP)."),
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


def _of_numbers() -> dict[str, tuple[str, str]]:
    return {
        "pearson": (
            say("Correlation"),
            say("How nearly the predicted numbers lie on a line with the right ones (Pearson)."),
        ),
        "spearman": (
            say("Rank correlation"),
            say("How well they are put in order, whatever the distances (Spearman)."),
        ),
        "r2": (
            say("Explained variance"),
            say("Share of the differences between texts that is foretold; the mean foretells 0."),
        ),
    }


def _of_texts() -> dict[str, tuple[str, str]]:
    return {
        "bleu": (say("BLEU"), say("Runs of one to four words that the reference has too.")),
        "chrf": (say("chrF"), say("Runs of one to six letters shared with the reference.")),
        "rouge1": (say("ROUGE-1"), say("Words shared with the summary wanted.")),
        "rouge2": (say("ROUGE-2"), say("Pairs of words shared with the summary wanted.")),
        "rougeL": (say("ROUGE-L"), say("The longest run of words in common, gaps allowed.")),
        "same_tree": (
            say("Same program"),
            say("Share with the syntax tree wanted; layout and comments may differ."),
        ),
        "compiles": (say("Compiles"), say("Share that Python's compiler takes.")),
        "tests_passed": (say("Passes its tests"), say("Share, of the rows that have tests.")),
        "token_accuracy": (
            say("Tokens of answers"),
            say("Share that is the likeliest token, all before it being right."),
        ),
        "preferred": (
            say("Better answer likelier"),
            say("Share of pairs whose better answer the model would sooner give."),
        ),
        "reward_accuracy": (
            say("Reward accuracy"),
            say("Share of pairs whose better answer gained more by tuning than the worse one."),
        ),
        "exact_completion": (say("Exactly right"), say("Share written just as wanted.")),
        "edit_similarity": (
            say("Edit similarity"),
            say("Letters that need no change, as a share of the longer text."),
        ),
    }


def _of_finding() -> dict[str, tuple[str, str]]:
    return {
        "mrr": (
            say("Mean reciprocal rank"),
            say("1 where the right text comes first, 1/2 where second, up to the tenth."),
        ),
        "recall_at_1": (say("Found first"), say("Share whose text is the nearest of all.")),
        "recall_at_5": (say("Among five"), say("Share whose text is among the five nearest.")),
        "recall_at_10": (say("Among ten"), say("Share whose text is among the ten nearest.")),
        "ndcg": (say("nDCG@10"), say("As reciprocal rank, but later places lose less.")),
    }
