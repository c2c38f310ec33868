"""What it got most wrong: often a wrong label, or a meaning the data never showed."""

from mason.language import say
from mason.reports.markup import Part, escape, paragraph, table
from mason.reports.numbers import count, percent
from mason.reports.schema import Mistake, Results


def mistakes(results: Results) -> Part | None:
    """Texts it got most wrong: the surest first, or the least like what was wanted."""
    found = results.evaluation.errors if results.evaluation else None
    if found is None:
        return None
    if any(mistake.score is not None for mistake in found):
        return _written(found)
    # A number has no probability: its mistakes come in the order of their size.
    rows = [_row(m, m.probability) for m in sorted(found, key=lambda m: -(m.probability or 0.0))]
    heads = [say("Text"), say("True label"), say("Its answer")]
    sure = any(mistake.probability is not None for mistake in found)
    heads += [say("How sure")] if sure else []
    nothing = paragraph(say("None: every tested text got its right label."))
    return Part(
        say("Where it was most wrong"),
        say("The mistakes it was surest of. Read them first: some are wrong labels in the data.")
        if sure or not rows
        else say(
            "The farthest from the right number. Read them first: some are wrong in the data."
        ),
        table(heads, rows, kind="stack mistakes", numeric=int(sure)) if rows else nothing,
    )


def _written(found: list[Mistake]) -> Part:
    rows = [_row(m, m.score) for m in sorted(found, key=lambda m: m.score or 0.0)]
    heads = [say("Text"), say("Wanted"), say("Written"), say("How near")]
    return Part(
        say("Where it was most wrong"),
        say("The texts least like those wanted. Some are right in other words; read them first."),
        table(heads, rows, kind="stack mistakes", numeric=1),
    )


def _row(mistake: Mistake, figure: float | None) -> list[str]:
    where = []
    if mistake.file:
        where.append(mistake.file)
    if mistake.row is not None:
        where.append(say("row {row}", row=count(mistake.row)))
    origin = f'<br><span class="muted">{escape(", ".join(where))}</span>' if where else ""
    return [
        f'<span class="quote" dir="auto">{escape(mistake.text)}</span>{origin}',
        escape(mistake.label),
        escape(mistake.predicted),
        *([] if figure is None else [percent(figure)]),
    ]
