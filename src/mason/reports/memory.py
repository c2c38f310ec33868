"""What it gives away: whether a text's loss tells that it was learned, and a planted secret."""

from mason.language import say
from mason.reports.markup import Part, paragraph
from mason.reports.numbers import count, decimal, percent
from mason.reports.schema import Results
from mason.reports.security_block import Memory

_TELLS = 0.55


def memory(results: Results) -> Part | None:
    """Membership and exposure in words."""
    found = results.security.memory if results.security else None
    if found is None:
        return None
    return Part(
        say("What does it give away?"),
        say(
            "A model that knows its training texts by heart can be made to say them. Losses show "
            "it: a text that was learned is likelier than one like it."
        ),
        "".join(paragraph(sentence) for sentence in in_words(found)),
    )


def in_words(found: Memory) -> list[str]:
    """A sentence on learned texts, and one on the planted secret where there is one."""
    share = found.membership
    values = {"share": percent(share.value), "low": percent(share.low), "high": percent(share.high)}
    values |= {"learned": count(found.learned), "unseen": count(found.unseen)}
    said = [
        say(
            "Its loss tells a learned text from an unseen one {share} of the time ({low}–{high}; "
            "guessing: 50%; {learned} learned and {unseen} unseen texts).",
            **values,
        )
    ]
    if share.low > _TELLS:
        said.append(
            say("So whoever has a text can tell whether it was learned: do not publish this model.")
        )
    if found.exposure is not None and found.bits is not None:
        said.append(
            say(
                "The planted secret is exposed by {bits} of {most} bits that could be told.",
                bits=decimal(found.exposure, 2),
                most=decimal(found.bits, 2),
            )
        )
    if found.extracted is not None:
        said.append(
            say("Given the words before it, the model says the secret.")
            if found.extracted
            else say("Given the words before it, the model does not say the secret.")
        )
    return said
