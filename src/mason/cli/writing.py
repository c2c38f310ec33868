"""What ``mason complete`` and ``mason chat`` share: the options of generation, and the output."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from mason.cli.terminal import notice
from mason.errors import DataError, SettingsError, SourceError
from mason.language import say

if TYPE_CHECKING:
    from mason.workflows import Constraint, Generated, Sampling, Writer

Source = Annotated[
    str, Parameter(help=say("A folder, .gguf file, hub id, modelscope:owner/name or short name."))
]
Input = Annotated[str | None, Parameter(help=say("A file with a text a line; UTF-8."))]
Stream = Annotated[
    bool, Parameter(help=say("Print the text as it comes; always so on a terminal."))
]
Json = Annotated[
    bool, Parameter(help=say("Print one JSON object a line, with scores and log-probabilities."))
]


@dataclass(frozen=True)
class Options:
    """The fields of ``Sampling``, as a command line has them."""

    max_new_tokens: Annotated[int, Parameter(help=say("Most tokens to write (256)."))] = 256
    temperature: Annotated[
        float, Parameter(help=say("0: the likeliest token every time (0); 1: as likely as it is."))
    ] = 0.0
    top_k: Annotated[int | None, Parameter(help=say("Draw from the k likeliest tokens."))] = None
    top_p: Annotated[
        float, Parameter(help=say("Draw from the likeliest that make up this probability (1)."))
    ] = 1.0
    min_p: Annotated[
        float, Parameter(help=say("Draw from those this likely beside the likeliest (0)."))
    ] = 0.0
    repetition_penalty: Annotated[
        float, Parameter(help=say("Above 1: what was there becomes less likely (1)."))
    ] = 1.0
    frequency_penalty: Annotated[
        float, Parameter(help=say("Taken off for each time a token was written (0)."))
    ] = 0.0
    seed: Annotated[int, Parameter(help=say("What is drawn depends on it (0)."))] = 0
    stop: Annotated[
        tuple[str, ...], Parameter(help=say("A text that ends the answer; may be given again."))
    ] = ()
    num_return: Annotated[int, Parameter(help=say("Answers to each text (1)."))] = 1
    num_beams: Annotated[int, Parameter(help=say("Above 1: beam search (1)."))] = 1
    length_penalty: Annotated[
        float, Parameter(help=say("Above 0: beams that are longer count as better (1)."))
    ] = 1.0
    early_stopping: Annotated[
        Literal["no", "yes", "never"],
        Parameter(help=say("Stop beams when there are enough (yes), or none can get better.")),
    ] = "no"
    num_drafts: Annotated[
        int, Parameter(help=say("Tokens to guess ahead; the text stays the same (0)."))
    ] = 0
    prefill_chunk: Annotated[
        int | None, Parameter(help=say("Tokens of a prompt to read at once; all if left out."))
    ] = None
    draft: Annotated[
        str | None, Parameter(help=say("A smaller model with the same tokens, to guess ahead."))
    ] = None
    json_schema: Annotated[
        str | None, Parameter(help=say("A file with a JSON schema that every answer fits."))
    ] = None
    regex: Annotated[
        str | None, Parameter(help=say("A regular expression that every answer matches."))
    ] = None
    grammar: Annotated[
        str | None, Parameter(help=say("A file with a grammar, as Lark has them, of the answers."))
    ] = None

    weights: Annotated[
        Literal["fp32", "bf16", "int8", "int4"] | None,
        Parameter(
            help=say(
                "How to hold the weights; int4 is fastest, int8 nearer. As loaded if left out."
            )
        ),
    ] = None

    def sampling(self) -> "Sampling":
        """What the engine takes."""
        from mason.workflows import Sampling

        if self.draft is not None and not self.num_drafts:
            raise SettingsError(
                "--draft names a model that guesses ahead; say how far with --num-drafts 4."
            )
        told = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _APART}
        told["early_stopping"] = {"no": False, "yes": True}.get(self.early_stopping, "never")
        return Sampling(**told, constraint=self._constraint())

    @property
    def constrains(self) -> bool:
        """Whether answers have to fit something."""
        return (self.json_schema, self.regex, self.grammar) != (None, None, None)

    def _constraint(self) -> "Constraint | None":
        from mason.workflows import Constraint

        if [self.json_schema, self.regex, self.grammar].count(None) < 2:
            raise SettingsError("--json-schema, --regex and --grammar are given; keep one of them.")
        if self.json_schema is not None:
            return Constraint.json_schema(_content(Path(self.json_schema)))
        if self.grammar is not None:
            return Constraint.grammar(_content(Path(self.grammar)))
        return None if self.regex is None else Constraint.regex(self.regex)


_APART = ("draft", "weights", "json_schema", "regex", "grammar")
"""Options that are no fields of ``Sampling``."""


Chosen = Annotated[Options, Parameter(name="*")]
DEFAULT = Options()


def open_writers(model: str, options: Options) -> tuple["Writer", "Writer | None"]:
    """The model, and the smaller one that guesses ahead."""
    from mason.workflows import Writer, load

    found = [
        None if name is None else load(name, task="generation", weights=options.weights)
        for name in (model, options.draft)
    ]
    ready, helper = found
    assert isinstance(ready, Writer) and isinstance(helper, Writer | None)
    return ready, helper


def given_texts(text: str | None, file: str | None) -> list[str] | None:
    """The text, the file's lines, or standard input as one text; None: a person sits there."""
    if text is not None and file is not None:
        raise SettingsError("A text and --input are given; keep one.")
    if text is not None:
        return [text]
    if file is not None:
        return _lines(Path(file))
    if sys.stdin.isatty():
        return None
    try:
        found = sys.stdin.read()
    except UnicodeDecodeError:
        raise DataError("Standard input is not UTF-8; convert it first.") from None
    return [found.removesuffix("\n")]


