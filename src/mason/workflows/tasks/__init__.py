"""The tasks a model can be trained for, by name."""

from typing import Any

from mason.errors import SettingsError
from mason.workflows.tasks.answering import Answering
from mason.workflows.tasks.classification import Classification
from mason.workflows.tasks.code import CodeCompletion, CodeTranslation
from mason.workflows.tasks.dialogue import DialogueTask
from mason.workflows.tasks.embedding import Embedding
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

__all__ = ["DEFAULT_TASK", "TASKS", "Examples", "Marked", "Task", "find_task"]


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
