"""The one tree of exceptions: what a user did that Mason cannot go on with.

A ``MasonError`` is a user's mistake. Its sentence says what is wrong, where, and what
to do; the command line prints it alone and exits with code 2. Our own bugs are
``assert`` and ordinary exceptions, and keep their traceback.
"""

from unicodedata import category

from mason.language import say


class MasonError(Exception):
    """A mistake the user can mend.

    ``template`` is an English sentence with ``{fields}``; ``values`` fill them. The
    sentence is translated when it is shown, so one error reads in either language.
    """

    exit_code = 2
    told = False
    """Whether another process of the same run says it."""

    def __init__(self, template: str, /, **values: object) -> None:
        super().__init__(template)
        self.template = template
        self.values = values

    def __str__(self) -> str:
        return _in_one_line(say(self.template, **self.values))


class SettingsError(MasonError):
    """A setting is unknown, of the wrong type, or out of range."""


class SourceError(MasonError):
    """A model, data set or file cannot be found or fetched."""


class DataError(MasonError):
    """A table cannot be read, or does not say what the task needs."""


class CheckpointError(MasonError):
    """A model's files are missing, damaged, unsafe or do not fit the model."""


class TokenizerError(MasonError):
    """A tokenizer cannot be read, or does not fit the model."""


class RunError(MasonError):
    """A run cannot start or go on: no room, no memory, a folder in use."""


class RunStopped(MasonError):  # noqa: N818 - nobody made a mistake
    """Somebody asked a run to stop; it is kept and can go on.

    ``values["signal"]`` is the number of the signal that asked.
    """

    def __init__(self, template: str, /, **values: object) -> None:
        super().__init__(template, **values)
        self.exit_code = 128 + int(str(values["signal"]))


def _in_one_line(sentence: str) -> str:
    """What a file holds may not break the line, nor command the terminal that shows it."""
    if sentence.isprintable():
        return sentence
    return "".join(
        character
        if character.isprintable() or category(character) == "Zs"
        else character.encode("unicode_escape").decode("ascii")
        for character in sentence
    )
