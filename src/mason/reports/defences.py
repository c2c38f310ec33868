"""What holds: each defence with its cost on clean texts and its gain under attack."""

from mason.language import say
from mason.reports.attacks import attack_names, interval
from mason.reports.markup import Part, escape, heading, paragraph, table
from mason.reports.numbers import percent
from mason.reports.provocations import probe_names
from mason.reports.schema import Results
from mason.reports.security_block import Defence


def defence_names() -> dict[str, str]:
    """Each defence as people call it."""
    return {
        "cleaner": say("Unicode cleaner"),
        "spelling": say("words put right"),
        "adversarial": say("training on attacked texts"),
        "masking": say("vote over masked copies"),
        "triggers": say("search for a backdoor's trigger"),
        "outliers": say("search for words out of place"),
        "scan": say("scan of what is asked"),
        "withhold": say("secrets withheld from what is said"),
    }


def faced_names() -> dict[str, str]:
    """Everything a defence may face."""
    return attack_names() | probe_names()


def defences(results: Results) -> Part | None:
    """A table a defence: clean texts, then every attack it faced."""
    found = results.security
    if found is None or not found.defences:
        return None
    if found.probes:
        told = say(
            "Shares of honest conversations left alone, its price, and of attacks withstood, its "
            "gain, before and after each part of the guard; an attacker who knows it may try every "
            "disguise, and wins if one gets through."
        )
        clean = say("honest conversations")
    else:
        told = say(
            "Shares of right answers before and after each defence: its price on clean texts, and "
            "its gain under attack, also by an attacker who knows it."
        )
        clean = say("clean")
    return Part(
        say("What holds?"),
        told,
        "".join(_defence(one, clean) for one in found.defences),
    )


def _defence(one: Defence, clean: str) -> str:
    heads = [say("Texts"), say("Before"), say("After")]
    rows = [[clean, interval(one.clean_before), interval(one.clean_after)]]
    for faced in one.faced:
        name = faced_names().get(faced.attack, faced.attack)
        shown = say("{attack}, by one who knows the defence", attack=name) if faced.knows else name
        rows.append([escape(shown), interval(faced.before), interval(faced.after)])
    names = defence_names()
    body = heading(", ".join(names.get(name, name) for name in one.name.split("+")))
    body += table(heads, rows, kind="stack", numeric=2)
    if one.certified:
        told = [[str(words), percent(share)] for words, share in one.certified.items()]
        right = say(
            "Right by the vote of all copies whatever they become; sure of each text at 95 %"
        )
        head = [say("Words changed, at most"), right]
        body += table(head, told, numeric=2)
    return body + (paragraph(one.note, "muted") if one.note else "")
