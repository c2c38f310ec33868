"""How near written texts are to those wanted: BLEU, chrF, ROUGE, exact match, edit similarity.

BLEU (Papineni et al. 2002) and chrF (Popović 2015) are sacrebleu's own (Post 2018), ROUGE (Lin
2004) is rouge-score's; none is computed here. All are 0 to 1.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mason.errors import DataError
from mason.metrics.classification import Estimate
from mason.metrics.entities import Draws
from mason.metrics.groups import Groups, group_sums

_CHINESE = re.compile(r"[\u3400-\u9fff]")
_KANA = re.compile(r"[\u3041-\u30ff]")
_CONFIDENCE, _RESAMPLES, _SEED = 0.95, 1000, 12345
ROUGES = ("rouge1", "rouge2", "rougeL")
Texts = Sequence[str]
Written = Mapping[str, Estimate]


@dataclass(frozen=True)
class TextScores:
    """Scores of written texts.

    Attributes:
        overall: Each with its bootstrap interval over rows.
        each: A score of every row, [rows], by which the worst are found.
        signatures: sacrebleu's, which say all that a score depends on.
    """

    overall: dict[str, Estimate]
    each: np.ndarray
    signatures: dict[str, str]


def bleu_and_chrf(written: Texts, wanted: Texts) -> TextScores:
    """BLEU and chrF of a translation; the tokens of BLEU are those of the language wanted.

    Raises:
        DataError: There are no rows.
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    _check(written, wanted)
    overall, signatures = {}, {}
    for name, metric in (("bleu", BLEU(tokenize=bleu_tokens(wanted))), ("chrf", CHRF())):
        overall[name] = _resampled(metric, written, wanted)
        signatures[name] = str(metric.get_signature())
    chrf = CHRF()
    each = [chrf.sentence_score(a, [b]).score / 100 for a, b in zip(written, wanted, strict=True)]
    return TextScores(overall, np.array(each), signatures)


def _resampled(metric: Any, written: Texts, wanted: Texts) -> Estimate:
    """A corpus score, and its percentile interval over resampled rows.

    Each row is counted once by sacrebleu; a resample adds counts up. (Its own bootstrap stops
    at scores of mixed types.)
    """
    value = float(metric.corpus_score(list(written), [list(wanted)]).score)
    counts = np.array(metric._extract_corpus_statistics(list(written), [list(wanted)]))
    rows, chance = len(counts), np.random.default_rng(_SEED)
    drawn = chance.multinomial(rows, np.full(rows, 1 / rows), size=_RESAMPLES) @ counts
    found = [metric._compute_score_from_stats(sums.tolist()).score for sums in drawn]
    low, high = _interval(found)
    return Estimate(value / 100, min(low, value) / 100, max(high, value) / 100)


def bleu_tokens(wanted: Texts) -> str:
    """How sacrebleu shall cut texts of this language: ``zh``, ``char`` for Japanese, ``13a``."""
    if is_chinese(wanted):
        return "zh"
    return "char" if _mostly(_KANA, wanted) else "13a"


def is_chinese(texts: Texts) -> bool:
    """Whether most texts hold Chinese characters and no kana."""
    return _mostly(_CHINESE, texts) and not _mostly(_KANA, texts)


def _mostly(pattern: re.Pattern[str], texts: Texts) -> bool:
    return 2 * sum(pattern.search(text) is not None for text in texts) > len(texts)


def rouge(written: Texts, wanted: Texts) -> TextScores:
    """ROUGE-1, -2 and -L, F-measures, of a summary.

    English words are stemmed; of other languages words are as they stand, Chinese characters
    alone.

    Raises:
        DataError: There are no rows.
    """
    from rouge_score.rouge_scorer import RougeScorer

    _check(written, wanted)
    # The library's tokens are [a-z0-9] alone, which is English.
    plain = (all(c.isascii() for c in text if c.isalpha()) for text in wanted)
    english = 2 * sum(plain) > len(wanted)
    tokenizer = None if english else _Characters()
    scorer = RougeScorer(ROUGES, use_stemmer=english, tokenizer=tokenizer)
    found = [scorer.score(right, given) for given, right in zip(written, wanted, strict=True)]
    rows = {name: np.array([score[name].fmeasure for score in found]) for name in ROUGES}
    overall = {name: mean_estimate(values) for name, values in rows.items()}
    return TextScores(overall, rows["rougeL"], {})


class _Characters:
    """Chinese characters and kana, and words of other scripts, as tokens of ROUGE."""

    _token = re.compile(r"[\u3041-\u30ff\u3400-\u9fff]|[^\W\u3041-\u30ff\u3400-\u9fff]+")

    def tokenize(self, text: str) -> list[str]:
        """The tokens of a text."""
        return self._token.findall(text.lower())


def match_scores(written: Texts, wanted: Texts) -> TextScores:
    """Share written exactly as wanted, and edit similarity, space at the ends left out.

    Edit similarity is 1 - Levenshtein distance / length of the longer text (Svyatkovskiy et al.
    2020).

    Raises:
        DataError: There are no rows.
    """
    _check(written, wanted)
    pairs = [(a.strip(), b.strip()) for a, b in zip(written, wanted, strict=True)]
    exact = np.array([float(a == b) for a, b in pairs])
    near = np.array([1 - edit_distance(a, b) / max(len(a), len(b), 1) for a, b in pairs])
    overall = {"exact_completion": mean_estimate(exact), "edit_similarity": mean_estimate(near)}
    return TextScores(overall, near, {})


def edit_distance(one: str, other: str) -> int:
    """Characters to insert, delete or replace (Levenshtein 1966), a row of the table at a time."""
    if not one or not other:
        return len(one) + len(other)
    letters = np.array([ord(c) for c in other])
    places = np.arange(len(other) + 1)
    row = places
    for number, letter in enumerate(one, start=1):
        best = np.minimum(row[1:] + 1, row[:-1] + (letters != ord(letter)))
        # An insertion costs 1 for each place moved right: a running minimum, places taken off.
        row = np.minimum.accumulate(np.concatenate([[number], best]) - places) + places
    return int(row[-1])


def mean_estimate(values: np.ndarray, groups: Groups | None = None) -> Estimate:
    """The mean of a score of each row, and its percentile interval over resampled rows.

    Args:
        values: Of each row.
        groups: What each row belongs to: whole groups are drawn. None: each row is alone.
    """
    if groups is not None:
        return Draws(_CONFIDENCE, _SEED, _RESAMPLES).ratio(*group_sums(values, groups))
    chance = np.random.default_rng(_SEED)
    drawn = [
        float(values[chance.integers(len(values), size=len(values))].mean())
        for _ in range(_RESAMPLES)
    ]
    return Estimate(float(values.mean()), *_interval(drawn))


def _interval(drawn: Sequence[float]) -> tuple[float, float]:
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(np.asarray(drawn, dtype=np.float64), [tail, 1 - tail])
    return float(low), float(high)


def _check(written: Texts, wanted: Texts) -> None:
    assert len(written) == len(wanted), (len(written), len(wanted))
    if not wanted:
        raise DataError("There are no rows to score; give a test set with at least one row.")


Measure = Callable[[Texts, Texts], TextScores]
