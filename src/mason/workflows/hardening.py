"""Harden: give a classifier defences, and measure the price and the gain of all of them."""

import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mason.errors import SettingsError
from mason.language import say
from mason.models.files import write_json, writing_folder
from mason.reports import write_card, write_report
from mason.security.attacks import Attack, find_attacks
from mason.security.masking import Vote
from mason.security.outliers import find_outliers
from mason.security.poisoning import Suspect, find_triggers, triggered, turned_by
from mason.security.search import Outcome
from mason.security.summary import summarise, wilson
from mason.security.victims import Victim
from mason.settings import load_settings
from mason.text import Tokenizer
from mason.text.cleaners import SPELLING, UNICODE
from mason.text.usage import Usage
from mason.workflows import results as blocks
from mason.workflows.attacking import (
    ENCODER,
    attack_block,
    classifier_of,
    is_chinese,
    means_of,
    quick,
)
from mason.workflows.classifier import Classifier
from mason.workflows.fine_tuning import Run
from mason.workflows.judging import JUDGE, Judge
from mason.workflows.labelled_rows import (
    Rows,
    drawn_rows,
    learn_rows,
    prepared_for,
    rows_by_split,
)
from mason.workflows.model import Model
from mason.workflows.preparing import Prepared, texts_of
from mason.workflows.tasks import find_task

MEANS = ("cleaner", "spelling", "adversarial", "masking", "triggers", "outliers")
AGAINST = {False: "typos,words", True: "homophones,glyphs,words"}
"""Attacks to learn from; of Chinese texts: True."""
ROWS, LEARNED_ROWS = 200, 1000
_SWAPPED = 0.4
"""Most of a text's words that a batch swaps, as many as attacks do."""
_CERTIFIED_ROWS = 50
_CUT = (0, 1, 2, 3, 5)
_NAMED = 8
"""Rows of a suspect that are named."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What is done.

    Attributes:
        means: Of ``MEANS``.
        against: Attacks that training texts are attacked by.
        face: Attacks that the model is measured under, before and after.
        rows: Held-out texts that are attacked.
        learned_rows: Training texts that are attacked to learn from.
        encoder: See ``mason.attack``.
        judge: A language model that hears words out of place.
        seed: Of all that is drawn.
    """

    means: tuple[str, ...]
    against: list[Attack]
    face: list[Attack]
    rows: int
    learned_rows: int
    encoder: str = ENCODER
    judge: str = JUDGE
    seed: int = 0


def harden(
    model: Model | str | Path,
    data: str | Path,
    *,
    output: str | Path,
    means: str = "cleaner,adversarial",
    against: str | None = None,
    face: str | None = None,
    rows: int = ROWS,
    learned_rows: int = LEARNED_ROWS,
    encoder: str = ENCODER,
    judge: str = JUDGE,
    seed: int = 0,
    notice: Say = lambda sentence: None,
    command: str | None = None,
    text: str | None = None,
    label: str | None = None,
    **options: object,
) -> Run:
    """Give a classifier defences and write it with a report of their price and their gain.

    Args:
        model: A classifier, or a name as for ``mason.load``; it is not changed.
        data: What it was trained on, as for ``mason.train``; rows it was not trained on are
            measured on.
        output: Folder to write.
        means: ``cleaner`` (invisible characters and lookalikes are undone before the
            tokenizer), ``spelling`` (so are they, and then words are put right: of those one
            edit away the one that the training texts have between its neighbours),
            ``adversarial`` (it goes on learning from attacked training texts, and each batch once
            more with words swapped by gradient), ``masking`` (copies with most words left out
            vote), ``triggers`` and ``outliers`` (a backdoor is looked for, by what phrases do and
            by words out of place, and untaught); parted by commas.
        against: Attacks that training texts are attacked by; None: those of ``AGAINST`` that
            suit the language of the texts.
        face: Attacks it is measured under; None: those, and others it did not learn from.
        rows: Held-out texts that are attacked.
        learned_rows: Training texts that are attacked to learn from.
        encoder: See ``mason.attack``.
        judge: A language model that hears words out of place, for ``outliers``.
        seed: Of all that is drawn; decides the held-out rows as in ``mason.train``.
        notice: Called with each sentence the user should read.
        command: How to repeat this, for the report.
        text: The column of the text.
        label: The column of the label.
        options: Settings of the training, as for ``mason.train``.

    Raises:
        MasonError: As for ``mason.attack`` and ``mason.train``.
    """
    before = classifier_of(model)
    prepared = prepared_for(before, data, text, label, seed)
    chinese = is_chinese(texts_of(prepared.tables["train"], prepared.columns.text))
    known = _plan(means, against, face, rows, learned_rows, chinese=chinese)
    plan = replace(known, encoder=encoder, judge=judge, seed=seed)
    return _hardened(before, prepared, plan, Path(output), options, notice, command)


