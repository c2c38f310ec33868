"""The mistakes it was surest of: often a wrong label, or a meaning the data never showed."""

from mason.language import say
from mason.reports.markup import Part, escape, paragraph, table
from mason.reports.numbers import count, percent
from mason.reports.schema import Mistake, Results


def mistakes(results: Results) -> Part | None:
    """Texts it got most wrong, surest first."""
    found = results.evaluation.errors if results.evaluation else None
    if found is None:
        return None
    # A number has no probability: its mistakes come in the order of their size.
    rows = [_row(mistake) for mistake in sorted(found, key=lambda m: -(m.probability or 0.0))]
    heads = [say("Text"), say("True label"), say("Its answer")]
    sure = any(mistake.probability is not None for mistake in found)
    heads += [say("How sure")] if sure else []
    nothing = paragraph(say("None: every tested text got its right label."))
    return Part(
        say("Where it was most wrong"),
        say("The mistakes it was surest of. Read them first: some are wrong labels in the data."),
        table(heads, rows, kind="stack mistakes", numeric=int(sure)) if rows else nothing,
    )


def _row(mistake: Mistake) -> list[str]:
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
        *([] if mistake.probability is None else [percent(mistake.probability)]),
    ]
