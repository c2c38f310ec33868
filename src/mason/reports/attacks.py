"""How it breaks: what each attack leaves of the right answers, at which price."""

from mason.language import say
from mason.reports.markup import Part, escape, folded, paragraph, table
from mason.reports.numbers import count, decimal, percent
from mason.reports.schema import Results
from mason.reports.security_block import AttackResult, Security, Share


def attack_names() -> dict[str, str]:
    """Each attack as people call it."""
    return {
        "typos": say("typing errors"),
        "homoglyphs": say("letters that look alike"),
        "invisible": say("invisible characters"),
        "disguise": say("accents, digits and spaces"),
        "words": say("words of like use"),
        "hotflip": say("words by gradient"),
        "trigger": say("one phrase before every text"),
        "homophones": say("characters of the same sound"),
        "glyphs": say("characters of like shape"),
        "traditional": say("the other script of Chinese"),
        "edits": say("all edits of characters together"),
        "backdoor": say("a backdoor in the training data"),
    }


def attacks(results: Results) -> Part | None:
    """A row an attack, the limits it kept, and texts that it turned."""
    found = results.security
    if found is None or not found.attacks:
        return None
    heads = [
        say("Attack"),
        say("Right before"),
        say("Right under attack"),
        say("Turned, of the right ones"),
        say("Words changed"),
        say("Texts asked"),
    ]
    rows = [_row(one) for one in found.attacks]
    limits = "".join(paragraph(_limits(one, found), "muted") for one in found.attacks)
    return Part(
        say("How does it break?"),
        say(
            "Each text is changed a little until the model errs, within limits that keep its "
            "meaning for a person."
        ),
        table(heads, rows, kind="stack", numeric=5)
        + folded(say("What each attack had to keep"), limits)
        + "".join(_examples(one) for one in found.attacks if one.examples),
    )


def interval(share: Share) -> str:
    """A share with its interval."""
    return f"{percent(share.value)} ({percent(share.low)}–{percent(share.high)})"


def _row(one: AttackResult) -> list[str]:
    return [
        escape(attack_names().get(one.name, one.name)),
        percent(one.clean.value),
        interval(one.under_attack),
        interval(one.success),
        percent(one.changed),
        count(one.queries),
    ]


def _limits(one: AttackResult, found: Security) -> str:
    name = attack_names().get(one.name, one.name)
    said = say(
        "{name} ({paper}): at most {share} of the words, {queries} questions a text, {rows} texts.",
        name=name,
        paper=one.paper,
        share=percent(one.max_share, 0),
        queries=count(one.max_queries),
        rows=count(one.rows),
    )
    if one.min_similarity is not None:
        said += " " + say(
            "Sentence vectors of {model} keep a cosine of {least} or more.",
            model=found.similar_by or "?",
            least=decimal(one.min_similarity),
        )
    if one.keep_stop_words:
        said += " " + say("Words of grammar stay.")
    return said


def _examples(one: AttackResult) -> str:
    heads = [say("Text"), say("Attacked"), say("True label"), say("Its answer")]
    rows = [
        [
            f'<span class="quote" dir="auto">{escape(example.text)}</span>',
            f'<span class="quote" dir="auto">{escape(example.attacked)}</span>',
            escape(example.label),
            escape(example.said),
        ]
        for example in one.examples
    ]
    name = attack_names().get(one.name, one.name)
    return folded(say("Examples: {name}", name=name), table(heads, rows, kind="stack mistakes"))
