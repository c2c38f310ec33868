"""Compression: the smallest model that keeps its accuracy, found by trying, proven by a test."""

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from mason import language
from mason.compression import Budget, Tried, judge_drop, search
from mason.errors import DataError, RunError, SettingsError
from mason.language import say
from mason.models.eight_bits import refuse_rounded
from mason.models.files import write_json, writing_folder
from mason.models.files.strict_json import read_json
from mason.reports import write_card, write_report
from mason.runtime import keep_freed_memory, seed_everything
from mason.settings import Settings, load_settings
from mason.sources import find_model
from mason.training.budgets import seconds_of
from mason.workflows.compression_results import Test, results_of
from mason.workflows.fine_tuning import Run
from mason.workflows.loading import load, load_as_it_is
from mason.workflows.model import Model
from mason.workflows.preparing import Prepared, prepare
from mason.workflows.shrinking import Shrinker, front_of
from mason.workflows.tasks import SEARCHED, task_of

Say = Callable[[str], None]
_SECONDS = 600.0
"""Of searching, where nobody says."""
_EPOCHS = 3.0
"""Of recovery, where nobody says: taught by the original, a shape learns longer before it
learns by heart."""
_UNITS = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9}
_TIMES = {"": 1.0, "ms": 1.0, "s": 1000.0}


def compress(
    model: Model | str | Path,
    data: str | Path,
    *,
    max_drop: float = 0.01,
    target_size: str | float | None = None,
    target_latency: str | float | None = None,
    proof: str = "interval",
    match_layers: bool = False,
    output: str | Path | None = None,
    notice: Say = lambda sentence: None,
    command: str | None = None,
    **options: object,
) -> Run:
    """Search for the smallest model that loses at most so much of its score.

    Rows are divided as they were when the model was trained on these data with this seed: one
    part is learned from, one chooses, and the report is of the third.

    Args:
        model: A trained model, or its name as for ``mason.load``.
        data: As for ``mason.train``; for a language model documents as for ``mason.pretrain``.
        max_drop: Most to lose of what rows are worth (``Task.each``), as a share: 0.01 is one
            point of accuracy, or one percent of perplexity.
        target_size: Stop when it is small enough: "20MB", or bytes.
        target_latency: Stop when it is fast enough: "5ms", or milliseconds.
        proof: "interval": what is kept must exclude a larger drop with its interval, which
            takes rows; "estimate": the estimate is enough.
        match_layers: Whether a smaller shape learns what the original's layers give too, not only
            what it says (TinyBERT: Jiao et al. 2020); recovery takes about twice as long.
        output: Folder to write; None: nothing is written.
        notice: Called with each sentence the user should read.
        command: How to repeat it, for the report.
        options: Settings by their dotted name: ``training.budget`` is the time for searching,
            ``training.epochs`` those of each recovery.

    Raises:
        MasonError: Model and data do not fit, or no smaller model stays inside the budget.
    """
    budget = _budget(max_drop, target_size, target_latency, proof)
    settings = _settings(model, data, options)
    ready, source = (model, None) if isinstance(model, Model) else _read(model)
    _check(ready)
    _begin(settings)
    prepared = _prepare(ready, settings)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        shrinker = _shrinker(
            ready, prepared, budget, settings, Path(place), notice, match_layers, source
        )
        inside, tried = _search(shrinker, settings)
        made, chosen, test = _tested(shrinker, inside)
        results = results_of(shrinker, made, chosen, tried, test, command)
        results["cost"]["seconds"] = {"total": time.monotonic() - begun}
    _tell_kept(results["compression"], notice)
    if output is None:
        return Run(made, results, None)
    _write(made, results, Path(output))
    return Run(made, results, Path(output))


