"""What cyclopts found wrong with a command line, as a sentence of ours in either language."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Literal, get_args, get_origin

from cyclopts import (
    App,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from mason.errors import SettingsError


def explain(error: CycloptsError) -> SettingsError:
    """The same mistake: what is wrong, and what to type instead."""
    command = " ".join(["mason", *(error.command_chain or ())])
    match error:
        case UnknownCommandError():
            return _unknown_command(error, command)
        case UnknownOptionError():
            return _unknown_option(error, command)
        case MissingArgumentError():
            return _missing(error, command)
        case CoercionError(token=token) if token is not None and (known := _choices(error)):
            return SettingsError(
                "{option} is {value!r}; choose one of {known}.",
                option=token.keyword,
                value=token.value,
                known=", ".join(known),
            )
        case CoercionError(token=token) if token is not None and token.keyword and _broken(error):
            return SettingsError(
                "{option} is {value!r}; give a number.", option=token.keyword, value=token.value
            )
        case CoercionError(token=token) if token is not None and token.keyword:
            return SettingsError(
                "{option} is {value!r}; give a whole number.",
                option=token.keyword,
                value=token.value,
            )
        case RepeatArgumentError(token=token) if token.keyword:
            return SettingsError("{option} is given twice; keep one.", option=token.keyword)
        case UnusedCliTokensError(unused_tokens=[word, *_]):
            return SettingsError(
                "{word!r} is one word too many; {command} --help shows what it takes, and a text "
                "of several words stands in quotation marks.",
                word=word,
                command=command,
            )
    return SettingsError(
        "{reason} {command} --help shows how.", reason=_line(error), command=command
    )


def _broken(error: CoercionError) -> bool:
    """Whether the number may be a fraction."""
    hint = error.argument.hint if error.argument is not None else None
    return hint is float or float in get_args(hint)


def _choices(error: CoercionError) -> list[str]:
    """What an option may be, where it is one of a few words."""
    kinds = [error.argument.hint] if error.argument is not None else []
    found: list[str] = []
    while kinds:
        kind = kinds.pop(0)
        if get_origin(kind) is Literal:
            found += map(str, get_args(kind))
        else:
            kinds += get_args(kind)
    return found


def _unknown_command(error: UnknownCommandError, command: str) -> SettingsError:
    word = (error.unused_tokens or [""])[0]
    known = _commands(error.app)
    if near := get_close_matches(word, known, n=1):
        return SettingsError(
            "There is no command {command} {word}; did you mean {near}?",
            command=command,
            word=word,
            near=near[0],
        )
    return SettingsError(
        "There is no command {command} {word}; choose one of {known}.",
        command=command,
        word=word,
        known=", ".join(known),
    )


def _commands(app: App | None) -> list[str]:
    names: Iterable[str] = app if app is not None else ()
    return sorted(name for name in names if not name.startswith("-"))


def _unknown_option(error: UnknownOptionError, command: str) -> SettingsError:
    option = (error.token.keyword or error.token.value).partition("=")[0]
    known = [name for argument in error.argument_collection for name in argument.names]
    if near := get_close_matches(option, known, n=1):
        return SettingsError(
            "{command} has no option {option}; did you mean {near}?",
            command=command,
            option=option,
            near=near[0],
        )
    return SettingsError(
        "{command} has no option {option}; {command} --help lists those it has.",
        command=command,
        option=option,
    )


def _missing(error: MissingArgumentError, command: str) -> SettingsError:
    assert error.argument is not None, "something is missing"
    if error.keyword is not None:
        return SettingsError("--{name} needs a value.", name=error.keyword.lstrip("-"))
    return SettingsError(
        "{command} needs {option}; {command} --help shows how.",
        command=command,
        option=error.argument.name,
    )


def _line(error: CycloptsError) -> str:
    return " ".join(str(error).split())
