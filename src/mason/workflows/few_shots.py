"""What a language model does of a task by its prompt alone: is fine-tuning needed?"""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from mason.data.columns import Columns
from mason.errors import SettingsError
from mason.evaluation.few_shot import Scored, score_choices
from mason.generation import Sampling, generate
from mason.language import say
from mason.metrics import scores
from mason.models.checkpoints import load_model
from mason.models.files import write_json, writing_folder
from mason.models.transformer import Transformer
from mason.reports.score_names import figure, score_names
from mason.sources import find_model
from mason.text import load_tokenizer
from mason.workflows.asking import FORMS, Row, Told
from mason.workflows.loading import load
from mason.workflows.model import Model
from mason.workflows.preparing import Prepared, data_settings, prepare
from mason.workflows.tasks import find_task
from mason.workflows.tasks.task import Task

SHOTS = (0, 1, 4, 16)
PAIRED = "First text: {text}\nSecond text: {pair}"
"""What stands for the text where texts are pairs."""
_OF_PAIRS = ("classification", "multilabel", "regression")
_BLANK = "N/A"
_ROWS, _LEAST_ROOM, _MOST_WRITTEN = 500, 32, 256
"""Most texts that are asked about; tokens that a prompt must leave for one; most that answer it."""


def few_shot(
    model: str | Path,
    data: str | Path,
    *,
    task: str | None = None,
    shots: Sequence[int] = SHOTS,
    template: str | None = None,
    tuned: str | Path | None = None,
    seed: int = 1,
    output: str | Path | None = None,
    **options: str | None,
) -> dict[str, Any]:
    """How well a language model does a task after seeing some examples in its prompt.

    Labels are scored, each as what may follow the prompt; what other tasks ask for is written
    and judged as of a model that was trained for them.

    Args:
        model: A decoder, by a name as for ``mason.load``.
        data: As for ``mason.train``; shown are rows to train on, asked about rows to test on.
        task: One of ``mason.workflows.asking.FORMS``; None: that of ``tuned``, or classification.
        shots: How many examples are shown, each number in turn; labels take turns.
        template: One example, that ends with ``{label}``; None: the task's own.
        tuned: A model that was trained for the task, measured on the same rows; None: none.
        seed: Of the choice of examples.
        output: Folder for ``results.json``; None: nothing is written.
        options: Fields of the ``data`` settings, such as ``text`` and ``label``.

    Returns:
        ``curve``: for each number of shots every one of ``measures`` with its interval, of
        classification those of ``mason.evaluation.few_shot``. ``tuned``: the trained model's.

    Raises:
        MasonError: The model, the prompt, the data or the task is not for this.
    """
    start, network = time.monotonic(), _decoder(model)
    trained = None if tuned is None else load(tuned)
    doer = _asked_for(task or (trained.task if trained else None))
    prepared = prepare(data_settings(data, options), doer, seed=seed)
    kind = _Choosing if FORMS[doer.name].scores is None else _Writing
    asking = kind(network, str(model), template, doer, prepared, seed)
    curve = [asking.measure(num) for num in shots]
    named = [name for name in curve[0] if name not in ("shots", "prompt_tokens")]
    results = {
        "mason": "few-shot",
        "model": str(model),
        "task": doer.name,
        "file": prepared.file,
        "rows": len(asking.asked),
        "labels": list(prepared.labels),
        "template": asking.template,
        "measures": named,
        "curve": curve,
        **({"tuned": asking.beside(trained, str(tuned))} if trained is not None else {}),
        "seconds": time.monotonic() - start,
    }
    if output is not None:
        with writing_folder(Path(output), kind="evaluation") as draft:
            write_json(draft / "results.json", results)
    return results


def _asked_for(task: str | None) -> Task[Any, Any]:
    """A task that has a template.

    Raises:
        SettingsError: It has none.
    """
    found = find_task(task)
    if found.name not in FORMS:
        raise SettingsError(
            "The task {task} cannot be asked for by examples; those that can are {known}.",
            task=found.name,
            known=", ".join(FORMS),
        )
    return found