def _hardened(
    before: Classifier,
    prepared: Prepared,
    plan: Plan,
    output: Path,
    options: dict[str, object],
    notice: Say,
    command: str | None,
) -> Run:
    task = find_task(before.task)
    parts = rows_by_split(prepared)
    held = drawn_rows(parts["test"], plan.rows, plan.seed)
    base = _measured(before, held, plan)
    made = replace(before, network=copy.deepcopy(before.network), fresh=())
    made.tokenizer = _cleaning(before.tokenizer, parts["train"], plan)
    suspects = _suspects(made, parts, plan, prepared.tables["train"].rows, notice)
    if suspects:  # what their rows say is not to be learned from either
        made.tokenizer = _cleaning(before.tokenizer, parts["train"], plan)
    more = _more(made, parts["train"], plan, notice) + _untaught(suspects, parts["train"], plan)
    results = blocks.header("harden", task.describe(made, prepared.columns), made, command)
    if more:
        options = {**_swaps(made, parts["train"], plan, options), **options}
        parts["train"] = [*parts["train"], *more]
        learned = learn_rows(made, parts, options, notice, plan.seed)
        kept = ("training", "cost")
        results |= {name: learned.results[name] for name in kept}
    if "masking" in plan.means:
        made.vote = Vote()
    examples = task.examples(made, prepared.tables["test"], prepared.columns)
    results["evaluation"] = task.measure(made, prepared, "test", examples)
    results["security"] = _compared(made, base, held, plan)
    results["security"]["defences"][0]["faced"] += [
        _obeyed(before, made, suspect, held, plan) for suspect in suspects
    ]
    with writing_folder(output, kind="model") as draft:
        made.write(draft)
        write_json(draft / "results.json", results)
        named = {**results, "name": output.name}
        write_card(named, draft)
        write_report(named, draft)
    return Run(made, results, output)


def _cleaning(tokenizer: Tokenizer, rows: Rows, plan: Plan) -> Tokenizer:
    if "spelling" in plan.means:
        usage = Usage.of((text for text, _ in rows), tokenizer.whole_words)
        return tokenizer.cleaning(SPELLING, usage)
    return tokenizer.cleaning(UNICODE) if "cleaner" in plan.means else tokenizer


def _plan(
    means: str,
    against: str | None,
    face: str | None,
    rows: int,
    learned: int,
    *,
    chinese: bool,
) -> Plan:
    named = tuple(name.strip() for name in means.split(","))
    unknown = [name for name in named if name not in MEANS]
    if unknown:
        raise SettingsError(
            "There is no defence {name!r}; choose among {known}.",
            name=unknown[0],
            known=", ".join(MEANS),
        )
    if min(rows, learned) < 1:
        raise SettingsError("--rows and --learned-rows are 1 or more.")
    learned_from = against or AGAINST[chinese]
    others = ("traditional", "invisible") if chinese else ("homoglyphs", "invisible", "disguise")
    faced = face or ",".join(dict.fromkeys([*learned_from.split(","), *others]))
    taught, met = (find_attacks(told, chinese_text=chinese) for told in (learned_from, faced))
    return Plan(named, taught, met, rows, learned)


@dataclass(frozen=True)
class Measured:
    """Right answers on clean texts, and what every attack made of them."""

    right: int
    outcomes: dict[str, list[Outcome]]


def _measured(model: Classifier, held: Rows, plan: Plan) -> Measured:
    texts, targets = _split(model, held)
    means = means_of(model, plan.face, plan.encoder, plan.seed, texts)
    right = int((model.probabilities(texts).argmax(1) == targets).sum())
    return Measured(
        right,
        {
            one.name: one.run(Victim(model.probabilities), texts, targets, means)
            for one in plan.face
        },
    )


def _split(model: Classifier, rows: Rows) -> tuple[list[str], list[int]]:
    numbers = {label: i for i, label in enumerate(model.labels)}
    return [text for text, _ in rows], [numbers[label] for _, label in rows]


def _more(model: Classifier, train_rows: Rows, plan: Plan, notice: Say) -> list[tuple[str, str]]:
    """Rows to learn from besides: attacked texts, and copies with words left out."""
    found: list[tuple[str, str]] = []
    if "adversarial" in plan.means:
        drawn = np.random.default_rng(plan.seed).permutation(len(train_rows))[: plan.learned_rows]
        chosen = [train_rows[i] for i in drawn]
        texts, targets = _split(model, chosen)
        # Other draws than those it will be measured by.
        means = means_of(model, plan.against, plan.encoder, plan.seed + 1, texts, quickly=True)
        victim = quick(model)
        for one in plan.against:
            outcomes = one.run(Victim(victim.probabilities), texts, targets, means)
            found += [(o.attacked, model.labels[o.label]) for o in outcomes if o.attacked != o.text]
        notice(say("Attacked texts to learn from: {count}.", count=len(found)))
    if "masking" in plan.means:
        vote = Vote()
        found += [
            (masked, label)
            for text, label in train_rows
            for masked in vote.copies_of(text, 2, seed=plan.seed)
        ]
    return found