def _budget(max_drop: float, size: object, latency: object, proof: str) -> Budget:
    if not 0 < max_drop < 1:
        raise SettingsError(
            "--max-drop is {value}; give what to lose at most as a share above 0 and below 1, such "
            "as 0.01 for one point of accuracy.",
            value=max_drop,
        )
    if proof not in ("interval", "estimate"):
        raise SettingsError("--proof is {value!r}; choose interval or estimate.", value=proof)
    limits = _amount("--target-size", size, _UNITS), _amount("--target-latency", latency, _TIMES)
    return Budget(max_drop, proof == "interval", *limits)


def _amount(name: str, given: object, units: Mapping[str, float]) -> float | None:
    """A number with its unit, such as 20MB, as a number of the smallest one."""
    if given is None:
        return None
    text = str(given).strip().lower().replace(" ", "")
    unit = text.lstrip("0123456789.")
    number = text.removesuffix(unit)
    try:
        amount = float(number) * units[unit]
    except (KeyError, ValueError):
        amount = 0.0
    if amount > 0:
        return amount
    raise SettingsError(
        "{name} is {value!r}; give a number above 0 with one of the units {known}.",
        name=name,
        value=given,
        known=", ".join(unit for unit in units if unit),
    )


def _settings(model: Model | str | Path, data: object, options: Mapping[str, object]) -> Settings:
    """The settings; rows are held out by the seed of the model's own run where it tells it."""
    seed = None if isinstance(model, Model) else _seed_of(Path(model))
    known = {"training.seed": seed} if seed is not None else {}
    found = load_settings(overrides={**known, **options, "data.train": str(data)}).settings
    if found.language != "auto":
        language.use(found.language)
    return found


def _seed_of(folder: Path) -> int | None:
    file = folder / "results.json"
    if not file.is_file():
        return None
    recipe = read_json(file, max_bytes=1 << 26).get("recipe")
    seed = recipe["settings"]["training"]["seed"] if isinstance(recipe, dict) else None
    return seed if isinstance(seed, int) else None


def _read(name: str | Path) -> tuple[Model, Path]:
    """A model, and the folder or file it is in."""
    return load_as_it_is(name), find_model(str(name))


def _begin(settings: Settings) -> None:
    """Memory, random numbers and threads, as a run has them.

    Raises:
        SettingsError: Another device is asked for than the one that shapes are measured on.
    """
    if settings.training.device not in ("auto", "cpu"):
        raise SettingsError(
            "mason compress measures its models on the processor, which they are made for; leave "
            "training.device {device} out.",
            device=settings.training.device,
        )
    keep_freed_memory()
    seed_everything(settings.training.seed)
    if settings.training.threads:
        torch.set_num_threads(settings.training.threads)


def _check(model: Model) -> None:
    if model.task not in SEARCHED:
        raise SettingsError(
            "mason compress has no score by which models for {task} are made smaller; it takes "
            "{known}. --weights int4 rounds any model that writes, mason tokenizer trim makes any "
            "model smaller.",
            task=model.task,
            known=", ".join(SEARCHED),
        )
    if model.base is not None:
        raise SettingsError(
            "{source} is an adapter on frozen weights; make one model of them first, with mason "
            "merge.",
            source=model.source,
        )
    refuse_rounded(model.network, model.source)
    stack = model.network.spec.input_stack
    if model.network.spec.topology == "encoder-decoder" or stack.shared:
        raise SettingsError(
            "mason compress takes layers from models with one stack of layers, each with weights "
            "of its own; this one is an {topology} or shares its layers.",
            topology=model.network.spec.topology,
        )


def _prepare(model: Model, settings: Settings) -> Prepared:
    task = task_of(model)
    prepared = task.restrict(model, prepare(settings.data, task, seed=settings.training.seed))
    if not {"valid", "test"} <= prepared.tables.keys():
        raise DataError(
            "{file} leaves no rows to choose on, or none to test on; leave data.valid-share and "
            "data.test-share above 0, or name files for them.",
            file=prepared.file,
        )
    return prepared


