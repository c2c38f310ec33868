"""The first screen: the result in one sentence, and four verdicts in plain words."""

from mason.language import say
from mason.reports.explanations import explained
from mason.reports.markup import Part, escape, sentences
from mason.reports.numbers import count, decimal, magnitude, out_of, percent
from mason.reports.provocations import probed
from mason.reports.schema import Data, Interval, Results, Scored, Training
from mason.reports.score_names import main_score, score_names, scores_of
from mason.reports.views import view_title

GOOD, WATCH, PROBLEM, UNKNOWN = "good", "watch", "problem", "unknown"


def overview(results: Results) -> Part:
    """The headline and the verdict strip; always there, whatever is missing below."""
    cards = [
        _score_card(results),
        _fit_card(results),
        _certainty_card(results),
        _data_card(results),
    ]
    strip = "".join(card for card in cards if card)
    return Part(
        headline(results),
        "",
        f'<p class="lede">{escape(sentences(_lede(results)))}</p>'
        + (f'<div class="strip">{strip}</div>' if strip else ""),
    )


def headline(results: Results) -> str:
    """The result in one sentence; also the page's title."""
    accuracy = _accuracy(results)
    if results.kind == "explain" and (view := view_title(results)):
        return view
    if results.kind == "explain" and (pictures := explained(results)):
        return say("{shown} of {all} pictures can be believed", shown=pictures[0], all=pictures[1])
    if results.security is not None and results.security.probes:
        return probed(results.security)
    if results.pretraining is not None:
        return say(
            "Guesses unseen text with a loss of {loss}; word counts alone give {unigram}",
            loss=decimal(results.pretraining.held_loss, 2),
            unigram=decimal(results.pretraining.unigram_loss, 2),
        )
    if results.evaluation is not None and accuracy is None and (main := _main(results)):
        name, score = main
        return say(
            "{score} of {value} on {rows} ({low}–{high})",
            score=score_names()[name][0],
            value=percent(score.value),
            rows=scored_rows(results.evaluation),
            low=percent(score.low),
            high=percent(score.high),
        )
    if results.evaluation is None or accuracy is None:
        if results.data is not None and results.data.rows.get("train"):
            return say(
                "Trained on {rows} texts, not yet tested on unseen ones",
                rows=count(results.data.rows["train"]),
            )
        return say("Not yet tested on unseen texts")
    unseen = results.evaluation.split != "train"
    if accuracy.value >= 1:
        rows = count(results.evaluation.rows)
        if unseen:
            return say("Right on all {rows} unseen texts", rows=rows)
        return say("Right on all {rows} training texts", rows=rows)
    parts, whole, number = out_of(accuracy.value)
    low, high = (decimal_of(end, number) for end in (accuracy.low, accuracy.high))
    if unseen:
        return say(
            "Right on {parts} of {whole} unseen texts ({low}–{high})",
            parts=parts,
            whole=whole,
            low=low,
            high=high,
        )
    return say(
        "Right on {parts} of {whole} training texts ({low}–{high})",
        parts=parts,
        whole=whole,
        low=low,
        high=high,
    )


def decimal_of(share: float, whole: int) -> str:
    """A share as parts of ``whole`` with one decimal: 0.936 of 100 → ``93.6``."""
    return f"{share * whole:,.1f}"


def _accuracy(results: Results) -> Interval | None:
    return results.evaluation.scores.get("accuracy") if results.evaluation else None


def _main(results: Results) -> tuple[str, Interval] | None:
    """Name and value of the score the task is judged by."""
    scored = results.evaluation
    name = main_score(scored) if scored is not None else None
    return (name, scored.scores[name]) if scored is not None and name is not None else None


def _lede(results: Results) -> list[str]:
    """What was done, what the range means, and what something simpler would score."""
    said = []
    if results.model is not None:
        said.append(
            say(
                "A model with {parameters} parameters, started from {source}.",
                parameters=magnitude(results.model.parameters),
                source=results.model.source,
            )
        )
    main, scored = _main(results), results.evaluation
    if main is None or scored is None:
        return said
    said.append(
        say(
            "Tested on {rows} texts; the range in brackets holds the true rate with "
            "{confidence} confidence.",
            rows=count(scored.rows),
            confidence=percent(scored.confidence, 0),
        )
    )
    if scored.split == "valid":
        said.append(
            say("These texts also chose the best step, so the score is somewhat flattering.")
        )
    name = main[0]
    rivals = {b.name: scores_of(b)[name].value for b in scored.baselines if name in scores_of(b)}
    if rivals:
        best = max(rivals, key=lambda rival: rivals[rival])
        template = (
            say(
                "For comparison, {name} is right on {share} of them.",
                name=best,
                share=percent(rivals[best]),
            )
            if name == "accuracy"
            else say(
                "For comparison, {name} reaches {share}.", name=best, share=percent(rivals[best])
            )
        )
        said.append(template)
    return said


def _card(kind: str, question: str, answer: str, detail: str) -> str:
    return (
        f'<div class="verdict {kind}"><h3>{escape(question)}</h3>'
        f'<p class="answer">{_icon(kind)}{escape(answer)}</p><p>{escape(detail)}</p></div>'
    )


