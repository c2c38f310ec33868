"""The card of an export: what it is, how near it is to the model, how to run it."""

from pathlib import Path
from typing import TYPE_CHECKING

from mason.export.formats import Format
from mason.export.subject import Subject
from mason.language import say

if TYPE_CHECKING:
    from mason.export.writing import Exported

_MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]<>#|~"} | {"\n": " ", "\r": " "})


def figures(exported: "Exported") -> list[tuple[str, str, str]]:
    """The proof as rows: what, of the model, of what was written."""
    p = exported.proof
    largest = say("largest difference (allowed: {allowed:.2g})", allowed=p.allowed)
    alike = say("answers alike (asked for: {least:.0%})", least=p.least)
    return [
        (largest, "", f"{p.delta:.2g}"),
        (alike, "", f"{p.agreement:.1%}"),
        (say("size"), _megabytes(p.source_bytes), _megabytes(p.artefact_bytes)),
        (say("milliseconds a text"), f"{p.source_ms:.2f}", f"{p.artefact_ms:.2f}"),
    ]


def write_card(file: Path, subject: Subject, format: Format, exported: "Exported") -> None:
    """Write the card, in the language in use."""
    proof = exported.proof
    name = say("{model} as {format}", model=_plain(Path(subject.name).name), format=format.title)
    lines = [
        f"# {name}",
        "",
        say(
            "{task}, weights in {precision}; written by Mason.",
            task=subject.task,
            precision=exported.precision,
        ),
    ]
    if labels := subject.network.spec.labels:
        lines.append(say("Labels: {labels}.", labels=", ".join(map(_plain, labels))))
    lines += ["", f"## {say('As near as measured')}", ""]
    lines += [f"| | {say('model')} | {proof.runtime} |", "|---|---:|---:|"]
    lines += [f"| {what} | {ours} | {theirs} |" for what, ours, theirs in figures(exported)]
    lines += ["", _origin(exported), "", f"## {say('How to use it')}", ""]
    language, code = format.usage
    most = subject.max_tokens
    cut = "" if most is None else f"tokenizer.enable_truncation({most})\n"
    lines += [f"```{language}", code.format(file=exported.path.name, cut=cut), "```", ""]
    file.write_text("\n".join(lines), encoding="utf-8")


def _origin(exported: "Exported") -> str:
    return say(
        "{count} texts went through both: {origin}. Times are of one text after another on the "
        "machine that wrote it.",
        count=exported.proof.num_inputs,
        origin=_plain(exported.proof.origin),
    )


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.2f} MB"


def _plain(text: str) -> str:
    return text.translate(_MARKDOWN)