def _shrinker(
    model: Model,
    prepared: Prepared,
    budget: Budget,
    settings: Settings,
    place: Path,
    notice: Say,
    match_layers: bool,
    source: Path | None,
) -> Shrinker:
    epochs = settings.training.epochs or _EPOCHS
    shrinker = Shrinker(
        model, prepared, budget, float(epochs), settings, place, notice, match_layers, source
    )
    before = shrinker.original
    notice(
        say(
            "As it was: {size:.1f} MB, {time:.2f} ms a text, {score} on {rows} texts that choose.",
            size=before.footprint.num_bytes / 1e6,
            time=before.footprint.p50,
            score=shrinker.told(float(before.scores.mean())),
            rows=len(before.scores),
        )
    )
    return shrinker


def _search(shrinker: Shrinker, settings: Settings) -> tuple[list[Tried], list[Tried]]:
    """What may be kept, the smallest first, and all that was tried.

    Raises:
        RunError: Nothing stays inside the budget, or reaches what was asked for.
    """
    budget, limited = shrinker.budget, shrinker.budget.size or shrinker.budget.latency
    seconds = seconds_of(settings.training.budget) or _SECONDS

    def enough(tried: Tried) -> bool:
        return bool(limited) and budget.reached(tried.num_bytes, tried.latency)

    ladder = shrinker.ladder
    tried = search(shrinker.whole, shrinker.attempt, seconds=seconds, ladder=ladder, enough=enough)
    inside = front_of(tried)
    if not inside:
        best = max(tried, key=lambda one: one.verdict.difference.low)
        raise RunError(
            "Nothing smaller stays inside {drop} points, so nothing is written; the nearest, "
            "{what}: {why}. Allow more with --max-drop, hold out more rows with data.valid-share, "
            "or take --proof estimate.",
            drop=f"{100 * budget.max_drop:g}",
            what=best.rungs.words(shrinker.whole),
            why=best.verdict.sentence,
        )
    reached = [one for one in inside if budget.reached(one.num_bytes, one.latency)]
    if not reached:
        raise RunError(
            "Inside {drop} points nothing reaches the target; the smallest takes {size:.1f} MB and "
            "{time:.2f} ms a text. Give more time with --budget, or allow more with --max-drop.",
            drop=f"{100 * budget.max_drop:g}",
            size=inside[0].num_bytes / 1e6,
            time=inside[0].latency,
        )
    return reached, tried


def _tested(shrinker: Shrinker, inside: list[Tried]) -> tuple[Model, Tried, Test]:
    """The smallest that is inside the budget on the test rows too.

    Raises:
        RunError: None is.
    """
    before = shrinker.scores(shrinker.model, "test")
    for chosen in inside:
        made = load(chosen.made.folder)
        made.source = shrinker.model.source
        after = shrinker.scores(made, "test")
        verdict = judge_drop(before, after, shrinker.budget, shrinker.groups["test"])
        if verdict.hopeful:
            return made, chosen, Test(before, after, verdict)
        shrinker.notice(
            say(
                "{what}: on the {rows} test texts it {why}, so it is not kept.",
                what=chosen.rungs.words(shrinker.whole),
                rows=f"{len(after):,}",
                why=verdict.sentence,
            )
        )
    raise RunError(
        "On the test texts every model that was chosen is past the budget, so nothing is written; "
        "hold out more rows with data.valid-share, so that the choice is surer."
    )


def _tell_kept(block: Mapping[str, Any], notice: Say) -> None:
    kept, before = next(one for one in block["tried"] if one["chosen"]), block["original"]
    notice(
        say(
            "Kept: {what}; {smaller:.1f} times smaller, {faster:.1f} times faster on a text alone. "
            "Computed by {engine}.",
            what=kept["what"],
            smaller=before["num_bytes"] / kept["num_bytes"],
            faster=before["p50"] / kept["p50"],
            engine=block["engine"],
        )
    )


def _write(model: Model, results: dict[str, Any], output: Path) -> None:
    from_ = {"model": model.source}
    with writing_folder(output, kind="model", made_from=from_) as draft:
        model.write(draft)
        write_json(draft / "results.json", results)
        named = {**results, "name": output.name}
        write_card(named, draft)
        write_report(named, draft)