def _decoder(model: str | Path) -> Transformer:
    """A model that continues texts.

    Raises:
        SettingsError: It does not.
    """
    loaded = load_model(find_model(str(model)), heads=("language",))
    if loaded.model.spec.topology != "decoder" or loaded.fresh:
        raise SettingsError(
            "{model} does not continue texts, so it cannot be asked by examples; name a decoder "
            "such as SmolLM2, or train this model with mason train.",
            model=model,
        )
    return loaded.model.eval()


class _Asking(ABC):
    """The prompts of one model and one data set."""

    def __init__(
        self,
        model: Transformer,
        source: str,
        template: str | None,
        task: Task[Any, Any],
        prepared: Prepared,
        seed: int,
    ) -> None:
        self.model, self.tokenizer = model, load_tokenizer(find_model(source))
        self.task, self.prepared = task, prepared
        tables, columns, rng = prepared.tables, prepared.columns, np.random.default_rng(seed)
        self.form = FORMS[task.name]
        asked_so = self.form.template
        if columns.pair is not None and task.name in _OF_PAIRS:
            asked_so = f"{PAIRED}\n{asked_so.splitlines()[-1]}"
        self.template = template or asked_so
        _check(self.template, columns)
        self.split = "test" if "test" in tables else "valid"
        num = len(tables[self.split])
        self.table = tables[self.split].take(np.sort(rng.permutation(num)[:_ROWS]).tolist())
        self.asked = self.form.rows(self.table, columns)
        known = self.form.rows(tables["train"], columns)
        self.shown = self._ordered([known[i] for i in rng.permutation(len(known))])

    @abstractmethod
    def measure(self, num: int) -> dict[str, Any]:
        """Every measure with so many examples shown."""

    def beside(self, trained: Model, name: str) -> dict[str, Any]:
        """What a trained model reaches on the rows that are asked about."""
        if trained.task != self.task.name:
            raise SettingsError(
                "{model} was trained for {found}, not for {wanted}; name a model of the same task.",
                model=name,
                found=trained.task,
                wanted=self.task.name,
            )
        rows = replace(self.prepared, tables={self.split: self.table})
        rows = self.task.restrict(trained, rows)
        examples = self.task.examples(trained, rows.tables[self.split], rows.columns)
        scores = self.task.measure(trained, rows, self.split, examples)["scores"]
        return {"model": name, "scores": scores}

    def _ordered(self, rows: list[Row]) -> list[Row]:
        """In which order examples are shown."""
        return rows

    def _prompt(self, num: int) -> list[int]:
        """The examples to show as tokens, behind the mark that begins a text."""
        if num > len(self.shown):
            raise SettingsError(
                "{num} examples are to be shown, but there are {known} rows to train on; show "
                "fewer with --shots.",
                num=num,
                known=len(self.shown),
            )
        first = self.tokenizer.special.bos
        shown = (f"{self.template.format(**row._asdict())}\n\n" for row in self.shown[:num])
        return [*([first] if first is not None else []), *self._ids(["".join(shown)])[0]]

    def _before(self, row: Row) -> str:
        """What stands before a label."""
        whole = self.template.removesuffix("{label}").rstrip(" ")
        return whole.format(**row._asdict())

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return self.tokenizer.encode_ids(texts, special=False)

    def _asked_ids(self, num: int, taken: int) -> list[list[int]]:
        """What stands before the answer of each text, of which the end is kept.

        Args:
            num: Examples that are shown.
            taken: Tokens that they and an answer take.
        """
        limit = self.model.spec.max_tokens or 1 << 20
        if limit - taken < _LEAST_ROOM:
            raise SettingsError(
                "{num} examples and a label take {taken} tokens, but the model has {limit}; show "
                "fewer with --shots.",
                num=num,
                taken=taken,
                limit=limit,
            )
        texts = self._ids([self._before(row) for row in self.asked])
        return [ids[-(limit - taken) :] for ids in texts]


