"""What a model answers in conversations, before and after it was tuned."""

from mason.language import say
from mason.reports.markup import Part, escape, heading, table
from mason.reports.schema import Results


def replies(results: Results) -> Part | None:
    """A few unseen conversations, each with the answers given and the one wanted."""
    found = results.evaluation.replies if results.evaluation else []
    if not found:
        return None
    body = "".join(_conversation(sample, number) for number, sample in enumerate(found, start=1))
    return Part(
        say("What it answers"),
        say("Some conversations it has not learned from; the likeliest answer each time."),
        body,
    )


def _conversation(sample: dict[str, str], number: int) -> str:
    told = (
        ("before", say("before tuning")),
        ("written", say("now")),
        ("wanted", say("wanted")),
    )
    rows = [[escape(name), _quote(sample[key])] for key, name in told if key in sample]
    return (
        heading(say("Conversation {number}", number=number))
        + f"<p>{_quote(sample['given'])}</p>"
        + table([say("Whose"), say("Answer")], rows, kind="stack steps")
    )


def _quote(text: str) -> str:
    return f'<span class="quote" dir="auto">{escape(text)}</span>'
