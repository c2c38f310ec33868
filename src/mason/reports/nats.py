"""Losses and margins in words: natural logarithms, which are no shares of anything."""

from mason.language import say
from mason.reports.numbers import count, decimal
from mason.reports.schema import Scored


def nats_in_words(scored: Scored) -> list[str]:
    """A sentence for each that is there, and one for the tokens behind them."""
    lines = []
    for name, found in scored.nats.items():
        value, low, high = map(decimal, (found.value, found.low, found.high))
        lines.append(_sentence(name, value, low, high))
    if scored.targets is not None and scored.learned_targets is not None:
        lines.append(
            say(
                "Tokens of answers: {learned} learned, {asked} asked.",
                learned=count(scored.learned_targets),
                asked=count(scored.targets),
            )
        )
    return lines


def _sentence(name: str, value: str, low: str, high: str) -> str:
    told = {"value": value, "low": low, "high": high}
    match name:
        case "loss":
            return say("Loss of an answer's token, in nats: {value} ({low} to {high}).", **told)
        case "token_loss":
            return say("Loss of a text's token, in nats: {value} ({low} to {high}).", **told)
        case "gain":
            return say("Less by {value} ({low} to {high}) on the same rows.", **told)
        case "margin":
            return say(
                "Log-probability of the better answer above that of the worse one, in nats: "
                "{value} ({low} to {high}).",
                **told,
            )
        case "reward_margin":
            return say(
                "Reward of the better answer above that of the worse one: {value} ({low} to "
                "{high}).",
                **told,
            )
    return say("Before tuning: {value} ({low} to {high}).", **told)
