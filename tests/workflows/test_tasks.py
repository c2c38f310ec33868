"""Tasks by name: through train, evaluate, resume and data check alike."""

from pathlib import Path

import pytest

import mason
from mason.errors import SettingsError
from mason.workflows.tasks import DEFAULT_TASK, TASKS, find_task

from .conftest import write_reviews


def test_every_task_is_known_by_its_own_name() -> None:
    assert all(name == task.name for name, task in TASKS.items())
    assert find_task(None).name == DEFAULT_TASK == "classification"


def test_an_unknown_task_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    known = "choose one of classification"
    file = write_reviews(tmp_path / "reviews.csv")
    with pytest.raises(SettingsError, match=known):
        mason.train("nowhere", file, task="clasification")
    with pytest.raises(SettingsError, match=known):
        mason.load("nowhere", task="clasification")
    with pytest.raises(SettingsError, match=known):
        mason.check(file, task="clasification")
    with pytest.raises(SettingsError, match=known):
        mason.plan("nowhere", task="clasification")
