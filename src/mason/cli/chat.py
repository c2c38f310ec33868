"""``mason chat``: a conversation, or one reply."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mason.cli import writing
from mason.cli.inputs import typed
from mason.language import say

if TYPE_CHECKING:
    from mason.workflows import Sampling, Writer

Text = Annotated[str | None, Parameter(help=say("What you say."))]
System = Annotated[
    str | None, Parameter(help=say("What the model is told before the conversation."))
]
Turn = dict[str, str]


def chat(
    model: writing.Source,
    text: Text = None,
    *,
    system: System = None,
    input: writing.Input = None,
    stream: writing.Stream = False,
    json_lines: writing.Json = False,
    options: writing.Chosen = writing.DEFAULT,
) -> int:
    """Get a reply to a text, to every line of a file, or talk where a person sits."""
    texts = writing.given_texts(text, input)
    sampling = options.sampling()
    writer, draft = writing.open_writers(model, options)
    start: list[Turn] = [] if system is None else [{"role": "system", "content": system}]
    if texts is None:
        _talk(writer, start, sampling, draft)
        return 0
    live = writing.streams(stream, json_lines, options, len(texts))
    for one in texts:
        messages = [*start, {"role": "user", "content": one}]
        if live:
            writing.show(writer.stream_reply(messages, sampling, draft=draft))
        else:
            writing.tell(one, writer.reply(messages, sampling, draft=draft), json_lines, options)
    return 0


def _talk(
    writer: "Writer", messages: list[Turn], sampling: "Sampling", draft: "Writer | None"
) -> None:
    for line in typed():
        messages.append({"role": "user", "content": line})
        answer = writing.show(writer.stream_reply(messages, sampling, draft=draft))
        messages.append({"role": "assistant", "content": answer})
