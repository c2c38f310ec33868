"""What a run would need, without starting it: for models that are not here, too."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mason.errors import SettingsError
from mason.language import say
from mason.models.adapters import Bits, narrowed
from mason.models.checkpoints import spec_of
from mason.models.families import from_gguf
from mason.models.files import open_weights, read_config
from mason.models.shapes import SHAPES
from mason.models.spec import ModelSpec
from mason.models.transformer import Transformer, num_parameters, set_dropout
from mason.runtime import keep_freed_memory, pick_device
from mason.settings import (
    Settings,
    load_settings,
    refuse_unused,
)
from mason.sources import find_model
from mason.tasks.classification import HEAD, Examples
from mason.text import Tokenizer, load_tokenizer
from mason.training.budgets import seconds_of
from mason.training.defaults import recipe_for
from mason.workflows import jobs
from mason.workflows.adapting import adapt, adapted_recipe, recomputes
from mason.workflows.model import Model
from mason.workflows.needs import Job, Needs, look
from mason.workflows.opening import Chosen, cut_for
from mason.workflows.preparing import Prepared, prepare, texts_of
from mason.workflows.starting import Beginning
from mason.workflows.tasks import DEFAULT_TASK, Task, find_task

Say = Callable[[str], None]
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "tokenizer.model", "spiece.model", "vocab.json")
_BYTES_PER_TOKEN = 3
"""A Chinese character, or most of a short English word: rather too many tokens than too few."""


def plan(
    model: str | Path | None = None,
    data: str | Path | None = None,
    *,
    output: str | Path | None = None,
    config: str | Path | None = None,
    notice: Say = lambda sentence: None,
    **options: object,
) -> Needs:
    """What ``train`` with these arguments would need: memory, time, disk; nothing is written.

    Args:
        model: As for ``train``; a folder with a ``config.json`` alone will do, and so will
            the name of a shape, ``gpt3-125m`` to ``gpt3-175b``. No weights are read.
        data: As for ``train``. None: one batch of the longest texts the model reads.
        output: The folder that ``train`` would write to.
        config: A YAML file of settings; the other arguments win over it.
        notice: Called with each sentence the user should read.
        options: As for ``train``.

    Raises:
        MasonError: Settings, data or model do not allow the run.
    """
    given = {"model.source": model, "data.train": data, "output.folder": output}
    named = {name: str(value) for name, value in given.items() if value is not None}
    resolved = load_settings(Path(config) if config else None, {**options, **named})
    for sentence in resolved.notices:
        notice(sentence)
    job, bits = _job(resolved.settings, notice)
    with narrowed(job.network, bits):
        return look(job)


def _job(settings: Settings, notice: Say) -> tuple[Job, Bits | None]:
    """The run, and in how many bits frozen maps are held."""
    task = find_task(settings.task)
    if task.name != DEFAULT_TASK or settings.adapter.kind or _freezes(settings):
        return _as_trained(settings, task, notice)
    refuse_unused(settings, task.unused, "mason plan")
    chosen, training = settings.model, settings.training
    if chosen.source is None:
        raise SettingsError("No model is named; give one with --model, such as all-MiniLM-L6-v2.")
    keep_freed_memory()
    config, tokenizer = _found(chosen.source, chosen.revision)
    spec = spec_of(config, (HEAD,))
    limit = cut_for(chosen.max_tokens, spec, tokenizer)
    if settings.data.train is None:
        notice(
            say(
                "No data are named: this is for a single batch of texts of {tokens} tokens.",
                tokens=limit,
            )
        )
        spec, train, held = replace(spec, labels=("0", "1")), None, None
    else:
        if tokenizer is None:
            notice(say("The model has no tokenizer here: tokens are guessed from bytes."))
        spec, train, held = _read(settings, spec, tokenizer, limit)
    with torch.device("meta"):
        network = Transformer(spec)
    if training.dropout is not None:
        set_dropout(network, training.dropout)
    recipe = recipe_for(
        training,
        num_parameters=num_parameters(network),
        num_examples=len(train) if train else 1,
    )
    if train is None:
        recipe = replace(recipe, max_steps=1)
        num_texts = recipe.batch_size
        if recipe.tokens_per_batch is not None:
            num_texts = max(1, recipe.tokens_per_batch // limit)
        train = _of_lengths([limit] * num_texts)
    device = pick_device(training.device)
    return jobs.fine_tuning(
        task,
        network,
        train,
        held,
        recipe,
        settings.output,
        device,
        recompute=bool(training.recompute),
        guessed=tokenizer is None or settings.data.train is None,
    ), None


def _as_trained(settings: Settings, task: Task[Any, Any], notice: Say) -> tuple[Job, Bits | None]:
    """The run as it will be, up to its first step, of a network without values."""
    refuse_unused(settings, task.unused, "mason plan")
    if settings.data.train is None:
        raise SettingsError(
            "mason plan needs the data of a run for {task}; give a file with --data.",
            task=task.name,
        )
    keep_freed_memory()
    prepared = prepare(settings.data, task, seed=settings.training.seed)
    with torch.device("meta"):
        model = _hollow(settings, task, prepared, notice)
    prepared = task.restrict(model, prepared)
    task.adopt(model, prepared)
    examples = {
        name: task.examples(model, table, prepared.columns)
        for name, table in prepared.tables.items()
        if name != "test"
    }
    train, device = examples["train"], pick_device(settings.training.device)
    recipe = task.recipe(settings, model.network, train)
    with torch.device("meta"):
        learns = adapt(model, settings, device)
    if learns is not None:
        notice(learns)
    return jobs.fine_tuning(
        task,
        model.network,
        train,
        examples.get("valid"),
        adapted_recipe(recipe, settings, model.network),
        settings.output,
        device,
        recompute=recomputes(settings, model.base_bits, notice),
        budget=seconds_of(settings.training.budget),
    ), model.base_bits


def _freezes(settings: Settings) -> bool:
    return bool(settings.training.freeze or settings.training.freeze_layers)


def _hollow(settings: Settings, task: Task[Any, Any], prepared: Prepared, notice: Say) -> Model:
    """The model that will be trained, all but its values."""
    chosen = settings.model
    if chosen.source is not None:
        path = find_model(chosen.source, revision=chosen.revision)
        said = Chosen(
            chosen.source,
            max_tokens=chosen.max_tokens,
            dropout=settings.training.dropout,
            values=False,
        )
        started: Model = task.start(path, said, prepared)
        return started
    if chosen.shape is None:
        raise SettingsError("No model is named; give one with --model, such as all-MiniLM-L6-v2.")
    created: Model = task.create(settings, prepared, Beginning(None, notice))
    return created


def _found(source: str, revision: str | None) -> tuple[dict[str, Any], Tokenizer | None]:
    """The config of a model and, where there is one, its tokenizer."""
    shape = SHAPES.get(source)
    if shape is not None:
        return dict(shape), None
    if source.startswith("gpt3-"):
        raise SettingsError(
            "There is no shape called {name}; choose one of {known}.",
            name=source,
            known=", ".join(SHAPES),
        )
    path = find_model(source, revision=revision)
    if path.is_file():
        return from_gguf(open_weights(path), path)[0], load_tokenizer(path)
    has_tokenizer = any((path / name).exists() for name in _TOKENIZERS)
    return read_config(path), load_tokenizer(path) if has_tokenizer else None


def _read(
    settings: Settings, spec: ModelSpec, tokenizer: Tokenizer | None, limit: int
) -> tuple[ModelSpec, Examples, Examples | None]:
    """The spec with the data's labels, and the examples by their lengths."""
    prepared = prepare(settings.data, find_task(None), seed=settings.training.seed)
    spec = replace(spec, labels=prepared.labels)
    columns = prepared.columns

    def examples(name: str) -> Examples | None:
        table = prepared.tables.get(name)
        if table is None:
            return None
        pairs = texts_of(table, columns.pair) if columns.pair else None
        texts = texts_of(table, columns.text)
        if tokenizer is None:
            return _of_lengths(_guessed_lengths(texts, pairs, limit))
        told = tokenizer.encode(texts, pairs, max_tokens=limit)
        return Examples([e.ids for e in told], None, [0] * len(told))

    train = examples("train")
    assert train is not None, "prepare gives rows to train on"
    return spec, train, examples("valid")


def _guessed_lengths(texts: Sequence[str], pairs: Sequence[str] | None, limit: int) -> list[int]:
    seconds = pairs if pairs is not None else [""] * len(texts)
    both = zip(texts, seconds, strict=True)
    sizes = (len(a.encode()) + len(b.encode()) for a, b in both)
    return [min(2 + -(-n // _BYTES_PER_TOKEN), limit) for n in sizes]


def _of_lengths(lengths: Sequence[int]) -> Examples:
    """Examples that have lengths and no tokens: a range stands for each."""
    return Examples([range(n) for n in lengths], None, [0] * len(lengths))
