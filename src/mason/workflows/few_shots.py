"""A language model as a classifier by its prompt alone: is fine-tuning needed?"""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mason.data.columns import Columns
from mason.data.tables import Table
from mason.errors import SettingsError
from mason.evaluation.few_shot import Scored, score_choices
from mason.language import say
from mason.metrics import scores
from mason.models.checkpoints import load_model
from mason.models.files import write_json, writing_folder
from mason.models.transformer import Transformer
from mason.sources import find_model
from mason.text import Tokenizer, load_tokenizer
from mason.workflows.preparing import Prepared, data_settings, prepare
from mason.workflows.tasks import TASKS

SHOTS = (0, 1, 4, 16)
TEMPLATE = "Text: {text}\nLabel: {label}"
_BLANK = "N/A"
_ROWS, _LEAST_ROOM = 500, 32
"""Most texts that are asked about; tokens that a prompt must leave for one."""


def few_shot(
    model: str | Path,
    data: str | Path,
    *,
    shots: Sequence[int] = SHOTS,
    template: str = TEMPLATE,
    seed: int = 1,
    output: str | Path | None = None,
    **options: str | None,
) -> dict[str, Any]:
    """How well a language model names the labels of texts, after seeing some in its prompt.

    Args:
        model: A decoder, by a name as for ``mason.load``.
        data: As for ``mason.train``; shown are rows to train on, asked about rows to test on.
        shots: How many examples are shown, each number in turn; labels take turns.
        template: One example: ``{text}``, perhaps ``{pair}``, and ``{label}`` at the end.
        seed: Of the choice of examples.
        output: Folder for ``results.json``; None: nothing is written.
        options: Fields of the ``data`` settings, such as ``text`` and ``label``.

    Returns:
        ``rows``, ``labels`` and ``curve``: for each number of shots accuracy with its interval,
        plain, normalised and calibrated; see ``mason.evaluation.few_shot``.

    Raises:
        MasonError: The model does not generate, the prompt does not fit it, or the data cannot
            be read.
    """
    path, start = find_model(str(model)), time.monotonic()
    loaded = load_model(path, heads=("language",))
    if loaded.model.spec.topology != "decoder" or loaded.fresh:
        raise SettingsError(
            "{model} does not continue texts, so it cannot be asked by examples; name a decoder "
            "such as SmolLM2, or train this model with mason train.",
            model=model,
        )
    prepared = prepare(data_settings(data, options), TASKS["classification"], seed=seed)
    asking = _Asking(loaded.model.eval(), load_tokenizer(path), template, prepared, seed)
    curve = [asking.measure(num) for num in shots]
    results = {
        "mason": "few-shot",
        "model": str(model),
        "file": prepared.file,
        "rows": len(asking.targets),
        "labels": list(prepared.labels),
        "template": template,
        "curve": curve,
        "seconds": time.monotonic() - start,
    }
    if output is not None:
        with writing_folder(Path(output), kind="evaluation") as draft:
            write_json(draft / "results.json", results)
    return results


class _Asking:
    """The prompts of one model and one data set."""

    def __init__(
        self, model: Transformer, tokenizer: Tokenizer, template: str, prepared: Prepared, seed: int
    ) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.template, self.labels = template, prepared.labels
        tables, columns, rng = prepared.tables, prepared.columns, np.random.default_rng(seed)
        _check(template, columns)
        asked = _rows(tables["test" if "test" in tables else "valid"], columns)
        self.asked = [asked[i] for i in np.sort(rng.permutation(len(asked))[:_ROWS])]
        known = _rows(tables["train"], columns)
        self.shown = _in_turn([known[i] for i in rng.permutation(len(known))])
        numbers = {label: i for i, label in enumerate(self.labels)}
        self.targets = np.array([numbers[row.label] for row in self.asked])

    def measure(self, num: int) -> dict[str, Any]:
        """Accuracies with so many examples shown."""
        shown = self._prompt(num)
        # A label is the next word: its space is its own, as a byte-level tokenizer has it.
        gap = " " if self.template.endswith(" {label}") else ""
        choices = self._ids([gap + label for label in self.labels])
        room = self._room(num, len(shown) + max(map(len, choices)))
        texts = [ids[-room:] for ids in self._ids([self._before(row) for row in self.asked])]
        blank = self._ids([self._before(_Row(_BLANK, _BLANK, ""))])
        scored = Scored(
            score_choices(self.model, shown, texts, choices),
            np.array([len(label.encode()) for label in self.labels]),
            score_choices(self.model, shown, blank, choices)[0],
        )
        told = {
            name: asdict(scores(self.targets, found, len(self.labels)).overall["accuracy"])
            for name, found in scored.predictions().items()
        }
        return {"shots": num, "prompt_tokens": len(shown), **told}

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

    def _before(self, row: "_Row") -> str:
        """What stands before a label."""
        whole = self.template.removesuffix("{label}").rstrip(" ")
        return whole.format(**row._asdict())

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return self.tokenizer.encode_ids(texts, special=False)

    def _room(self, num: int, taken: int) -> int:
        """Tokens that are left for a text, of which the end is kept."""
        limit = self.model.spec.max_tokens or 1 << 20
        if limit - taken < _LEAST_ROOM:
            raise SettingsError(
                "{num} examples and a label take {taken} tokens, but the model has {limit}; show "
                "fewer with --shots.",
                num=num,
                taken=taken,
                limit=limit,
            )
        return limit - taken


class _Row(NamedTuple):
    """An example."""

    text: str
    pair: str
    label: str


def _rows(table: Table, columns: Columns) -> list[_Row]:
    names = (columns.text, columns.pair, columns.label)
    found = [table.texts(name) if name else [""] * len(table) for name in names]
    return [_Row(t or "", p or "", str(label)) for t, p, label in zip(*found, strict=True)]


def _in_turn(rows: Sequence[_Row]) -> list[_Row]:
    """The same rows, the labels in turn as long as they last."""
    turns: dict[str, int] = {}

    def turn(row: _Row) -> int:
        turns[row.label] = turns.get(row.label, 0) + 1
        return turns[row.label]

    return sorted(rows, key=turn)  # the sort is stable


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
            example=TEMPLATE,
        )


def curve_in_words(results: dict[str, Any]) -> str:
    """The curve in a few lines."""
    lines = [
        say(
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
        ways = (
            f"{said} {point[name]['value']:.1%} "
            f"({point[name]['low']:.1%}–{point[name]['high']:.1%})"
            for name, said in names.items()
        )
        lines.append(f"  {point['shots']:>3}: " + ", ".join(ways))
    return "\n".join(lines)
