"""Attack: change the texts a classifier reads until it errs, and say what that took."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mason.errors import DataError, SettingsError
from mason.language import say
from mason.layers import native
from mason.models.eight_bits import hold_in_eight_bits
from mason.models.files import write_json, writing_folder
from mason.models.transformer import device_of
from mason.reports import write_report
from mason.security.attacks import Attack, Means, find_attacks
from mason.security.limits import Nearness
from mason.security.neighbours import WordVectors
from mason.security.search import Outcome
from mason.security.summary import summarise
from mason.security.victims import Inside, Victim
from mason.security.words import Words
from mason.workflows import results as blocks
from mason.workflows.classifier import Classifier
from mason.workflows.embedder import Embedder
from mason.workflows.loading import load
from mason.workflows.model import Model
from mason.workflows.preparing import Prepared, data_settings, prepare_test, texts_of
from mason.workflows.tasks import find_task
from mason.workflows.tasks.classification import targets_of

ENCODER = "all-MiniLM-L6-v2"
"""Compares sentences, and has the words that substitutes come from."""
ROWS = 200
"""Texts that are attacked where the user does not say."""
_EXAMPLES = 5
_HAN = range(0x4E00, 0xA000)

Say = Callable[[str], None]
M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Target:
    """Rows of a table that are attacked."""

    prepared: Prepared
    texts: list[str]
    labels: list[int]


def is_chinese(texts: Sequence[str]) -> bool:
    """Whether most letters are Chinese characters."""
    letters = [c for text in texts for c in text if c.isalpha()]
    return 2 * sum(ord(c) in _HAN for c in letters) > len(letters)


def attack(
    model: Model | str | Path,
    data: str | Path,
    *,
    attacks: str | None = None,
    rows: int = ROWS,
    max_share: float | None = None,
    min_similarity: float | None = None,
    encoder: str = ENCODER,
    seed: int = 0,
    output: str | Path | None = None,
    command: str | None = None,
    notice: Say = lambda sentence: None,
    **options: str | None,
) -> dict[str, Any]:
    """Attack a classifier on rows of a table.

    Args:
        model: A classifier, or a name as for ``mason.load``.
        data: As for ``mason.evaluate``.
        attacks: Names of ``mason.security.attacks.ATTACKS``, parted by commas; None: those that
            suit the language of the texts.
        rows: Most rows to attack, drawn by ``seed``.
        max_share: Share of a text's words that may change; None: each attack's own.
        min_similarity: Least cosine of the sentence vectors before and after; None: each
            attack's own.
        encoder: An embedding model that compares sentences and whose words substitutes are.
        seed: Of all that is drawn.
        output: Folder for ``results.json`` and ``report.html``; None: nothing is written.
        command: How to repeat this, for the report.
        notice: Called with a sentence after each attack.
        options: Fields of the ``data`` settings, such as ``text`` and ``label``.

    Returns:
        What ``results.json`` holds; the attacks are under ``security``.

    Raises:
        MasonError: The model is no classifier of single texts, or data or settings do not fit.
    """
    ready = classifier_of(model)
    check_limits(rows, max_share, min_similarity)
    target = rows_of(ready, data, rows, seed, options)
    chosen = find_attacks(attacks, chinese_text=is_chinese(target.texts))
    chosen = [one.within(max_share, min_similarity) for one in chosen]
    means = means_of(ready, chosen, encoder, seed, target.texts)
    found = []
    for one in chosen:
        outcomes = one.run(Victim(ready.probabilities), target.texts, target.labels, means)
        found.append(attack_block(one, outcomes, ready.labels))
        notice(_told(found[-1]))
    task = find_task(ready.task)
    columns = target.prepared.columns
    results = blocks.header("attack", task.describe(ready, columns), ready, command)
    ((split, table),) = target.prepared.tables.items()
    examples = task.examples(ready, table, columns)
    results["evaluation"] = task.measure(ready, target.prepared, split, examples)
    results["security"] = security_block(ready, means, encoder, seed, found)
    write_results(results, output, kind="attack")
    return results


def classifier_of(model: Model | str | Path) -> Classifier:
    """The classifier of single texts that is named.

    Raises:
        SettingsError: It is another kind of model.
    """
    ready = model if isinstance(model, Model) else load(model)
    if not isinstance(ready, Classifier) or ready.pairs:
        raise SettingsError(
            "Attacks on texts are for classifiers of single texts, and this is a model for "
            "{task}; name a classifier.",
            task=ready.task,
        )
    return ready


def check_limits(rows: int, max_share: float | None, min_similarity: float | None) -> None:
    """Refuse limits that nothing can keep.

    Raises:
        SettingsError: One is out of its range.
    """
    if rows < 1:
        raise SettingsError("--rows is {rows}; give 1 or more.", rows=rows)
    if max_share is not None and not 0 < max_share <= 1:
        raise SettingsError(
            "--max-share is {share}; give a share of the words above 0, up to 1.", share=max_share
        )
    if min_similarity is not None and not -1 <= min_similarity <= 1:
        raise SettingsError(
            "--min-similarity is {least}; give a cosine from -1 to 1.", least=min_similarity
        )


def rows_of(
    model: Classifier, data: str | Path, rows: int, seed: int, options: dict[str, str | None]
) -> Target:
    """Rows of those that ``prepare_test`` finds, drawn by ``seed``.

    Raises:
        MasonError: The data cannot be read, or do not fit the model.
    """
    task = find_task(model.task)
    prepared = task.restrict(model, prepare_test(data_settings(data, options), task))
    ((split, table),) = prepared.tables.items()
    if not len(table):
        raise DataError("{file} holds no rows with a text and a label.", file=prepared.file)
    if prepared.columns.pair:
        raise DataError("{file} holds pairs of texts; name one column with --text.", file=data)
    drawn = np.random.default_rng(seed).permutation(len(table))[:rows]
    table = table.take(sorted(drawn.tolist()))
    prepared = replace(prepared, tables={split: table})
    texts = texts_of(table, prepared.columns.text)
    return Target(prepared, texts, targets_of(table, prepared.columns, model.labels))


def means_of(
    model: Classifier,
    attacks: Sequence[Attack],
    encoder: str,
    seed: int,
    texts: Sequence[str],
    *,
    quickly: bool = False,
) -> Means:
    """What the attacks may use; the encoder is loaded only for those that need it.

    Chinese words are looked for in the texts themselves and lie where the model's own tokens
    put them, for no tokenizer has them whole. ``quickly``: the encoder may be nearly itself, see
    ``quick``.
    """
    inside = Inside(model.network, model.tokenizer, model.encode)
    near: Callable[[Embedder], Embedder] = quick if quickly else lambda one: one
    compared = any(one.limits.min_similarity is not None for one in attacks)
    if is_chinese(texts):
        cut = (word for text in texts for word in Words.of(text).words)
        lexicon = frozenset(word for word in cut if all(ord(c) in _HAN for c in word))
        nearness = nearness_of(near(_embedder(encoder))) if compared else None
        return Means(inside, None, nearness, seed, lexicon)
    if not compared and all(one.name != "words" for one in attacks):
        return Means(inside, seed=seed)
    comparing = _embedder(encoder)
    table = Inside(comparing.network, comparing.tokenizer, comparing.encode).table
    words = WordVectors(comparing.tokenizer, table)
    return Means(inside, words, nearness_of(near(comparing)), seed)


def quick(model: M) -> M:
    """A copy in 8 bits, which answers nearly the same several times as fast; else the model.

    Good for looking for texts that turn it, which the model itself then learns from; what is told
    of it is of itself.
    """
    if native.library() is None or device_of(model.network).type != "cpu":
        return model
    return replace(model, network=hold_in_eight_bits(copy.deepcopy(model.network)))


def _embedder(encoder: str) -> Embedder:
    found = load(encoder, task=Embedder.task)
    assert isinstance(found, Embedder), "the task decides the class"
    return found


def nearness_of(encoder: Embedder) -> Nearness:
    """Cosines of an encoder's sentence vectors."""

    def near(text: str, others: Sequence[str]) -> np.ndarray:
        vectors = encoder.predict([text, *others]).astype(np.float64)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        cosines: np.ndarray = vectors[1:] @ vectors[0]
        return cosines

    return near


