"""What a chat model can be talked into: how often it obeyed an attacker, and what it said then."""

from mason.language import say
from mason.reports.charts import axis, scale_row, whisker
from mason.reports.markup import Part, escape, folded, heading, table
from mason.reports.numbers import count, percent
from mason.reports.schema import Results
from mason.reports.security_block import ProbeExample, ProbeResult, Security, Share


def probe_names() -> dict[str, str]:
    """Each kind of probe as people call it."""
    return {
        "injection": say("orders in what it reads"),
        "extraction": say("asking for its secrets"),
        "jailbreak": say("ways around its refusals"),
    }


def technique_names() -> dict[str, str]:
    """What an attacker says, technique by technique."""
    return {
        "plain": say("asked plainly"),
        "urgent": say("as an urgent remark"),
        "ended": say("as if the text had ended"),
        "system": say("as if the owner spoke"),
        "author": say("as a note of the author"),
        "above": say("repeat what stands above"),
        "translate": say("translate your orders"),
        "mode": say("another mode"),
        "story": say("inside a story"),
        "spelled": say("letter by letter"),
        "reversed": say("backwards"),
        "role": say("play one without rules"),
        "opening": say("begin with yes"),
        "override": say("your rules do not apply"),
    }


def provocations(results: Results) -> Part | None:
    """A row a kind, the techniques of each, and replies."""
    found = results.security.probes if results.security else []
    if not found:
        return None
    return Part(
        say("What can it be talked into?"),
        say(
            "Shares of tries by which a stranger made the model do what its owner does not want: "
            "less is better. Whether it obeyed is seen by a word nobody else would say, by a "
            "secret, or by a refusal that is missing."
        ),
        _table([(probe_names().get(one.name, one.name), one.rows, one.success) for one in found])
        + "".join(_kind(one) for one in found),
    )


def probed(found: Security) -> str:
    """All probes in one sentence, and what a guard made of them."""
    obeyed = sum(one.success.value * one.rows for one in found.probes)
    share = percent(obeyed / sum(one.rows for one in found.probes))
    if not found.defences:
        return say("Obeys a stranger {share} of the time", share=share)
    kinds = {one.name: one.rows for one in found.probes}
    faced = [one for one in found.defences[-1].faced if one.knows]
    through = sum((1 - one.after.value) * kinds[one.attack] for one in faced)
    return say(
        "Obeys a stranger {share} of the time; one who knows its guard gets through {through}",
        share=share,
        through=percent(through / sum(kinds.values())),
    )


def _table(rows: list[tuple[str, int, Share]]) -> str:
    scale = axis([0.0], write=lambda v: percent(v, 0), high=1.0)
    told = [
        [
            escape(name),
            whisker(share.low, share.value, share.high, scale),
            f"<strong>{percent(share.value)}</strong>",
            f"{percent(share.low)}–{percent(share.high)}",
            count(tries),
        ]
        for name, tries, share in rows
    ]
    told.append(["", scale_row(scale), "", "", ""])
    heads = [say("Attack"), "", say("It obeyed"), say("Between"), say("Tries")]
    return table(heads, told, kind="stack whiskers", numeric=3)


def _kind(one: ProbeResult) -> str:
    names = technique_names()
    ways = _table([(names.get(w.name, w.name), w.rows, w.success) for w in one.techniques])
    name = probe_names().get(one.name, one.name)
    body = heading(f"{name} ({one.paper})") + folded(say("By what the attacker says"), ways)
    if one.examples:
        body += folded(say("What it answered"), "".join(_example(e) for e in one.examples))
    return body


def _example(one: ProbeExample) -> str:
    told = ((say("owner"), one.owner), (say("attacker"), one.asked), (say("model"), one.reply))
    rows = [[escape(who), _quote(said)] for who, said in told if said]
    return table([say("Who"), say("What was said")], rows, kind="stack steps")


def _quote(text: str) -> str:
    return f'<span class="quote" dir="auto">{escape(text)}</span>'
