"""A model of any task as the server holds it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mason.data.questions import Question
from mason.errors import DataError, SettingsError
from mason.models.adapters import activate, active_adapter
from mason.models.files.strict_json import read_json
from mason.security.guard import Guard
from mason.serving.served import Item, Reading, Served, Writing
from mason.sources import find_model
from mason.tasks.answering import MAX_QUESTION, NBEST
from mason.workflows.answerer import Answerer
from mason.workflows.classifier import Classifier, Prediction
from mason.workflows.embedder import Embedder
from mason.workflows.labeller import Labelled, Labeller
from mason.workflows.loading import load, load_as_it_is
from mason.workflows.model import Model
from mason.workflows.opening import facts_of
from mason.workflows.regressor import Regressor
from mason.workflows.rewriter import Completer, Rewriter
from mason.workflows.tagger import Tagger
from mason.workflows.text_reader import TextReader
from mason.workflows.writer import Weights, Writer, guard_chosen

_NONE: Mapping[str, str] = MappingProxyType({})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WRITES = re.compile(r"ForCausalLM$|LMHeadModel$")
"""Classes of transformers whose models go on from a text."""


def open_served(
    source: str,
    *,
    task: str | None = None,
    name: str | None = None,
    weights: Weights | None = None,
    adapters: Mapping[str, str] = _NONE,
    guard: bool | None = None,
) -> Served:
    """A model ready to be served.

    Args:
        source: See ``mason.load``.
        task: What it shall do; None: what its files say.
        name: What requests call it; None: the last part of ``source``.
        weights: How a model that writes holds its weights; None: as loaded.
        adapters: Folders of adapters for it, by the names that requests call them by.
        guard: Whether a guard stands around a model that writes; None: as its folder says.

    Raises:
        MasonError: It cannot be read, the server has no route for its task, the name is none, or
            a guard is asked for where nothing is written.
    """
    called = name if name is not None else _called(source)
    if not _NAME.fullmatch(called):
        raise SettingsError(
            "{name!r} is no name for a model: begin with a letter or digit, and go on with "
            "letters, digits, '.', '_' or '-', 64 in all; choose one with --name.",
            name=called,
        )
    model = _load(source, task, weights)
    if isinstance(model, Writer):
        model.guard = guard_chosen(model, guard)
    elif guard:
        raise SettingsError("--guard is for models that write, and this one reads; leave it out.")
    own = active_adapter(model.network)
    for adapter, folder in adapters.items():
        if adapter == called:
            raise SettingsError(
                "{name} is the name of the model itself; choose another for its adapter.",
                name=adapter,
            )
        model.add_adapter(adapter, folder)
    model.network.eval()
    served = as_served(model)
    if isinstance(served, Reading):
        served = replace(served, activate=partial(activate, model.network))
    return Served(called, served, {called: own} | {name: name for name in adapters})


def _called(source: str) -> str:
    """The last part of a path or id."""
    return re.split(r"[/\\:]", source.rstrip("/\\"))[-1].removesuffix(".gguf")


def _load(source: str, task: str | None, weights: Weights | None) -> Model:
    if task is not None and task != Writer.task:
        return load(source, task=task)
    path = find_model(source)
    if task is not None or not path.is_dir() or _writes(path):
        return load(source, task=Writer.task, weights=weights)
    model = load_as_it_is(source)
    if isinstance(model, Completer) and model.network.encoder is None:
        return load(source, task=Writer.task, weights=weights)
    return model


def _writes(folder: Path) -> bool:
    """Whether a folder without facts of Mason's holds a model that goes on from texts."""
    file = folder / "config.json"
    if facts_of(folder) or not file.is_file():
        return False
    kinds = read_json(file).get("architectures") or []
    return any(isinstance(kind, str) and _WRITES.search(kind) is not None for kind in kinds)


