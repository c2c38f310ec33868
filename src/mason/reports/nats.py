"""Losses and margins in words: natural logarithms, which are no shares of anything."""

from mason.language import say
from mason.reports.numbers import count, decimal
from mason.reports.schema import Scored


def nats_in_words(scored: Scored) -> list[str]:
    """A sentence for each that is there, and one for the tokens behind them."""
    lines = [
        text.format(
            value=decimal(found.value), low=decimal(found.low), high=decimal(found.high)
        )
        for name, text in _sentences().items()
        if (found := scored.nats.get(name)) is not None
    ]
    if scored.targets is not None and scored.learned_targets is not None:
        lines.append(
            say(
                "Tokens of answers: {learned} learned, {asked} asked.",
                learned=count(scored.learned_targets),
                asked=count(scored.targets),
            )
        )
    return lines


def _sentences() -> dict[str, str]:
    return {
        "loss": say("Loss of an answer's token, in nats: {value} ({low} to {high})."),
        "loss_before": say("Before tuning: {value} ({low} to {high})."),
        "gain": say("Less by {value} ({low} to {high}) on the same rows."),
        "margin": say(
            "Log-probability of the better answer above that of the worse one, in nats: {value} "
            "({low} to {high})."
        ),
        "margin_before": say("Before tuning: {value} ({low} to {high})."),
        "reward_margin": say(
            "Reward of the better answer above that of the worse one: {value} ({low} to {high})."
        ),
    }
