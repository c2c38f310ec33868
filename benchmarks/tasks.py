"""One real data set a task: ours, the Trainer of transformers in the same time, simpler rivals.

``python -m benchmarks.tasks --only pos --minutes 2`` trains each side for so many minutes, one
after the other in fresh processes, on the same rows, from the same model. Ours' worst errors are
printed for a person to read and not kept: they are the data sets' own words.
"""

import argparse
from collections.abc import Callable

from benchmarks import dialogue, embeddings, polarity, understanding, writing
from benchmarks.report import Row, publish

TASKS: dict[str, Callable[[float], tuple[list[Row], str]]] = {
    "pos": understanding.pos_rows,
    "qa": understanding.qa_rows,
    "summarisation": writing.summarisation_rows,
    "code-translation": writing.code_translation_rows,
    "code-completion": writing.code_completion_rows,
    "sentiment": polarity.sentiment_rows,
    "sentiment-encoder": polarity.encoder_sentiment_rows,
    "zh-sentiment": polarity.zh_sentiment_rows,
    "zh-pos": understanding.zh_pos_rows,
    "zh-ner": understanding.zh_ner_rows,
    "embedding": embeddings.embedding_rows,
    "dialogue": dialogue.dialogue_rows,
}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=tuple(TASKS))
    parser.add_argument("--minutes", type=float, default=20.0, help="of training, each side")
    parser.add_argument("--save", action="store_true")
    chosen = parser.parse_args()
    rows: list[Row] = []
    notes = ""
    for name in [chosen.only] if chosen.only else TASKS:
        found, told = TASKS[name](chosen.minutes)
        rows, notes = rows + found, notes + told
    publish(f"tasks-{chosen.only}" if chosen.only else "tasks", rows, notes=notes, save=chosen.save)


if __name__ == "__main__":
    main()
