"""What a person sees in the terminal: progress, notices, tables; widths fit Chinese too."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console

from mason.language import say
from mason.runtime import is_first_process

if TYPE_CHECKING:
    from mason.data.findings import Finding
    from mason.text.fertility import Fit
    from mason.training.history import History
    from mason.workflows.needs import Needs
    from mason.workflows.resuming import Checked

SHADES = {"error": "bold red", "warning": "yellow", "note": "dim"}


def console() -> Console:
    """Standard output; lines are cut to fit a terminal, but not a pipe."""
    return Console() if sys.stdout.isatty() else Console(width=200)


def notice(sentence: str) -> None:
    """A sentence beside the output, on standard error; if nobody listens, nothing stops."""
    with suppress(OSError, ValueError):
        print(sentence, file=sys.stderr)


class Progress:
    """A live line of loss, speed, memory and time left; nothing where nobody watches."""

    def __init__(self) -> None:
        self._display: Any = None
        self._task: Any = None
        self._stopping = False
        self._told = 0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._display:
            self._display.stop()

    def __call__(self, history: "History") -> None:
        """Show where the run is."""
        if history.stopped == "interrupted" and not self._stopping:
            self._stopping = True
            notice(say("Stopping: what was learned is kept. Ctrl-C again leaves at once."))
        for sentence in history.notices[self._told :]:
            notice(sentence)
        self._told = len(history.notices)
        if not sys.stderr.isatty():
            return
        if self._display is None:
            self._start(history.num_steps)
        self._display.update(
            self._task,
            completed=len(history.steps),
            total=history.num_steps,
            told=_told(history),
        )

    def _start(self, num_steps: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Display

        self._display = Display(
            TextColumn(say("training")),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._display.add_task("", total=num_steps, told="")
        self._display.start()


def _told(history: "History") -> str:
    from mason.runtime import peak_memory_bytes

    recent = history.steps[-20:]
    loss = sum(step.loss for step in recent) / len(recent)
    speed = sum(step.tokens for step in recent) / sum(step.seconds for step in recent)
    told = say(
        "loss {loss:.3f} · {speed:,.0f} tokens/s · {memory:.1f} GB",
        loss=loss,
        speed=speed,
        memory=peak_memory_bytes() / 1e9,
    )
    if history.pace is not None:
        told += say(" · {share:.0%} of the peak", share=history.pace.share(speed))
    last = history.evaluations[-1] if history.evaluations else None
    if last and last.valid_accuracy is not None:
        told += say(" · right on {accuracy:.1%} of validation", accuracy=last.valid_accuracy)
    if last and last.token_accuracy is not None:
        told += say(" · right on {accuracy:.1%} of hidden tokens", accuracy=last.token_accuracy)
    return told


def findings_table(findings: "Sequence[Finding]") -> None:
    """The doctor's findings: where, what, and what to do."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_lines=True)
    for heading in (say("severity"), say("where"), say("what and what to do")):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        where = finding.file
        if finding.row is not None:
            where += say(", row {row}", row=finding.row)
        if finding.column:
            where += say(", column {column}", column=finding.column)
        shade = SHADES.get(finding.severity, "")
        severity = {"error": say("error"), "warning": say("warning"), "note": say("note")}
        table.add_row(
            severity[finding.severity], where, f"{finding.reason} {finding.fix}", style=shade
        )
    console().print(table)


def checkpoints_table(found: "Sequence[Checked]") -> None:
    """Each checkpoint, and whether it is whole."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in (say("checkpoint"), say("state")):
        table.add_column(heading, overflow="fold")
    for checked in found:
        table.add_row(checked.name, checked.problem or say("whole"))
    console().print(table)


def fits_table(fits: "Mapping[str, Fit]") -> None:
    """How well each tokenizer fits a text; more bytes a token is cheaper."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in (
        say("tokenizer"),
        say("pieces"),
        say("bytes a token"),
        say("unknown"),
        say("come back equal"),
        say("tokens a word, by script"),
    ):
        table.add_column(heading, overflow="fold")
    for name, fit in fits.items():
        scripts = ", ".join(f"{script} {value:.2f}" for script, value in fit.fertility.items())
        table.add_row(
            name,
            f"{fit.num_pieces:,}",
            f"{fit.bytes_per_token:.2f}",
            f"{fit.unknown:.2%}",
            f"{fit.lossless:.1%}",
            scripts,
        )
    console().print(table)


