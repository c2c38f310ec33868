"""``mason``: its commands, its language, and how mistakes end."""

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TextIO

from cyclopts import App, CycloptsError, Group, Parameter

from mason import language
from mason.cli.mistakes import explain
from mason.errors import MasonError, RunStopped, SettingsError
from mason.language import say
from mason.runtime import is_first_process

_CTRL_C = 130


def build_app() -> App:
    """The command line; a command's module is imported when the command is called."""
    app = App(
        name="mason",
        help=say("Build, measure and use language models on your own computer."),
        help_format="plaintext",
        version_flags=["--version"],
        version=_version,
        result_action="return_value",
        group_commands=Group(say("Commands")),
        group_arguments=Group(say("Arguments")),
        group_parameters=Group(say("Options")),
        default_parameter=Parameter(negative=(), show_default=False),
    )
    app["--help"].help = say("Show this page.")
    app["--version"].help = say("Show the version.")
    for name, help_text in _commands():
        app.command(f"mason.cli.{name}:{name}", name=name, help=help_text, sort_key=name)
    for name, help_text in (
        ("translate", say("translate a text, a file, or standard input")),
        ("summarise", say("summarise a text, a file, or standard input")),
    ):
        app.command(f"mason.cli.translate:{name}", name=name, help=help_text, sort_key=name)
    for group in _groups():
        app.command(group)
    return app


def _groups() -> Iterator[App]:
    """Commands that have commands."""
    yield _group(
        "data",
        say("check a table before training"),
        ("check", say("find what is wrong with a table")),
        ("show", say("print a row token by token, with what is learned of it")),
    )
    yield _group(
        "tokenizer",
        say("learn a tokenizer, measure one, change a model's"),
        ("train", say("learn a vocabulary from text")),
        ("report", say("say how well tokenizers fit a text")),
        ("extend", say("give a model tokens for words of your own")),
        ("trim", say("take out of a model the tokens that a text never uses")),
    )
    yield _group(
        "catalog",
        say("list, run and compare what there is to learn"),
        ("entries", say("list the entries with the best figures measured here")),
        ("show", say("show an entry with its paper, recipe and figures")),
        ("run", say("run an entry again, and say how far off it is")),
        ("add", say("read the archive of Papers with Code")),
        ("export", say("write the leaderboards as a page")),
    )


def _group(name: str, told: str, *commands: tuple[str, str]) -> App:
    group = App(name=name, help=told, help_format="plaintext")
    for command, help_text in commands:
        shown = "list" if command == "entries" else command  # a function must not be called list
        group.command(f"mason.cli.{name}:{command}", name=shown, help=help_text)
    return group


def _commands() -> tuple[tuple[str, str], ...]:
    """Name and help of each command that has a module of its name."""
    return (
        ("train", say("fine-tune a model on a table and write its report")),
        ("pretrain", say("learn a language model from text")),
        ("advise", say("say which model suits a table, before one is trained")),
        ("tune", say("search better settings within a budget, and say what that bought")),
        ("plan", say("say what a run would need: memory, time, disk")),
        ("resume", say("go on with a run that was stopped or killed")),
        ("compress", say("find a smaller model that keeps its accuracy")),
        ("evaluate", say("measure a model on a table it has not seen")),
        ("compare", say("say whether one model is better than another, or by luck")),
        ("explain", say("show which words spoke for an answer, and whether to believe it")),
        ("attack", say("attack a classifier or a chat model, and say what that took")),
        ("harden", say("give a model defences, with their price and their gain")),
        ("predict", say("label a text, a file, or standard input")),
        ("tag", say("tag the words of a text, a file, or standard input")),
        ("embed", say("turn texts into vectors")),
        ("answer", say("find the answer to a question in a text")),
        ("complete", say("go on from a text, a file of texts, or standard input")),
        ("chat", say("talk to a model, or get one reply")),
        ("serve", say("answer requests over HTTP: OpenAI's routes and a few more")),
        ("merge", say("put an adapter into the weights of its model")),
        ("export", say("write a model for other programs, with a proof")),
        ("show", say("print a model's blocks with their sizes")),
        ("selfcheck", say("check that this machine computes what it must")),
    )


def _version() -> str:
    from importlib.metadata import version

    return version("mason-lm")


def main(arguments: list[str] | None = None) -> None:
    """Run a command and leave with its exit code: 0, 2 for a user's mistake, 130 for Ctrl-C."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character shows its number, and the run goes on.
            stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:] if arguments is None else arguments)
    _let_go(sys.stderr)
    reason = _let_go(sys.stdout)
    if reason is not None and code == 0:
        code = _fail(say("Standard output cannot be written ({reason}).", reason=reason))
        _let_go(sys.stderr)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run a command; return its exit code."""
    with _hearing_ctrl_c() as came:
        try:
            code = _run(arguments)
        except Exception:
            if not came:
                raise
            _tell("")
            return _CTRL_C
        return _CTRL_C if came and code == MasonError.exit_code else code


@contextmanager
def _hearing_ctrl_c() -> Iterator[list[int]]:
    """Whether Ctrl-C came: C code that it met may have made another error of it.

    So safetensors says of a tensor it was reading that its shape cannot be told.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        signal.default_int_handler(number, frame)

    here = threading.current_thread() is threading.main_thread()
    # A process in the background may have been told to ignore it.
    if not here or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield came
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _run(arguments: list[str]) -> int:
    try:
        rest = _choose_language(arguments)
        code = build_app()(rest, exit_on_error=False, print_error=False)
        return code if isinstance(code, int) else 0
    except RunStopped as stopped:
        if not stopped.told:
            _tell(str(stopped))
        return stopped.exit_code
    except MasonError as error:
        return error.exit_code if error.told else _fail(str(error))
    except CycloptsError as error:
        return _fail(str(explain(error))) if is_first_process() else MasonError.exit_code
    except KeyboardInterrupt:
        _tell("")
        return _CTRL_C
    except BrokenPipeError:
        return 0  # whoever read our output has left


def _fail(sentence: str) -> int:
    _tell(say("Error: {sentence}", sentence=sentence))
    return MasonError.exit_code


def _tell(sentence: str) -> None:
    """A last sentence; the exit code stands, whether or not somebody listens."""
    with suppress(OSError, ValueError):
        print(sentence, file=sys.stderr)


def _open_closed_streams() -> None:
    """Let a closed standard stream lead nowhere.

    Else the next file that is opened takes its number, and what a library prints lands in it.
    """
    for number, (name, mode) in enumerate({"stdin": "r", "stdout": "w", "stderr": "w"}.items()):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))


def _let_go(stream: TextIO | None) -> str | None:
    """Write what is left to be written, or drop it; the reason if that is worth a word.

    Else Python would try once more when it ends, and put its own exit code for ours.
    """
    if stream is None:
        return None
    try:
        stream.flush()
    except ValueError:  # closed
        return None
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        # Whoever read a pipe and left wanted no more.
        return None if isinstance(error, BrokenPipeError) else error.strerror
    return None


def _choose_language(arguments: list[str]) -> list[str]:
    """Take ``--lang`` out, wherever it stands, and speak that language."""
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if name != "--lang":
            rest.append(word)
            continue
        chosen = value if equals else next(words, "")
        if chosen not in language.LANGUAGES:
            raise SettingsError(
                "--lang is {value!r}; choose one of {known}.",
                value=chosen,
                known=", ".join(language.LANGUAGES),
            )
        language.use(chosen)
    return rest