def attack_block(
    attack: Attack, outcomes: Sequence[Outcome], labels: Sequence[str]
) -> dict[str, Any]:
    """An attack as ``results.json`` holds it."""
    won = [outcome for outcome in outcomes if outcome.success]
    examples = [
        {"text": o.text, "attacked": o.attacked, "label": labels[o.label], "said": labels[o.after]}
        for o in won[:_EXAMPLES]
    ]
    limits = asdict(attack.limits)
    told = asdict(summarise(outcomes))
    return {"name": attack.name, "paper": attack.paper, **told, **limits, "examples": examples}


def security_block(
    model: Classifier, means: Means, encoder: str, seed: int, attacks: list[dict[str, Any]]
) -> dict[str, Any]:
    """The block ``security`` of ``results.json``."""
    similar = encoder if means.nearness else None
    cleaner = model.tokenizer.cleaner
    return {"seed": seed, "cleaner": cleaner, "similar_by": similar, "attacks": attacks}


def write_results(results: dict[str, Any], output: str | Path | None, *, kind: str) -> None:
    """``results.json`` and ``report.html`` in a folder, whole or not at all."""
    if output is None:
        return
    with writing_folder(Path(output), kind=kind) as draft:
        write_json(draft / "results.json", results)
        write_report({**results, "name": Path(output).name}, draft)


def _told(found: dict[str, Any]) -> str:
    return say(
        "{name}: right on {under:.1%} under attack, {clean:.1%} before.",
        name=found["name"],
        under=found["under_attack"]["value"],
        clean=found["clean"]["value"],
    )