def _icon(kind: str) -> str:
    """A shape a verdict: nobody has to tell colours apart."""
    shapes = {
        GOOD: '<circle cx="9" cy="9" r="8"/><path d="M5 9.3l2.8 2.8L13 6.6"/>',
        WATCH: '<path class="solid" d="M9 1.5L17 16H1z"/><path d="M9 7v4.2M9 13.4v.2"/>',
        PROBLEM: '<rect width="18" height="18" rx="4"/><path d="M5.5 5.5l7 7m0-7l-7 7"/>',
        UNKNOWN: '<circle cx="9" cy="9" r="8"/><path d="M5.5 9h7"/>',
    }
    return f'<svg class="icon" width="18" height="18" aria-hidden="true">{shapes[kind]}</svg>'


def _score_card(results: Results) -> str:
    if results.kind == "explain" or (results.security and results.evaluation is None):
        return ""
    main, scored = _main(results), results.evaluation
    question = say("How good is it?")
    learned = results.pretraining
    if learned is not None:
        better = learned.held_loss < learned.unigram_loss
        return _card(
            GOOD if better else PROBLEM,
            question,
            say("It uses context") if better else say("No better than word counts"),
            say(
                "Of the loss that word counts leave, {share} is gone.",
                share=percent(max(0.0, 1 - learned.held_loss / learned.unigram_loss)),
            ),
        )
    if main is None or scored is None:
        return _card(UNKNOWN, question, say("Not tested"), say("No unseen texts were scored."))
    name, score = main
    found = say(
        "{score} {value}, between {low} and {high}.",
        score=score_names()[name][0],
        value=percent(score.value),
        low=percent(score.low),
        high=percent(score.high),
    )
    macro = scored.scores.get("macro_f1")
    if macro is not None:
        alike = say("All labels counted alike (macro F1): {value}.", value=percent(macro.value))
        found = sentences([found, alike])
    rivals = [scores_of(rival) for rival in scored.baselines]
    best = max((told[name].value for told in rivals if name in told), default=None)
    if best is None:
        return _card(GOOD, question, say("Measured"), found)
    if score.low > best:
        return _card(GOOD, question, say("Better than something simpler"), found)
    if score.high < best:
        return _card(PROBLEM, question, say("Worse than something simpler"), found)
    return _card(WATCH, question, say("No clear gain over something simpler"), found)


def _fit_card(results: Results) -> str:
    run = results.training
    if run is None or run.overfitting is None:
        return ""
    answer = {
        "fits": say("It generalises"),
        "underfits": say("It could learn more"),
        "overfits": say("Learned, then memorised")
        if kept_before_the_end(run)
        else say("Memorised"),
        "too-early-to-tell": say("Too early to tell"),
    }
    question = say("Did it learn, or memorise?")
    found = run.overfitting
    return _card(fit_tone(run), question, answer[found.kind], found.sentence)


def kept_before_the_end(run: Training) -> bool:
    """Whether the model kept is from before the last step, so from before any harm."""
    return None not in (run.best_step, run.last_step) and run.best_step != run.last_step


def fit_tone(run: Training) -> str:
    """How bad the overfitting verdict is for the model that was kept."""
    if run.overfitting is None or run.overfitting.kind == "too-early-to-tell":
        return UNKNOWN
    if run.overfitting.kind == "fits":
        return GOOD
    caught = run.overfitting.kind == "underfits" or kept_before_the_end(run)
    return WATCH if caught else PROBLEM


def _certainty_card(results: Results) -> str:
    found = results.evaluation.calibration if results.evaluation else None
    if found is None:
        return ""
    error = found.ece if found.ece_after is None else found.ece_after
    detail = say(
        "When it says 90% sure, expect to be off by about {points} points.",
        points=decimal(error * 100, 2),
    )
    question = say("Can its certainty be believed?")
    if error <= max(0.03, found.chance_ece or 0.0):
        return _card(GOOD, question, say("Yes"), detail)
    if error <= 0.08:
        return _card(WATCH, question, say("Roughly"), detail)
    return _card(PROBLEM, question, say("No"), detail)


def _data_card(results: Results) -> str:
    if results.data is None or results.data.findings is None:
        return ""
    question = say("Is the data healthy?")
    errors, warnings = _found(results.data, "error"), _found(results.data, "warning")
    if errors:
        return _card(
            PROBLEM,
            question,
            say("Problems found"),
            say(
                "Serious findings: {errors}; warnings: {warnings}.",
                errors=errors,
                warnings=warnings,
            ),
        )
    if warnings:
        return _card(
            WATCH, question, say("Worth a look"), say("Warnings: {warnings}.", warnings=warnings)
        )
    return _card(GOOD, question, say("Yes"), say("The data doctor found nothing that matters."))


def _found(data: Data, severity: str) -> int:
    return sum(finding.severity == severity for finding in data.findings or [])


def scored_rows(scored: Scored) -> str:
    """Which rows a score is about, in words."""
    rows = count(scored.rows)
    if scored.split == "test":
        return say("{rows} test texts the model had never seen", rows=rows)
    if scored.split == "valid":
        return say("{rows} validation texts", rows=rows)
    if scored.split == "train":
        return say("{rows} training texts", rows=rows)
    return say("{rows} texts of the split {name}", rows=rows, name=scored.split)
