"""Which columns hold texts that belong together, for embedding."""

from collections.abc import Collection

from mason.data import column_names as names
from mason.data.columns import Columns, check_present, check_scalar
from mason.data.tables import Table
from mason.errors import DataError

PAIRS = (("anchor", "positive"), ("query", "positive"), ("question", "answer"), *names.PAIRS)
SCORES = frozenset({"score", "similarity", "similarityscore", "relatedness", "相似度"})
_VERDICTS = (
    SCORES
    | names.LABEL_FIRST
    | frozenset("labels class target relevance duplicate paraphrase entailment 类 标注".split())
)
"""Last words of names of columns that may say which pairs belong together."""


def find_similar(
    table: Table,
    *,
    text: str | None = None,
    pair: str | None = None,
    negative: str | None = None,
    score: str | None = None,
    group: str | None = None,
) -> Columns:
    """Find two columns of texts, and perhaps a third, or how alike the two are.

    Args:
        table: Its rows.
        text: The first, if the user named it.
        pair: What belongs to it, if the user named it.
        negative: What does not, if the user named it; else it is called so.
        score: How alike the two are, if the user named it; else it has a usual name.
        group: The column whose equal values must stay in one split; only ever named.

    Raises:
        DataError: It is not clear which they are, or whether all pairs belong together.
    """
    for name in filter(None, (text, pair, negative, score, group)):
        check_present(name, table)
    known = {names.plain(column): column for column in table.frame.columns}
    if text is None or pair is None:
        text, pair = _pair(table, known, text, pair)
    negative = negative or known.get("negative")
    if score is None:
        score = next((column for plain, column in known.items() if plain in SCORES), None)
    for name in filter(None, (text, pair, negative, score, group)):
        check_scalar(name, table)
    if not negative and not score:
        _check_no_verdict(table, {text, pair, group})
    if negative and score:
        raise DataError(
            "{file} has both a text unlike the first ({negative}) and a number that says how "
            "alike the two are ({score}); leave one of the columns out.",
            file=table.path,
            negative=negative,
            score=score,
        )
    return Columns(text, pair, group=group, answer=score, negative=negative)


def _check_no_verdict(table: Table, taken: Collection[str | None]) -> None:
    """Refuse to take all pairs as alike where a column may say that some are not."""
    free = [name for name in table.frame.columns if name not in taken]
    found = [name for name in free if set(names.words_of(name)[-1:]) & _VERDICTS]
    if found:
        raise DataError(
            "{file}: the column {column} may say which pairs belong together, and without it all "
            "of them are taken to; name it with --label {column} if it holds numbers, more for "
            "what is more alike, or keep only the pairs that belong together and delete the "
            "column.",
            file=table.path,
            column=found[0],
        )


def _pair(
    table: Table, known: dict[str, str], text: str | None, pair: str | None
) -> tuple[str, str]:
    found = [(known[a], known[b]) for a, b in PAIRS if a in known and b in known]
    fitting = [(a, b) for a, b in found if text in (None, a) and pair in (None, b)]
    if len(fitting) == 1:
        return fitting[0]
    raise DataError(
        "{file}: it is not clear which of {columns} belong together; name them with --text COLUMN "
        "--pair COLUMN.",
        file=table.path,
        columns=", ".join(table.frame.columns),
    )
