"""How training went: the curves, the verdict on overfitting, and what it stands on."""

from mason.language import say
from mason.reports.charts import Axis, Line, Point, axis, line_chart, thin
from mason.reports.markup import Part, escape, folded, paragraph, sentences, table
from mason.reports.numbers import count, decimal, percent
from mason.reports.overview import fit_tone
from mason.reports.schema import Evaluation, Overfitting, Results, Step, Training


def learning(results: Results) -> Part | None:
    """The training curves and the overfitting verdict."""
    run = results.training
    if run is None:
        return None
    body = [_stopped(run), _verdict(run.overfitting, fit_tone(run)) if run.overfitting else ""]
    across = _step_axis(run)
    charts = [_loss(run, across), _scores(run, across)]
    body.append(f'<div class="columns">{"".join(charts)}</div>' if any(charts) else "")
    machinery = "".join(_machinery(run, across))
    if machinery:
        body.append(
            folded(
                say("Learning rate, gradient and speed"), f'<div class="columns">{machinery}</div>'
            )
        )
    if run.evaluations:
        body.append(folded(say("All evaluations as numbers"), _evaluations(run.evaluations)))
    return Part(
        say("How it learned"),
        say(
            "The loss says how wrong the model is; it should fall on texts it trained on and on "
            "unseen ones alike."
        ),
        "".join(body),
    )


def _stopped(run: Training) -> str:
    said = []
    if run.last_step is not None:
        if run.stopped == "early":
            said.append(
                say(
                    "Stopped early at step {step}, as unseen texts no longer gained.",
                    step=count(run.last_step),
                )
            )
        elif run.stopped == "interrupted":
            said.append(say("Interrupted at step {step}.", step=count(run.last_step)))
        else:
            said.append(say("Ran to its end, step {step}.", step=count(run.last_step)))
    if run.best_step is not None:
        said.append(
            say(
                "The model kept is the one of step {step}, the best on unseen texts.",
                step=count(run.best_step),
            )
        )
    return paragraph(sentences(said)) if said else ""


def _verdict(verdict: Overfitting, tone: str) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in verdict.evidence)
    advice = f'<p class="fix">{escape(verdict.advice)}</p>' if verdict.advice else ""
    return (
        f'<div class="callout {tone}"><p><strong>{escape(verdict.sentence)}</strong></p>'
        f"{f'<ul>{items}</ul>' if items else ''}{advice}</div>"
    )


def _step_axis(run: Training) -> Axis:
    steps = [float(s.step) for s in run.steps] + [float(e.step) for e in run.evaluations]
    return axis([0.0, *steps], write=count, snug=True)


def _mark(run: Training) -> tuple[float, str] | None:
    return None if run.best_step is None else (float(run.best_step), say("kept"))


def _points(rows: list[Step] | list[Evaluation], name: str) -> list[Point]:
    return [(float(r.step), float(v)) for r in rows if (v := getattr(r, name)) is not None]


def _loss(run: Training, across: Axis) -> str:
    lines = [
        Line(say("each step"), thin(_points(run.steps, "loss")), "faint"),
        Line(say("training texts"), _points(run.evaluations, "train_loss"), "first", dots=True),
        Line(say("unseen texts"), _points(run.evaluations, "valid_loss"), "second", dots=True),
    ]
    values = [y for line in lines for _, y in line.points]
    if not values:
        return ""
    unseen = [y for _, y in lines[2].points]
    return line_chart(
        lines,
        title=say("Loss (lower is better)"),
        description=say(
            "Loss over steps; on unseen texts it went from {first} to {last}.",
            first=decimal(unseen[0]),
            last=decimal(unseen[-1]),
        )
        if unseen
        else say("Loss of each training step."),
        across=across,
        up=axis(values, low=0 if min(values) >= 0 else None),
        across_name=say("steps"),
        mark=_mark(run),
    )


def _scores(run: Training, across: Axis) -> str:
    shown = (
        (say("training texts"), "train_accuracy", "first"),
        (say("unseen texts"), "valid_accuracy", "second"),
        (say("unseen texts, macro F1"), "valid_macro_f1", "third"),
        (say("hidden tokens of unseen texts"), "token_accuracy", "first"),
        (say("pairs of unseen texts"), "question_accuracy", "second"),
        (say("replaced tokens found"), "replaced_found", "first"),
        (say("real tokens taken for real"), "real_kept", "second"),
    )
    lines = [
        Line(name, _points(run.evaluations, score), tone, dots=True) for name, score, tone in shown
    ]
    values = [y for line in lines for _, y in line.points]
    if not values:
        return ""
    return line_chart(
        lines,
        title=say("Accuracy (higher is better)"),
        description=say(
            "Scores at each evaluation; the highest is {best}.", best=percent(max(values))
        ),
        across=across,
        up=axis(values, write=lambda v: percent(v, 0), high=1.0 if max(values) > 0.9 else None),
        across_name=say("steps"),
        mark=_mark(run),
    )


def _machinery(run: Training, across: Axis) -> list[str]:
    speed = [(float(s.step), s.tokens / s.seconds) for s in run.steps if s.tokens and s.seconds]
    curves = [
        (say("Learning rate"), thin(_points(run.steps, "learning_rate"))),
        (say("Gradient norm"), thin(_points(run.steps, "gradient_norm"))),
        (say("Update norm over weight norm"), _points(run.steps, "update_norm")),
        (say("Tokens per second"), thin(speed)),
    ]
    return [_machine_curve(name, points, across) for name, points in curves if points]


def _machine_curve(name: str, points: list[Point], across: Axis) -> str:
    values = [y for _, y in points]
    return line_chart(
        [Line(name, points, "first")],
        title=name,
        description=say(
            "{name} over steps, between {low} and {high}.",
            name=name,
            low=decimal(min(values)),
            high=decimal(max(values)),
        ),
        across=across,
        up=axis(values, low=0),
        across_name=say("steps"),
    )


def _evaluations(evaluations: list[Evaluation]) -> str:
    """A row an evaluation, a column for each score that was measured."""
    losses = {"train_loss": say("Loss, training"), "valid_loss": say("Loss, unseen")}
    shares = {
        "train_accuracy": say("Accuracy, training"),
        "valid_accuracy": say("Accuracy, unseen"),
        "valid_macro_f1": say("Macro F1, unseen"),
        "token_accuracy": say("Hidden tokens, unseen"),
        "question_accuracy": say("Pairs, unseen"),
    }
    measured = [name for name in shares if any(getattr(e, name) is not None for e in evaluations)]
    heads = [say("Step"), say("Epoch"), *losses.values(), *(shares[name] for name in measured)]
    rows = [
        [
            count(e.step),
            decimal(e.epoch),
            *(decimal(getattr(e, name), 4) for name in losses),
            *(percent(getattr(e, name)) for name in measured),
        ]
        for e in evaluations
    ]
    epoch = say("One epoch is one pass over all training texts.")
    return table(heads, rows, numeric=len(heads)) + paragraph(epoch, "muted")
