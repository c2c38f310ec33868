"""The entries: what Mason knows how to learn, with what it should come to.

``expected`` is of the small form, measured on two cores with ``mason catalog run NAME``; how far
another may be off is about the interval of its test rows and what one seed changes.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from types import MappingProxyType

from mason.catalog.entry import Entry, Expected, Paper, Settings
from mason.errors import SourceError

MINILM, SMOLLM = "all-MiniLM-L6-v2", "SmolLM2-135M-Instruct"
_MINILM = Paper("MiniLM: Deep Self-Attention Distillation", "Wang et al.", 2020)
_BERT = Paper("BERT: Pre-training of Deep Bidirectional Transformers", "Devlin et al.", 2019)
_SMOLLM = Paper("SmolLM2: When Smol Goes Big", "Ben Allal et al.", 2025)
_GPT2 = Paper("Language Models are Unsupervised Multitask Learners", "Radford et al.", 2019)
_ELECTRA = Paper("ELECTRA: Pre-training Text Encoders as Discriminators", "Clark et al.", 2020)
_T5 = Paper("Exploring the Limits of Transfer Learning with T5", "Raffel et al.", 2020)


def _tuned(
    name: str,
    task: str,
    data: str,
    model: str,
    steps: int,
    expected: Expected,
    paper: Paper,
    *,
    known_as: Iterable[str] = (),
    small: Settings = MappingProxyType({}),
    **more: str | int | float,
) -> Entry:
    named = {key.replace("__", "."): value for key, value in more.items()}
    settings: Settings = {"model.source": model, **named}
    fewer = {"training.max_steps": steps, **small}
    return Entry(name, "train", task, (data,), settings, fewer, expected, paper, tuple(known_as))


def _learned(
    name: str,
    objective: str,
    data: tuple[str, ...],
    settings: Settings,
    small: Settings,
    expected: Expected,
    paper: Paper,
) -> Entry:
    return Entry(name, "pretrain", objective, data, settings, small, expected, paper)


ENTRIES: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        _tuned(
            "trec", "classification", "trec", MINILM, 60,
            Expected("accuracy", 0.90, 0.03), _MINILM, known_as=("TREC-6",),
        ),
        _tuned(
            "debian-sections", "classification", "debian-sections", MINILM, 60,
            Expected("accuracy", 0.873, 0.03), _MINILM,
        ),
        _tuned(
            "amazon-sentiment", "classification", "amazon-sentiment", MINILM, 60,
            Expected("accuracy", 0.813, 0.05), _MINILM, data__label="label",
        ),
        _tuned(
            "brown-pos", "tagging", "brown-pos", MINILM, 60,
            Expected("word_accuracy", 0.714, 0.03), _BERT,
        ),
        _tuned(
            "chatterbot", "dialogue", "chatterbot", SMOLLM, 20,
            Expected("token_accuracy", 0.663, 0.05), _SMOLLM,
        ),
        _tuned(
            "debian-synopses", "summarisation", "debian-synopses", SMOLLM, 40,
            Expected("rougeL", 0.277, 0.04), _SMOLLM,
            small={
                "training.batch_size": 8, "model.max_tokens": 128, "data.valid_share": 0.001,
            },
        ),
        _tuned(
            "debian-en-fr", "translation", "debian-en-fr", SMOLLM, 40,
            Expected("bleu", 0.063, 0.02), _SMOLLM,
            small={"model.max_tokens": 128, "data.test_share": 0.05, "data.valid_share": 0.02},
        ),
        _tuned(
            "python2-to-3", "code-translation", "python2-to-3", SMOLLM, 20,
            Expected("same_tree", 0.064, 0.05), _SMOLLM,
            small={
                "training.batch_size": 8, "model.max_tokens": 192, "data.valid_share": 0.01,
            },
        ),
        _tuned(
            "python-functions", "code-completion", "python-functions", SMOLLM, 30,
            Expected("edit_similarity", 0.168, 0.03), _SMOLLM,
            small={
                "training.batch_size": 8, "model.max_tokens": 128, "data.valid_share": 0.01,
            },
        ),
        _tuned(
            "man-options", "answering", "man-options", MINILM, 150,
            Expected("f1", 0.888, 0.1), _MINILM,
            training__batch_size=8, training__learning_rate=3e-4, model__max_tokens=384,
        ),
        _tuned(
            "debian-retrieval", "embedding", "debian-retrieval", MINILM, 30,
            Expected("mrr", 0.801, 0.02), _MINILM,
        ),
        _learned(
            "bible-bert", "bert", ("english-bible",),
            {"model.shape": "bert-tiny", "training.budget": "30m"},
            {"training.budget": "1m"},
            Expected("held_loss", 6.04, 0.3), _BERT,
        ),
        _learned(
            "bible-gpt", "causal", ("english-bible",),
            {"training.budget": "30m"}, {"training.budget": "1m"},
            Expected("held_loss", 5.90, 0.3), _GPT2,
        ),
        _learned(
            "bible-t5", "spans", ("english-bible",),
            {"training.budget": "30m"}, {"training.budget": "1m"},
            Expected("held_loss", 7.62, 0.3), _T5,
        ),
        _learned(
            "bible-electra", "electra", ("english-bible",),
            {"training.budget": "30m"}, {"training.budget": "1m"},
            Expected("held_loss", 27.3, 1.5), _ELECTRA,
        ),
        _learned(
            "peoples-daily-bert", "bert", ("peoples-daily",),
            {"training.budget": "30m"}, {"training.budget": "1m"},
            Expected("held_loss", 6.65, 0.3), _BERT,
        ),
    )
}  # fmt: skip


def find_entry(name: str) -> Entry:
    """The entry of that name.

    Raises:
        SourceError: There is none.
    """
    if name in ENTRIES:
        return ENTRIES[name]
    near = get_close_matches(name, ENTRIES, n=3, cutoff=0.3) or list(ENTRIES)
    raise SourceError(
        "The catalogue has no entry {name}; try {near}.", name=name, near=", ".join(near)
    )
