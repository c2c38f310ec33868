"""Which labels it takes for which: the matrix while readable, the worst pairs always."""

from mason.language import say
from mason.reports.charts import heat_map
from mason.reports.markup import Part, attribute, bar, escape, heading, paragraph, table
from mason.reports.numbers import count, percent
from mason.reports.schema import Confusion, Results

MOST_IN_NUMBERS = 12
MOST_IN_CELLS = 60
MOST_PAIRS = 10


def confusion(results: Results) -> Part | None:
    """The confusion matrix."""
    found = results.evaluation.confusion if results.evaluation else None
    if found is None or not found.labels:
        return None
    blocks = [f"<div>{heading(say('Most confused'))}{_pairs(found)}</div>"]
    if len(found.labels) <= MOST_IN_NUMBERS:
        blocks.insert(0, f"<div>{heading(say('All answers'))}{_matrix(found)}</div>")
    elif len(found.labels) <= MOST_IN_CELLS:
        blocks.insert(0, f'<div class="wide-only">{_cells(found)}</div>')
    return Part(
        say("What it mixes up"),
        say("Each row is a true label, each column an answer; blue is right, orange is a mistake."),
        f'<div class="columns">{"".join(blocks)}</div>',
    )


def _matrix(found: Confusion) -> str:
    """Rows carry names and numbers, columns numbers alone, so it fits a phone."""
    heads = "".join(
        f'<th scope="col" title="{attribute(label)}">{index}</th>'
        for index, label in enumerate(found.labels, 1)
    )
    rows = ""
    for i, (label, row) in enumerate(zip(found.labels, found.counts, strict=True)):
        total = sum(row) or 1
        cells = "".join(
            f'<td class="{"right" if i == j else "wrong"}" style="--share:{number / total:.3f}">'
            f"{count(number) if number else '·'}</td>"
            for j, number in enumerate(row)
        )
        rows += f'<tr><th scope="row">{i + 1}&ensp;{escape(label)}</th>{cells}</tr>'
    corner = escape(say("true ↓ answer →"))
    return (
        '<div class="scroll" tabindex="0"><table class="matrix">'
        f"<thead><tr><th>{corner}</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cells(found: Confusion) -> str:
    right = sum(row[i] for i, row in enumerate(found.counts))
    total = sum(map(sum, found.counts))
    return heat_map(
        found.counts,
        found.labels,
        title=say("All answers, {number} labels", number=len(found.labels)),
        description=say(
            "{right} of {total} answers are on the diagonal, that is, right.",
            right=count(right),
            total=count(total),
        ),
        row_name=say("true label, from the top"),
        column_name=say("answer, same order"),
    )


def _pairs(found: Confusion) -> str:
    pairs = sorted(
        (
            (number, i, j)
            for i, row in enumerate(found.counts)
            for j, number in enumerate(row)
            if i != j and number
        ),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    if not pairs:
        return paragraph(say("Nothing: every tested text got its right label."))
    rows = []
    largest = max(number / sum(found.counts[i]) for number, i, _ in pairs[:MOST_PAIRS])
    for number, i, j in pairs[:MOST_PAIRS]:
        total = sum(found.counts[i])
        rows.append(
            [
                f"{escape(found.labels[i])} "
                f'<span class="muted">→</span>&nbsp;{escape(found.labels[j])}',
                bar(number / total / largest, "second"),
                count(number),
                percent(number / total),
            ]
        )
    heads = [say("True label → answer"), "", say("Texts"), say("Of that label")]
    return table(heads, rows, kind="bars pairs", numeric=2)
