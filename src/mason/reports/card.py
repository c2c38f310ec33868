"""The model card: ``README.md`` with the front matter that the Hugging Face hub reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mason.language import say
from mason.reports.markup import sentences
from mason.reports.numbers import count, magnitude, percent, size
from mason.reports.overview import headline
from mason.reports.page import speaking
from mason.reports.schema import Results, Scored
from mason.reports.score_names import scores_of
from mason.reports.validation import validate

PIPELINE_TAGS = {
    "classification": "text-classification",
    "tagging": "token-classification",
    "answering": "question-answering",
    "translation": "translation",
    "summarisation": "summarization",
    "completion": "text-generation",
    "code-translation": "text-generation",
    "code-completion": "text-generation",
}
# Markdown and HTML that a file name or label could carry into the card.
_MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]<>#|~"} | {"\n": " ", "\r": " "})


def write_card(results: Mapping[str, Any], folder: Path) -> Path:
    """Write ``README.md`` into ``folder`` and return its path.

    Raises:
        DataError: The results do not follow the schema.
    """
    valid = validate(results)
    name = valid.name or folder.resolve().name
    with speaking(valid.language):
        front = yaml.safe_dump(_front_matter(valid, name), allow_unicode=True, sort_keys=False)
        text = f"---\n{front}---\n\n{_body(valid, name)}"
    path = folder / "README.md"
    path.write_text(text, encoding="utf-8")
    return path


def _front_matter(results: Results, name: str) -> dict[str, Any]:
    """Keys as the hub's model card metadata names them; unknown ones are left out."""
    model, data, task = results.model, results.data, results.task
    pipeline = PIPELINE_TAGS.get(task.name) if task else None
    front: dict[str, Any] = {
        "language": list(data.languages) if data else None,
        "license": model.license if model else None,
        "library_name": "transformers",
        "pipeline_tag": pipeline,
        "base_model": model.hub_id if model else None,
        "tags": ["mason", *([model.family] if model else []), *([pipeline] if pipeline else [])],
    }
    scored = results.evaluation
    if scored is not None and scored.scores:
        metrics = _metrics(scored)
        front["metrics"] = sorted({metric["type"] for metric in metrics})
        front["model-index"] = [
            {
                "name": name,
                "results": [
                    {
                        "task": {"type": pipeline or "other"},
                        "dataset": {
                            "name": Path(data.file).name if data and data.file else "custom",
                            "type": "custom",
                            "split": scored.split,
                        },
                        "metrics": metrics,
                    }
                ],
            }
        ]
    return {key: value for key, value in front.items() if value}


def _metrics(scored: Scored) -> list[dict[str, Any]]:
    kinds = {"accuracy": "accuracy", "f1": "f1", "precision": "precision", "recall": "recall"}
    return [
        {"type": kinds[kind], "name": name.replace("_", " "), "value": round(score.value, 6)}
        for name, score in scored.scores.items()
        if (kind := name.rpartition("_")[2]) in kinds
    ]


def _body(results: Results, name: str) -> str:
    blocks = [f"# {_plain(name)}", f"**{headline(results)}.**"]
    blocks += [_about(results), _scores(results), _limits(results), _use(results), _again(results)]
    blocks.append(
        say(
            "Written by Mason {version}; `report.html` beside this file shows the whole picture.",
            version=results.mason,
        )
    )
    return "\n\n".join(block for block in blocks if block) + "\n"


def _about(results: Results) -> str:
    lines = []
    model, data, task = results.model, results.data, results.task
    if model is not None:
        lines.append(
            say(
                "Started from {source} ({family}, {parameters} parameters).",
                source=_plain(model.source),
                family=_plain(model.family),
                parameters=magnitude(model.parameters),
            )
        )
    if results.cost is not None and results.cost.model_bytes is not None:
        lines.append(say("Size on disk: {size}.", size=size(results.cost.model_bytes)))
    if data is not None and data.rows.get("train"):
        lines.append(say("Trained on {rows} texts.", rows=count(data.rows["train"])))
    if task is not None and task.labels:
        shown = ", ".join(_plain(label) for label in task.labels[:60])
        lines.append(say("Labels: {labels}.", labels=shown))
    return f"## {say('What it is')}\n\n" + sentences(lines) if lines else ""


def _scores(results: Results) -> str:
    scored = results.evaluation
    if scored is None or not scored.scores:
        return ""
    rows = [(name.replace("_", " "), score) for name, score in scored.scores.items()]
    rows += [
        (_plain(b.name if name == "accuracy" else f"{b.name}: {name.replace('_', ' ')}"), score)
        for b in scored.baselines
        for name, score in scores_of(b).items()
    ]
    lines = [f"| {say('Score')} | {say('Value')} | {say('Between')} |", "|---|---:|---:|"]
    lines += [
        f"| {name} | {percent(s.value)} | {percent(s.low)}–{percent(s.high)} |" for name, s in rows
    ]
    note = say(
        "Scored on {rows} texts of the split {split}; the range holds the true value with "
        "{confidence} confidence.",
        rows=count(scored.rows),
        split=_plain(scored.split),
        confidence=percent(scored.confidence, 0),
    )
    return f"## {say('How good it is')}\n\n{note}\n\n" + "\n".join(lines)


def _limits(results: Results) -> str:
    """What to know before trusting it, from the run itself."""
    lines = []
    scored, training, data = results.evaluation, results.training, results.data
    if training is not None and training.overfitting is not None:
        lines.append(training.overfitting.sentence)
    if scored is not None and scored.calibration is not None:
        error = scored.calibration.ece_after
        error = scored.calibration.ece if error is None else error
        lines.append(say("Its probabilities are off by {error} on average.", error=percent(error)))
    known = [c for c in scored.per_class if c.f1 is not None] if scored else []
    if known:
        worst = min(known, key=lambda c: c.f1 or 0.0)
        lines.append(
            say(
                "Weakest label: {label}, F1 {score}.",
                label=_plain(worst.label),
                score=percent(worst.f1),
            )
        )
    if data is not None and data.lengths is not None and data.lengths.limit is not None:
        lines.append(
            say(
                "It reads at most {limit} tokens; longer texts are cut.",
                limit=count(data.lengths.limit),
            )
        )
    lines.append(
        say("It knows only texts like those it was trained on; test it on your own first.")
    )
    return f"## {say('Before you trust it')}\n\n" + "\n".join(f"- {line}" for line in lines)


def _use(results: Results) -> str:
    given = dict.fromkeys(PIPELINE_TAGS, '"…"') | {"answering": '"question", "text"'}
    if results.task is None or results.task.name not in given:
        return ""
    asked = given[results.task.name]
    code = f'import mason\n\nmodel = mason.load("path/to/this/folder")\nmodel.predict({asked})'
    return f"## {say('How to use it')}\n\n```python\n{code}\n```"


def _again(results: Results) -> str:
    if not results.command:
        return ""
    fence = "```"
    while fence in results.command:
        fence += "`"
    return f"## {say('How to do it again')}\n\n{fence}sh\n{results.command}\n{fence}"


def _plain(text: str) -> str:
    return text.translate(_MARKDOWN)