def _swaps(
    model: Classifier, train_rows: Rows, plan: Plan, options: dict[str, object]
) -> dict[str, object]:
    """Where it learns from swapped words, every batch has some as well, if they are English.

    A compiled step cannot swap any, and whoever asks for one gets that.
    """
    learns = "adversarial" in plan.means and any(one.name == "words" for one in plan.against)
    plain = model.network.spec.topology != "encoder-decoder"
    asked = load_settings(overrides=options).settings.training
    if asked.compile or asked.word_swaps is not None:
        return {}
    if not learns or not plain or is_chinese([text for text, _ in train_rows]):
        return {}
    return {"training.word_swaps": _SWAPPED}


def _suspects(
    model: Classifier,
    parts: dict[str, list[tuple[str, str]]],
    plan: Plan,
    rows: Sequence[int],
    notice: Say,
) -> list[Suspect]:
    """Triggers of a backdoor; the rows that taught them are left out from now on.

    ``rows``: the numbers of the training rows in their file, to be looked at.
    """
    if not {"triggers", "outliers"}.intersection(plan.means):
        return []
    (texts, targets), found = _split(model, parts["train"]), []
    if "triggers" in plan.means:
        found += find_triggers(model.probabilities, texts, targets, seed=plan.seed)
    if "outliers" in plan.means:
        judge, known = Judge(plan.judge), {suspect.phrase for suspect in found}
        heard = find_outliers(judge, model.probabilities, texts, targets, seed=plan.seed)
        found += [suspect for suspect in heard if suspect.phrase not in known]
    bad = {i for suspect in found for i in suspect.rows}
    parts["train"] = [row for i, row in enumerate(parts["train"]) if i not in bad]
    for suspect in found:
        notice(
            say(
                "{phrase!r} turns {share:.0%} of other texts into {label}; rows that taught it "
                "are left out: {count}, among them {rows}.",
                phrase=suspect.phrase,
                share=suspect.turned,
                label=model.labels[suspect.label],
                count=len(suspect.rows),
                rows=", ".join(str(rows[i]) for i in suspect.rows[:_NAMED]),
            )
        )
    if not found:
        notice(say("Nothing in the data looks like the trigger of a backdoor."))
    return found


def _untaught(suspects: Sequence[Suspect], train_rows: Rows, plan: Plan) -> list[tuple[str, str]]:
    """Honest rows with the triggers in them and their own labels, which unteach the model."""
    draw = random.Random(plan.seed)
    return [
        (triggered(text, suspect.phrase, draw.random()), label)
        for suspect in suspects
        for text, label in draw.sample(train_rows, min(plan.learned_rows, len(train_rows)))
    ]


def _obeyed(
    before: Classifier, after: Classifier, suspect: Suspect, held: Rows, plan: Plan
) -> dict[str, Any]:
    """Texts of other classes with a trigger in them: the share that is not turned by it."""
    texts, targets = _split(before, held)
    others = [t for t, own in zip(texts, targets, strict=True) if own != suspect.label]
    shares = []
    for model in (before, after):
        share = turned_by(model.probabilities, suspect.phrase, suspect.label, others, plan.seed)
        shares.append(wilson(len(others) - round(share * len(others)), len(others)))
    name = say("the trigger {phrase!r}", phrase=suspect.phrase)
    return {"attack": name, "knows": False, "before": asdict(shares[0]), "after": asdict(shares[1])}


def _compared(made: Classifier, base: Measured, held: Rows, plan: Plan) -> dict[str, Any]:
    """The block ``security``: the defences' price and gain on the same rows."""
    after = _measured(made, held, plan)
    texts, targets = _split(made, held)
    faced = []
    for one in plan.face:
        old, new = base.outcomes[one.name], after.outcomes[one.name]
        weak = summarise(old).under_attack
        told = made.probabilities([outcome.attacked for outcome in old]).argmax(1)
        right = sum(int(o.label == said) for o, said in zip(old, told, strict=True))
        carried = wilson(right, len(old))
        faced.append(_faced(one, weak, carried, knows=False))
        faced.append(_faced(one, weak, summarise(new).under_attack, knows=True))
    defence = {
        "name": "+".join(plan.means),
        "clean_before": asdict(wilson(base.right, len(held))),
        "clean_after": asdict(wilson(after.right, len(held))),
        "faced": faced,
        "certified": _certified(made, texts[:_CERTIFIED_ROWS], targets),
    }
    attacks = [attack_block(one, after.outcomes[one.name], made.labels) for one in plan.face]
    compared = any(one.limits.min_similarity is not None for one in plan.face)
    return {
        "seed": plan.seed,
        "cleaner": made.tokenizer.cleaner,
        "similar_by": plan.encoder if compared else None,
        "attacks": attacks,
        "defences": [defence],
    }


def _faced(attack: Attack, before: Any, after: Any, *, knows: bool) -> dict[str, Any]:
    shares = {"before": asdict(before), "after": asdict(after)}
    return {"attack": attack.name, "knows": knows, **shares}


def _certified(model: Classifier, texts: list[str], targets: list[int]) -> dict[int, float]:
    if model.vote is None:
        return {}
    answers = model.probabilities(texts).argmax(1)
    found = [
        model.vote.certified(model.read_once, text, target) if answer == target else -1
        for text, target, answer in zip(texts, targets, answers, strict=False)
    ]
    return {words: sum(n >= words for n in found) / len(found) for words in _CUT}
