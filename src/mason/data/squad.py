"""SQuAD's json (Rajpurkar et al. 2016, 2018): articles, paragraphs, questions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from mason.data.parts import Parts
from mason.errors import DataError

_ANSWERS = pl.List(pl.Struct({"text": pl.String, "answer_start": pl.Int64}))


def is_squad(records: Sequence[Any]) -> bool:
    """Whether the records of a json file are SQuAD's articles."""
    return bool(records) and all(isinstance(r, dict) and "paragraphs" in r for r in records)


def read_squad(articles: Sequence[Mapping[str, Any]], path: Path) -> Parts:
    """SQuAD's articles as a row a question: id, question, context, answers.

    Args:
        articles: The list ``data`` of the file, version 1 or 2.
        path: The file, for errors.

    Raises:
        DataError: An article lacks something.
    """
    rows: list[dict[str, Any]] = []
    for number, article in enumerate(articles, start=1):
        try:
            for paragraph in article["paragraphs"]:
                for asked in paragraph["qas"]:
                    none = asked.get("is_impossible", False)
                    answers = [] if none else asked.get("answers", [])
                    rows.append(
                        {
                            "id": str(asked.get("id", len(rows) + 1)),
                            "question": str(asked["question"]),
                            "context": str(paragraph["context"]),
                            "answers": [
                                {"text": str(a["text"]), "answer_start": int(a["answer_start"])}
                                for a in answers
                            ],
                        }
                    )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                "{file}, article {number}: this is not as SQuAD writes it ({reason}); each "
                "paragraph has a context and qas, each of these a question and answers with text "
                "and answer_start.",
                file=path,
                number=number,
                reason=repr(error),
            ) from None
    schema = pl.Schema(dict.fromkeys(("id", "question", "context"), pl.String()))
    schema["answers"] = _ANSWERS
    return Parts(pl.DataFrame(rows, schema=schema), range(1, len(rows) + 1), "json")