def needs_table(needs: "Needs") -> None:
    """What a run would need, by what it is for, and what to change where it does not fit."""
    from rich.table import Table

    from mason.reports.numbers import magnitude, size

    names = {
        "process": say("this process"),
        "weights": say("weights"),
        "gradients": say("gradients"),
        "optimizer": say("optimiser state"),
        "activations": say("activations"),
        "logits": say("logits"),
        "workspace": say("workspace"),
        "holes": say("holes between them"),
        "best": say("best weights so far"),
        "checkpoint": say("copy for the checkpoint"),
        "code": say("code written for products"),
        "gaps": say("gaps that passes leave"),
        "judging": say("judging the finished model"),
        "whole": say("layers made whole"),
    }
    table = Table(box=None, pad_edge=False)
    table.add_column(say("memory for"))
    table.add_column("", justify="right")
    for name, held in needs.memory.items():
        table.add_row(names.get(name, name), size(held))
    table.add_row(say("in all, at most"), size(needs.peak), style="bold")
    console().print(table)
    print(
        say(
            "{parameters} parameters, {steps:,} steps.",
            parameters=magnitude(needs.num_parameters),
            steps=needs.num_steps,
        )
    )
    for sentence in needs.sentences:
        print(sentence)
    if needs.fits_memory:
        print(say("It fits."))
    else:
        print(say("It does not fit."))
    for change in needs.changes:
        print(f"  {change.sentence}")


def announce(results: Mapping[str, Any], report: Path | None) -> None:
    """The result in a few lines, and where the page is; what is unheard is in the folder."""
    if not is_first_process():
        return
    with suppress(OSError):
        print(summary(results))
        if report is not None:
            print(say("Report: {path}", path=report))


def _scored(told: Mapping[str, Any]) -> list[str]:
    """What was measured, and beside it what something simpler scores."""
    accuracy, rivals = told["scores"].get("accuracy"), told.get("baselines", [])
    if accuracy is not None:
        right = say(
            "Right on {value:.1%} of {rows} unseen texts ({low:.1%} to {high:.1%}).",
            rows=told["rows"],
            **accuracy,
        )
        return [right, *(f"  {r['name']}: {r['accuracy']['value']:.1%}" for r in rivals)]
    from mason.reports.score_names import score_names

    names, lines = score_names(), []
    for kind, score in told["scores"].items():
        if kind not in names:
            continue
        named = {"score": names[kind][0], **score}
        lines.append(say("{score}: {value:.1%} ({low:.1%} to {high:.1%})", **named))
        lines += [
            f"  {r['name']}: {r['scores'][kind]['value']:.1%}"
            for r in rivals
            if kind in r["scores"]
        ]
    if told.get("nats"):
        from mason.reports.nats import nats_in_words
        from mason.reports.schema import Scored

        lines += nats_in_words(Scored(**told))
    if "mae" in told.get("distances", {}):
        from mason.reports.schema import Interval
        from mason.reports.scores import distance_in_words

        lines.append(distance_in_words(Interval(**told["distances"]["mae"])))
    return lines


def summary(results: Mapping[str, Any]) -> str:
    """The result in a few lines."""
    lines = []
    told = results.get("evaluation")
    if told:
        lines += _scored(told)
        whole = results.get("data", {}).get("rows", {}).get(told.get("split"), 0)
        # Those that write alone: other tasks count what fits the model.
        if "signatures" in told and told["rows"] < whole:
            lines.append(
                say(
                    "Written for {rows:,} of {whole:,} rows, drawn once; mason evaluate "
                    "--every-row takes them all.",
                    rows=told["rows"],
                    whole=whole,
                )
            )
    learned = results.get("pretraining")
    if learned:
        lines.append(
            say(
                "Loss on held-out text: {loss:.3f}; token frequencies alone give {unigram:.3f}.",
                loss=learned["held_loss"],
                unigram=learned["unigram_loss"],
            )
        )
    if learned and learned.get("token_accuracy") is not None:
        accuracy = learned["token_accuracy"]
        lines.append(say("Right on {accuracy:.1%} of hidden tokens.", accuracy=accuracy))
    if learned and learned.get("question_accuracy") is not None:
        accuracy = learned["question_accuracy"]
        lines.append(
            say("Right about the pair on {accuracy:.1%} of held-out passages.", accuracy=accuracy)
        )
    if learned and learned.get("bits_per_byte") is not None:
        lines.append(say("Bits a byte: {bits:.3f}.", bits=learned["bits_per_byte"]))
    training = results.get("training")
    if training and training.get("overfitting"):
        lines.append(training["overfitting"]["sentence"])
    return "\n".join(lines)