def _lines(file: Path) -> list[str]:
    lines = _content(file).splitlines()
    if not lines:
        raise DataError("{file} is empty; write a text a line.", file=file)
    return lines


def _content(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError("{file} is not UTF-8; convert it first.", file=file) from None
    except OSError as error:
        raise SourceError(
            "{file} cannot be read ({reason}).", file=file, reason=error.strerror or error
        ) from None


def tell(given: str, found: "Generated", json_lines: bool, options: Options) -> None:
    """Print an answer, or several, best first; those a constraint did not see the end of, said."""
    answers = [found, *found.others]
    cut = sum(answer.finish == "length" for answer in answers)
    if cut and options.constrains:
        notice(
            say(
                "{count} answers ended at {limit} tokens, before the constraint was met; raise "
                "--max-new-tokens.",
                count=cut,
                limit=options.max_new_tokens,
            )
        )
    if json_lines:
        told = [
            {"text": a.text, "score": a.score, "finish": a.finish}
            | {"tokens": a.tokens, "log_probabilities": a.log_probabilities}
            for a in answers
        ]
        print(json.dumps({"given": given, "answers": told}, ensure_ascii=False), flush=True)
        return
    for answer in answers:
        print(f"{answer.score:.3f}\t{answer.text}" if found.others else answer.text, flush=True)


def show(pieces: Iterator[str]) -> str:
    """Print pieces as they come; what they make together."""
    whole = []
    for piece in pieces:
        print(piece, end="", flush=True)
        whole.append(piece)
    print(flush=True)
    return "".join(whole)


def streams(asked: bool, json_lines: bool, options: Options, texts: int) -> bool:
    """Whether to print as it comes: asked for, or one plain answer on a terminal."""
    plain = texts == 1 and not json_lines and options.num_beams == options.num_return == 1
    # Whether a constraint was met is known, and said, at the end.
    plain = plain and not options.constrains
    return asked or (plain and sys.stdout.isatty())
