"""``mason chat``: a conversation, or one reply."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mason.cli import writing
from mason.cli.inputs import typed
from mason.cli.serve import Guarded
from mason.cli.terminal import notice
from mason.language import say

if TYPE_CHECKING:
    from mason.security.guard import Guard
    from mason.workflows import Generated, Sampling, Writer

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
    guard: Guarded = None,
    options: writing.Chosen = writing.DEFAULT,
) -> int:
    """Get a reply to a text, to every line of a file, or talk where a person sits."""
    texts = writing.given_texts(text, input)
    sampling = options.sampling()
    writer, draft = writing.open_writers(model, options)
    watch = _guard(writer, guard)
    start: list[Turn] = [] if system is None else [{"role": "system", "content": system}]
    if texts is None:
        _talk(writer, start, sampling, draft, watch)
        return 0
    live = writing.streams(stream, json_lines, options, len(texts))
    for one in texts:
        messages = [*start, {"role": "user", "content": one}]
        if _refused(messages, watch):
            continue
        if live:
            pieces = writer.stream_reply(messages, sampling, draft=draft)
            writing.show(watch.passed(pieces, messages) if watch else pieces)
        else:
            found = _as_allowed(writer.reply(messages, sampling, draft=draft), messages, watch)
            writing.tell(one, found, json_lines, options)
    return 0


def _guard(writer: "Writer", asked: bool | None) -> "Guard | None":
    from mason.security.guard import Guard
    from mason.workflows.writer import guard_chosen

    return None if guard_chosen(writer, asked) is None else Guard()


def _refused(messages: list[Turn], guard: "Guard | None") -> bool:
    """Whether the guard does not pass the last turn on; it says so."""
    found = guard.asked(messages[-1:]) if guard else None
    if found:
        notice(str(found))
    return found is not None


def _as_allowed(found: "Generated", messages: list[Turn], guard: "Guard | None") -> "Generated":
    """The answers as the guard lets them; one that is withheld loses its tokens."""
    if guard is None:
        return found
    kept = tuple(_as_allowed(other, messages, guard) for other in found.others)
    if why := guard.said(found.text, messages):
        return replace(found, text=str(why), tokens=[], log_probabilities=[], others=kept)
    return replace(found, others=kept)


def _talk(
    writer: "Writer",
    messages: list[Turn],
    sampling: "Sampling",
    draft: "Writer | None",
    guard: "Guard | None",
) -> None:
    for line in typed():
        messages.append({"role": "user", "content": line})
        if _refused(messages, guard):
            messages.pop()
            continue
        pieces = writer.stream_reply(messages, sampling, draft=draft)
        answer = writing.show(guard.passed(pieces, messages) if guard else pieces)
        messages.append({"role": "assistant", "content": answer})
