"""``mason complete``: go on from a text."""

from typing import Annotated

from cyclopts import Parameter

from mason.cli import writing
from mason.errors import SettingsError
from mason.language import say

Suffix = Annotated[
    str | None,
    Parameter(help=say("What follows the gap to fill; the model must know fill-in-the-middle.")),
]
Text = Annotated[str | None, Parameter(help=say("The text to go on from."))]


def complete(
    model: writing.Source,
    text: Text = None,
    *,
    input: writing.Input = None,
    suffix: Suffix = None,
    stream: writing.Stream = False,
    json_lines: writing.Json = False,
    options: writing.Chosen = writing.DEFAULT,
) -> int:
    """Go on from a text, from every line of a file, or from standard input; or fill a gap."""
    texts = writing.given_texts(text, input)
    if texts is None:
        raise SettingsError("There is no text to go on from; give one, or --input a file.")
    sampling = options.sampling()
    writer, draft = writing.open_writers(model, options)
    if writing.streams(stream, json_lines, options, len(texts)):
        for one in texts:
            writing.show(writer.stream(one, sampling, draft=draft, suffix=suffix))
        return 0
    answers = writer.generate(texts, sampling, draft=draft, suffix=suffix)
    for one, found in zip(texts, answers, strict=True):
        writing.tell(one, found, json_lines, options)
    return 0
