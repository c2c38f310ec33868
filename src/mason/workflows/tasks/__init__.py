"""The tasks a model can be trained for, by name."""

from typing import Any

from mason.errors import SettingsError
from mason.workflows.model import Model
from mason.workflows.tasks.answering import Answering
from mason.workflows.tasks.classification import Classification
from mason.workflows.tasks.code import CodeCompletion, CodeTranslation
from mason.workflows.tasks.dialogue import DialogueTask
from mason.workflows.tasks.embedding import Embedding
from mason.workflows.tasks.language import Language
from mason.workflows.tasks.multilabel import MultiLabel
from mason.workflows.tasks.preference import PreferenceTask
from mason.workflows.tasks.regression import Regression
from mason.workflows.tasks.tagging import Tagging
from mason.workflows.tasks.task import Examples, Marked, Task
from mason.workflows.tasks.text_to_text import Completion, Summarisation, Translation

TASKS: dict[str, Task[Any, Any]] = {
    task.name: task
    for task in (
        Classification(),
        MultiLabel(),
        Regression(),
        Tagging(),
        Answering(),
        Embedding(),
        Translation(),
        Summarisation(),
        Completion(),
        CodeTranslation(),
        CodeCompletion(),
        DialogueTask(),
        PreferenceTask(),
    )
}
DEFAULT_TASK = Classification.name
"""What is meant where nobody says."""

_UNTRAINED: dict[str, Task[Any, Any]] = {task.name: task for task in (Language(),)}
"""What ``mason train`` is not asked for: ``mason pretrain`` learns from texts as they are."""
SEARCHED = sorted(task.name for task in (TASKS | _UNTRAINED).values() if task.ladder is not None)
"""Tasks whose models are made smaller by a search."""

__all__ = [
    "DEFAULT_TASK",
    "SEARCHED",
    "TASKS",
    "Examples",
    "Marked",
    "Task",
    "find_task",
    "task_of",
]


def find_task(name: str | None) -> Task[Any, Any]:
    """A task by its name; None: the usual one.

    Raises:
        SettingsError: There is none of this name.
    """
    found = TASKS.get(name or DEFAULT_TASK)
    if found is None:
        raise SettingsError(
            "There is no task called {task!r}; choose one of {known}.",
            task=name,
            known=", ".join(TASKS),
        )
    return found


def task_of(model: Model) -> Task[Any, Any]:
    """The task that a model is for, be it one it was pretrained for.

    Raises:
        SettingsError: It is for nothing that is measured row by row.
    """
    return _UNTRAINED.get(model.task) or find_task(model.task)