class _Choosing(_Asking):
    """One of the labels, whichever is likeliest."""

    def measure(self, num: int) -> dict[str, Any]:
        """Accuracies, three ways to choose."""
        shown, labels = self._prompt(num), self.prepared.labels
        # A label is the next word: its space is its own, as a byte-level tokenizer has it.
        gap = " " if self.template.endswith(" {label}") else ""
        choices = self._ids([gap + label for label in labels])
        texts = self._asked_ids(num, len(shown) + max(map(len, choices)))
        blank = self._ids([self._before(Row(_BLANK, _BLANK, ""))])
        scored = Scored(
            score_choices(self.model, shown, texts, choices),
            np.array([len(label.encode()) for label in labels]),
            score_choices(self.model, shown, blank, choices)[0],
        )
        numbers = {label: i for i, label in enumerate(labels)}
        targets = np.array([numbers[row.label] for row in self.asked])
        told = {
            name: asdict(scores(targets, found, len(labels)).overall["accuracy"])
            for name, found in scored.predictions().items()
        }
        return {"shots": num, "prompt_tokens": len(shown), **told}

    def _ordered(self, rows: list[Row]) -> list[Row]:
        """The labels in turn as long as they last."""
        turns: dict[str, int] = {}

        def turn(row: Row) -> int:
            turns[row.label] = turns.get(row.label, 0) + 1
            return turns[row.label]

        return sorted(rows, key=turn)  # the sort is stable


class _Writing(_Asking):
    """A text that the model writes."""

    def measure(self, num: int) -> dict[str, Any]:
        """The task's own scores of what is written."""
        shown = self._prompt(num)
        longest = max(map(len, self._ids([row.label for row in self.shown])), default=0) + 2
        room = min(longest, _MOST_WRITTEN)
        texts = self._asked_ids(num, len(shown) + room)
        # An answer after a space has one line; any other goes on to where an example would begin.
        lone = self.template.endswith(" {label}")
        end = "\n" if lone else f"\n\n{self._opening}"
        sampling = Sampling(max_new_tokens=room, stop=(end,))
        found = generate(self.model, texts, sampling, tokenizer=self.tokenizer, shown=shown)
        told = self._scores([one.text.strip() if lone else one.text for one in found])
        return {"shots": num, "prompt_tokens": len(shown), **told}

    @property
    def _opening(self) -> str:
        """What an example begins with: its first line, or what stands before the text."""
        return self.template.split("{text}")[0].split("\n")[0]

    def _scores(self, written: Sequence[str]) -> dict[str, Any]:
        assert self.form.scores is not None, "what is written is judged"
        known, columns = self.prepared.tables["train"], self.prepared.columns
        told = self.form.scores(Told(self.task, columns, known, self.table, written))
        return {name: asdict(score) for name, score in told.items()}


def _check(template: str, columns: Columns) -> None:
    """Refuse a template that cannot be filled.

    Raises:
        SettingsError: It lacks a part, or names another.
    """
    rest = template.replace("{text}", "", 1).replace("{label}", "", 1)
    rest = rest.replace("{pair}", "", 1) if columns.pair else rest
    whole = "{text}" in template and template.endswith("{label}")
    if not whole or "{" in rest or "}" in rest:
        raise SettingsError(
            "The template {template!r} must hold {{text}} once and end with {{label}}, such as "
            "{example!r}.",
            template=template,
            example=FORMS["classification"].template,
        )


def curve_in_words(results: dict[str, Any]) -> str:
    """The curve in a few lines, and what training reached."""
    lines = [
        say("{rows} texts; with so many examples in the prompt:", rows=results["rows"])
        if results["task"] != "classification"
        else say(
            "{rows} texts, {labels} labels; right with so many examples in the prompt:",
            rows=results["rows"],
            labels=len(results["labels"]),
        )
    ]
    names = {
        "plain": say("likeliest"),
        "normalised": say("by length"),
        "calibrated": say("calibrated"),
    }
    for point in results["curve"]:
        ways = (_in_words(names, name, point[name]) for name in results["measures"])
        lines.append(f"  {point['shots']:>3}: " + ", ".join(ways))
    if "tuned" in results:
        told, known = results["tuned"], [*results["measures"], "accuracy"]
        scored = [_in_words(names, n, v) for n, v in told["scores"].items() if n in known]
        lines.append(
            say("{model}, trained for it: {scores}", model=told["model"], scores=", ".join(scored))
        )
    return "\n".join(lines)


def _in_words(names: Mapping[str, str], name: str, score: Mapping[str, float]) -> str:
    said = names.get(name) or score_names()[name][0]
    value, low, high = (
        f"{score[end]:.1%}" if name in names else figure(name, score[end])
        for end in ("value", "low", "high")
    )
    return f"{said} {value} ({low}–{high})"
