"""What tasks share that learn from conversations."""

from collections.abc import Mapping
from typing import ClassVar, TypeVar

from mason.data.columns import Columns, check_present
from mason.data.conversations import CONVERSATION, TURNS
from mason.data.tables import Table
from mason.settings import DataSettings
from mason.workflows.talker import Talker
from mason.workflows.tasks.task import Examples, Task

T = TypeVar("T", bound=Talker)
E = TypeVar("E", bound=Examples)


class TalkTask(Task[T, E]):
    """Tables that ``arrange`` has brought into one form; how they are read, a template decides."""

    answers: ClassVar[str | None] = None
    """The column of what may be answered, where that is more than the turns."""
    cuts, explained = False, False

    def columns(
        self, tables: Mapping[str, Table], settings: DataSettings, *, complete: bool = True
    ) -> Columns:
        """What a person reads of a conversation, and its turns."""
        first = next(iter(tables.values()))
        if settings.group is not None:
            check_present(settings.group, first)
        return Columns(
            CONVERSATION,
            group=settings.group,
            target=self.answers,
            answer=TURNS,
            layout=first.layout,
        )
