"""What a private run promises, in words."""

import math

from mason.language import say
from mason.reports.markup import Part, facts, paragraph
from mason.reports.numbers import count, decimal, percent
from mason.reports.schema import Results


def privacy(results: Results) -> Part | None:
    """The budget, and what it does not cover."""
    found = results.security.privacy if results.security else None
    if found is None:
        return None
    body = facts(
        [
            ("ε", f"{math.ceil(100 * found.spent) / 100:.2f}"),  # never less than it is
            ("δ", f"{found.delta:.1e}"),
            (say("Noise"), decimal(found.noise, 2)),
            (say("Rows"), count(found.rows)),
        ]
    )
    # Of a guess whether a row was there, where both are as likely: Kairouz et al. 2015.
    most = (math.exp(found.spent) + found.delta) / (1 + math.exp(found.spent))
    body += paragraph(
        say(
            "Whoever has the weights and all other rows is right at most {share} of the time when "
            "he says whether one row was learned from (guessing: 50%).",
            share=percent(most),
        ),
        "large",
    )
    body += paragraph(
        say(
            "DP-SGD (Abadi et al. 2016): each of {steps} steps takes every row with a chance of "
            "{chance}, cuts its gradient to a norm of {clip:g} and adds noise; counted by opacus "
            "({accountant}).",
            steps=count(found.steps),
            chance=percent(found.chance),
            clip=found.clip_norm,
            accountant=found.accountant.upper(),
        )
    )
    body += paragraph(
        say(
            "It holds for one training row, not for a person in many rows; for the weights, not "
            "for this page, which quotes rows; not for the rows it was tested on, nor for what "
            "several runs on the same rows give away together."
        ),
        "muted",
    )
    return Part(
        say("What is promised of each row?"),
        say("A private run: the weights hardly depend on any one row."),
        body,
    )
