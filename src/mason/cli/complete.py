"""``mason complete``: go on from a text."""

from typing import Annotated

from cyclopts import Parameter

from mason.cli import writing
from mason.errors import SettingsError
from mason.language import say

Text = Annotated[str | None, Parameter(help=say("The text to go on from."))]


def complete(
    model: writing.Source,
    text: Text = None,
    *,
    input: writing.Input = None,
    stream: writing.Stream = False,
    json_lines: writing.Json = False,
    options: writing.Chosen = writing.DEFAULT,
) -> int:
    """Go on from a text, from every line of a file, or from standard input."""
    texts = writing.given_texts(text, input)
    if texts is None:
        raise SettingsError("There is no text to go on from; give one, or --input a file.")
    sampling = options.sampling()
    writer, draft = writing.open_writers(model, options)
    if writing.streams(stream, json_lines, options, len(texts)):
        for one in texts:
            writing.show(writer.stream(one, sampling, draft=draft))
        return 0
    for one, found in zip(texts, writer.generate(texts, sampling, draft=draft), strict=True):
        writing.tell(one, found, json_lines, options)
    return 0
