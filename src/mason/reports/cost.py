"""What it is made of, and what it costs in time, memory and disk."""

from mason.language import say
from mason.reports.markup import Part, bar, escape, facts, folded, heading, paragraph, table
from mason.reports.numbers import count, decimal, duration, magnitude, percent, size
from mason.reports.schema import Cost, Model, Results


def model(results: Results) -> Part | None:
    """Where the model came from and where its parameters sit."""
    found = results.model
    if found is None:
        return None
    pairs = [
        (say("started from"), escape(found.source)),
        (say("family"), escape(found.family)),
        (say("shape"), escape(_topology(found.topology))),
        (say("parameters"), magnitude(found.parameters)),
    ]
    if found.license:
        pairs.append((say("license"), escape(found.license)))
    body = facts(pairs) + _new_and_dropped(found)
    if found.parts:
        rows = [
            [
                escape(p.name),
                bar(p.parameters / max(found.parameters, 1)),
                count(p.parameters),
                percent(p.parameters / max(found.parameters, 1)),
            ]
            for p in found.parts
        ]
        rows.append(["", "", f"<strong>{count(found.parameters)}</strong>", percent(1.0)])
        heads = [say("Part"), "", say("Parameters"), say("Share")]
        body += table(heads, rows, kind="bars", numeric=2)
    return Part(
        say("The model"),
        say(
            "Parameters are the numbers that training adjusts; more of them know more and cost "
            "more."
        ),
        body,
    )


def _topology(name: str) -> str:
    if name == "encoder":
        return say("encoder: reads a text as a whole")
    if name == "decoder":
        return say("decoder: reads and writes word by word")
    if name == "encoder-decoder":
        return say("encoder–decoder: reads one text, writes another")
    return name


def _new_and_dropped(found: Model) -> str:
    body = ""
    if found.fresh:
        body += paragraph(
            say("New here, started from random numbers: {names}.", names=", ".join(found.fresh))
        )
    if found.dropped:
        items = "".join(f"<li><code>{escape(name)}</code></li>" for name in found.dropped)
        body += folded(
            say(
                "Left out of the source, as this task does not use them: {number}",
                number=len(found.dropped),
            ),
            f"<ul>{items}</ul>",
        )
    return body


def cost(results: Results) -> Part | None:
    """Time, speed, memory and size."""
    found = results.cost
    if found is None:
        return None
    pairs = []
    if found.model_bytes is not None:
        pairs.append((say("size on disk"), size(found.model_bytes)))
    if found.peak_memory_bytes is not None:
        pairs.append((say("memory at most"), size(found.peak_memory_bytes)))
    if found.forecast_memory_bytes is not None:
        pairs.append((say("memory foretold"), size(found.forecast_memory_bytes)))
    if found.tokens_per_second is not None:
        pairs.append((say("tokens per second in training"), decimal(found.tokens_per_second)))
    if found.product_share is not None:
        share = percent(found.product_share)
        pairs.append((say("of the products this machine could do"), share))
    if found.latency_ms is not None:
        pairs.append((say("per text, typically"), f"{decimal(found.latency_ms.p50)} ms"))
        pairs.append(
            (say("per text, slow one in a hundred"), f"{decimal(found.latency_ms.p99)} ms")
        )
    body = facts(pairs) + (_times(found) if found.seconds else "")
    return Part(
        say("What it costs"), say("Measured on the machine named at the end of this page."), body
    )


def _times(found: Cost) -> str:
    names = {
        "prepare": say("Prepare"),
        "train": say("Train"),
        "evaluate": say("Evaluate"),
        "total": say("Total"),
    }
    longest = max(found.seconds.values()) or 1.0
    rows = [
        [escape(names.get(stage, stage)), bar(seconds / longest), duration(seconds)]
        for stage, seconds in found.seconds.items()
    ]
    heads = [say("Stage"), "", say("Time")]
    return heading(say("Time")) + table(heads, rows, kind="bars", numeric=1)
