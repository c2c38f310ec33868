"""From a name to a model ready to predict or to train."""

from collections.abc import Sequence
from pathlib import Path

from mason.errors import SettingsError
from mason.models.checkpoints import load_model
from mason.models.files.pooling import MODULES
from mason.models.files.strict_json import read_json
from mason.models.peft import is_adapter
from mason.sources import find_model
from mason.workflows.embedder import Embedder
from mason.workflows.guesser import HEAD, load_guesser
from mason.workflows.labeller import Labeller
from mason.workflows.model import Model
from mason.workflows.opening import Chosen, facts_of
from mason.workflows.tasks import DEFAULT_TASK, TASKS, find_task
from mason.workflows.writer import Weights, Writer, load_writer


def load(
    source: str | Path,
    *,
    task: str | None = None,
    labels: Sequence[str] | None = None,
    max_tokens: int | None = None,
    revision: str | None = None,
    dropout: float | None = None,
    weights: Weights | None = None,
) -> Model:
    """Load a model by path, hub id, ``modelscope:`` id, package or short name.

    Args:
        source: See ``mason.sources.find_model``.
        task: What it shall do: "generation", or one of ``mason.workflows.tasks.TASKS``. None:
            what it was trained for, or else "classification".
        labels: Names of the classes. None: those saved with the model.
        max_tokens: Where texts are cut. None: as saved with the model, or its limit.
        revision: A hub's branch, tag or commit.
        dropout: Rate of every dropout while training. None: the model's own.
        weights: In what a model that writes is held, from the moment its weights are read: a
            large one need never fit in memory as its files have it. None: as they are.

    Raises:
        MasonError: It cannot be found, read, or used for this task.
    """
    if task == Writer.task:
        found = find_model(str(source), revision=revision)
        held = None if weights == "fp32" else weights
        few = held in ("int8", "int4")
        chosen = Chosen(str(source), None, max_tokens, dropout, held=held, as_read=few)
        writer = load_writer(found, chosen)
        if weights is not None:
            writer.hold(weights)
        return writer
    if weights is not None:
        raise SettingsError(
            "Weights are chosen for a model that writes; load it with task='generation'."
        )
    asked = find_task(task) if task is not None else None
    path = find_model(str(source), revision=revision)
    if asked is None:
        folder = path if path.is_dir() else path.parent
        told = facts_of(folder).get("task")
        if told == Writer.task and labels is None:
            return load_writer(path, Chosen(str(source), None, max_tokens, dropout))
        told = told or (_told_by_files(folder) if labels is None else None)
        asked = find_task(told if isinstance(told, str) else DEFAULT_TASK)
    model: Model = asked.load(path, Chosen(str(source), labels, max_tokens, dropout))
    return model


def load_as_it_is(source: str | Path) -> Model:
    """Load a model for what its files say it does, be it only the pretraining.

    Its own task, or else its language model, or a task of its head, or its vectors.

    Args:
        source: See ``load``.

    Raises:
        MasonError: It cannot be found or read.
    """
    path = find_model(str(source))
    folder = path if path.is_dir() else path.parent
    if facts_of(folder).get("task") is not None or is_adapter(path) or _told_by_files(folder):
        return load(source)
    spec = load_model(path, values=False).model.spec
    if HEAD not in spec.heads:
        # Heads that tasks answer with are called like them.
        return load(source, task=next((h for h in spec.heads if h in TASKS), Embedder.task))
    read = load_guesser if spec.topology == "encoder" else load_writer
    return read(path, Chosen(str(source)))


def _told_by_files(folder: Path) -> str | None:
    """The task of a model of other tools, where its files say more than a head."""
    if (folder / MODULES).is_file():
        return Embedder.task
    file = folder / "config.json"
    problem = read_json(file).get("problem_type") if file.is_file() else None
    return Labeller.task if problem == Labeller.problem else None