def as_served(model: Model) -> Writing | Reading:
    """What the server needs of a model.

    Raises:
        SettingsError: It has no route for it.
    """
    match model:
        case Writer() if model.network.encoder is None:
            guard = None if model.guard is None else Guard()
            told = (model.network, model.tokenizer, model.end_tokens, model.encode_prompt)
            return Writing(*told, guard)
        case Embedder():
            return Reading("embeddings", partial(_embedded, model), *_bounds(model))
        case Classifier() | Labeller() | Regressor():
            lengths = partial(_pair_lengths, model)
            return Reading("classify", partial(_classified, model), lengths, model.max_tokens)
        case Tagger():
            return Reading("tag", partial(_tagged, model), *_bounds(model))
        case Answerer():
            # Long texts are read in windows.
            return Reading("answer", partial(_answered, model), partial(_asked, model), None)
        case Rewriter():
            room = _bounds(model)[0], model.room
            return Reading("translate", partial(_rewritten, model), *room)
    raise SettingsError(
        "The server has no route for a model of the task {task}; name another with --task.",
        task=model.task,
    )


Lengths = Callable[[Sequence[Item]], list[int]]


def _bounds(model: Model) -> tuple[Lengths, int | None]:
    return partial(_lengths, model), model.max_tokens


def _lengths(model: Model, items: Sequence[Item]) -> list[int]:
    texts = [text if second is None else f"{text} {second}" for text, second in items]
    return [len(ids) for ids in model.tokenizer.encode_ids(texts)]


def _asked(model: Answerer, items: Sequence[Item]) -> list[int]:
    """Tokens of questions with their texts.

    Raises:
        DataError: A question is longer than what is read of it.
    """
    longest = max(map(len, model.tokenizer.encode_ids(_texts(items), special=False)))
    if longest > MAX_QUESTION:
        raise DataError(
            "A question has {count} tokens, and {limit} are read; ask more briefly.",
            count=longest,
            limit=MAX_QUESTION,
        )
    return _lengths(model, items)


def _pair_lengths(model: TextReader[Any], items: Sequence[Item]) -> list[int]:
    texts, pairs = _sides(items)
    model.check_pairs(pairs is not None)
    return model.num_tokens(texts, pairs)


def _sides(items: Sequence[Item]) -> tuple[list[str], list[str] | None]:
    pairs = [second for _, second in items if second is not None]
    return [text for text, _ in items], pairs or None


def _texts(items: Sequence[Item]) -> list[str]:
    return [text for text, _ in items]


def _embedded(model: Embedder, items: Sequence[Item]) -> list[dict[str, Any]]:
    return [{"embedding": vector} for vector in model.predict(_texts(items))]


def _classified(
    model: Classifier | Labeller | Regressor, items: Sequence[Item]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{} for _ in items]
    # Requests with single texts and with pairs may have come together.
    for paired in (False, True):
        places = [i for i, (_, second) in enumerate(items) if (second is not None) == paired]
        if places:
            told: Sequence[Any] = model.answers(*_sides([items[i] for i in places]))
            for place, one in zip(places, told, strict=True):
                found[place] = {"value": one} if isinstance(one, float) else _label(one)
    return found


def _label(found: Prediction | Labelled) -> dict[str, Any]:
    if isinstance(found, Labelled):
        return {"labels": list(found.labels), "probabilities": found.probabilities}
    return {
        "label": found.label,
        "probability": found.probability,
        "probabilities": found.probabilities,
    }


def _tagged(model: Tagger, items: Sequence[Item]) -> list[dict[str, Any]]:
    return [
        {
            "words": [vars(word) for word in found.words],
            "entities": [{"type": kind, "text": text} for kind, text in found.entities],
        }
        for found in model.predict(_texts(items))
    ]


def _answered(model: Answerer, items: Sequence[Item]) -> list[dict[str, Any]]:
    questions = [Question(question, context or "") for question, context in items]
    return [
        {"answers": [vars(answer) for answer in best]}
        for best in model.answers(questions, num_best=NBEST)
    ]


def _rewritten(model: Rewriter, items: Sequence[Item]) -> list[dict[str, Any]]:
    return [{"text": text} for text in model.predict(_texts(items))]
